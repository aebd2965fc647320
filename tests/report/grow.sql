-- SPDX-License-Identifier: MIT
--
-- Makes a large study of a small one, for the tests of scale: each cell of study 1 gets CONFIGS
-- settings with SEEDS seeds and EPOCHS epochs, as copies of its first trial with other numbers.
-- Columns that it does not name are copied, so it holds for later schemas too. The three words are
-- put in by sed.
PRAGMA foreign_keys = off;
PRAGMA synchronous = off;
PRAGMA temp_store = memory;
BEGIN;

CREATE TEMP TABLE template AS
SELECT row_number() OVER (ORDER BY min(st.position)) - 1 AS cell, st.cell_id, t.trial_id,
       t.result_attempt_id AS attempt_id
FROM study_trial AS st
JOIN trial AS t ON t.trial_id = st.trial_id
WHERE st.study_id = 1 AND st.retired = 0 AND t.state = 'done'
GROUP BY st.cell_id;

CREATE TEMP TABLE plan AS
WITH RECURSIVE config (config) AS (
    SELECT 0 UNION ALL SELECT config + 1 FROM config WHERE config < CONFIGS - 1
), seed (seed) AS (
    SELECT 1 UNION ALL SELECT seed + 1 FROM seed WHERE seed < SEEDS
)
SELECT 1000 + row_number() OVER (ORDER BY config, cell, seed) AS id, c.config, s.seed, t.*,
       -- a rate from 1e-4 to 1e-1, and a bowl around 3e-3 with some noise and the cell's own level
       pow(10, -4 + 3.0 * (c.config * 7919 % 1000) / 1000) AS rate,
       16 + c.config * 104729 % 113 AS hidden
FROM config AS c, seed AS s, template AS t;

CREATE TEMP TABLE made AS
SELECT *, 0.3 + 0.01 * cell + 0.1 * pow(log10(rate) + 2.5, 2) + 0.2 / hidden
          + 0.02 * (id * 48271 % 2147483647 % 1000) / 1000.0 AS value
FROM plan;

CREATE TEMP TABLE new_trial AS SELECT m.id, m.seed AS s, m.hidden AS h, t.*
FROM made AS m JOIN trial AS t ON t.trial_id = m.trial_id;
UPDATE new_trial SET trial_id = id, result_attempt_id = id, key = printf('%064x', id), seed = s,
       param_count = 4 * h * h, hidden = h;
ALTER TABLE new_trial DROP COLUMN id;
ALTER TABLE new_trial DROP COLUMN s;
ALTER TABLE new_trial DROP COLUMN h;

CREATE TEMP TABLE new_attempt AS SELECT m.id, m.value, a.*
FROM made AS m JOIN attempt AS a ON a.attempt_id = m.attempt_id;
UPDATE new_attempt SET attempt_id = id, trial_id = id, valid = value, test = value * 1.02,
       cpu_seconds = 1 + id % 100, wall_seconds = 1 + id % 100, epochs = EPOCHS;
ALTER TABLE new_attempt DROP COLUMN id;
ALTER TABLE new_attempt DROP COLUMN value;

CREATE TEMP TABLE new_specification AS SELECT m.id, x.*
FROM made AS m JOIN specification AS x ON x.trial_id = m.trial_id;
UPDATE new_specification SET trial_id = id;
ALTER TABLE new_specification DROP COLUMN id;

CREATE TEMP TABLE new_listed AS SELECT m.id, m.config AS c, x.*
FROM made AS m JOIN study_trial AS x ON x.trial_id = m.trial_id AND x.study_id = 1;
UPDATE new_listed SET trial_id = id, config = c, position = id - 1001, role = 'first';
ALTER TABLE new_listed DROP COLUMN id;
ALTER TABLE new_listed DROP COLUMN c;

CREATE TEMP TABLE metric AS SELECT metric FROM trial LIMIT 1;

DELETE FROM epoch;
DELETE FROM setting;
DELETE FROM study_trial;
DELETE FROM specification;
DELETE FROM trial;
DELETE FROM attempt;
INSERT INTO trial SELECT * FROM new_trial;
INSERT INTO attempt SELECT * FROM new_attempt;
INSERT INTO specification SELECT * FROM new_specification;
INSERT INTO study_trial SELECT * FROM new_listed;
INSERT INTO setting (study_id, trial_id, name, type, real) SELECT 1, id, 'rate', 'real', rate FROM made;
INSERT INTO setting (study_id, trial_id, name, type, integer)
SELECT 1, id, 'hidden', 'integer', hidden FROM made;
INSERT INTO epoch (attempt_id, epoch, split, metric, value, seconds)
WITH RECURSIVE n (epoch) AS (SELECT 1 UNION ALL SELECT epoch + 1 FROM n WHERE epoch < EPOCHS)
SELECT m.id, n.epoch, s.split, metric.metric, m.value + exp(-0.1 * n.epoch) * s.factor, 0.1
FROM made AS m, n, (SELECT 'train' AS split, 0.9 AS factor UNION ALL SELECT 'valid', 1.0) AS s, metric;
UPDATE study SET trial_count = (SELECT count(*) FROM study_trial), registered = (SELECT count(*) FROM study_trial)
WHERE study_id = 1;
COMMIT;
