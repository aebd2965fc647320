-- SPDX-License-Identifier: MIT
--
-- Example queries of the manual (DATABASE.md): a comment, then one statement, then an empty line.
-- A test runs each on the results of a small study, where each must give rows.

-- The leaderboard of a study, best first; `test_mean` and `test_sd` are over seeds.
SELECT cell, params, valid, test_mean, test_sd, seeds
FROM leaderboard
WHERE study = 'sample';

-- How far each study is.
SELECT s.name, t.state, count(*) AS trials
FROM study AS s
JOIN study_trial AS st ON st.study_id = s.study_id AND st.retired = 0
JOIN trial AS t ON t.trial_id = st.trial_id
GROUP BY s.name, t.state;

-- Trials of one study with what it varied, in a row each. Columns between `state` and `valid`
-- are the study's own.
SELECT trial, cell, rate, optimiser, seed, valid, test
FROM study_1
WHERE state = 'done'
ORDER BY valid
LIMIT 10;

-- The learning curve of the best trial.
SELECT e.epoch, e.split, e.value, e.seconds
FROM (SELECT trial FROM study_1 WHERE state = 'done' ORDER BY valid LIMIT 1) AS best
JOIN trial AS t ON t.trial_id = best.trial
JOIN epoch AS e ON e.attempt_id = t.result_attempt_id AND e.metric = t.metric
ORDER BY e.epoch, e.split;

-- Does one cell beat the other at the same settings and seeds? Mean difference, and at how many of
-- the pairs the first is better.
SELECT cell_a, cell_b, count(*) AS pairs, avg(difference) AS mean_difference,
       sum(difference < 0) AS a_better
FROM paired
WHERE study = 'sample'
GROUP BY cell_a, cell_b;

-- How sensitive is each cell to the learning rate?
SELECT cell, rate, count(*) AS trials, min(valid) AS best, avg(valid) AS mean, max(valid) AS worst
FROM study_1
WHERE state = 'done'
GROUP BY cell, rate
ORDER BY cell, rate;

-- Seconds and operations per epoch, and the speed that this makes.
SELECT c.name AS cell, avg(a.wall_seconds / a.epochs) AS seconds_per_epoch,
       sum(a.flop) / sum(a.wall_seconds) / 1e9 AS gflop_per_second
FROM attempt AS a
JOIN trial AS t ON t.trial_id = a.trial_id
JOIN cell AS c ON c.cell_id = t.cell_id
WHERE a.state = 'done' AND a.epochs > 0 AND a.wall_seconds > 0
GROUP BY c.name;

-- On what, and with what build, was it computed?
SELECT r.run_id, m.host, m.cpu, r.kernel, r.numerics, r.git_commit, r.command, r.started_utc
FROM run AS r
JOIN machine AS m ON m.machine_id = r.machine_id;

-- Which equations, exactly?
SELECT name, source, text
FROM cell
ORDER BY name;
