-- SPDX-License-Identifier: MIT
--
-- The views of a cellbench database. They use stock SQL only, so that any tool can read them; they
-- hold no data, and a migration makes them anew from this text.

-- How far each study is, in its present edition. What the edition has not registered yet counts as it
-- was at the same place of the list in an earlier one, and else as pending. trials: of the list, each
-- once, and confirmations; unregistered: places of the list; left_flop: predicted operations of what
-- is pending or running, of what is not known yet the mean of the others.
CREATE VIEW progress AS
WITH listed AS (
    SELECT st.study_id, st.trial_id, max(st.edition) < s.edition AS old
    FROM study AS s
    CROSS JOIN study_trial AS st INDEXED BY study_trial_position ON st.study_id = s.study_id
    WHERE st.retired = 0 AND st.role = 'first'
      AND (st.edition = s.edition OR st.position >= s.registered AND st.position < s.trial_count)
    GROUP BY st.study_id, st.position
    UNION ALL
    SELECT st.study_id, st.trial_id, 0
    FROM study AS s
    JOIN study_trial AS st ON st.study_id = s.study_id
    WHERE st.retired = 0 AND st.role = 'confirm' AND st.edition = s.edition
), counted AS (
    SELECT l.study_id, count(*) AS trials, sum(t.state = 'pending') AS pending,
           sum(t.state = 'running') AS running, sum(t.state = 'done') AS done,
           sum(t.state = 'diverged') AS diverged, sum(t.state = 'failed') AS failed,
           sum(l.old) AS old, avg(t.cost_flop) AS mean_flop,
           sum(iif(t.state IN ('pending', 'running'), t.cost_flop, 0.0)) AS left_flop
    FROM listed AS l
    CROSS JOIN trial AS t ON t.trial_id = l.trial_id
    GROUP BY l.study_id
), unknown AS (
    SELECT study_id, trial_count - registered AS unregistered,
           trial_count - registered - coalesce((SELECT old FROM counted AS c
                                                WHERE c.study_id = s.study_id), 0) AS places
    FROM study AS s
)
SELECT s.study_id AS study_id, s.name AS study, coalesce(c.trials, 0) + u.places AS trials,
       coalesce(c.done, 0) AS done, coalesce(c.diverged, 0) AS diverged,
       coalesce(c.failed, 0) AS failed, coalesce(c.running, 0) AS running,
       coalesce(c.pending, 0) + u.places AS pending, s.trial_count AS trial_count,
       u.unregistered AS unregistered,
       coalesce(c.left_flop + u.places * c.mean_flop, 0.0) AS left_flop
FROM study AS s
JOIN unknown AS u ON u.study_id = s.study_id
LEFT JOIN counted AS c ON c.study_id = s.study_id;

-- The settings of each cell of a study, best first, by the mean validation value over the study's own
-- seeds; confirmation seeds choose nothing. A setting that did not come to an end with some seed
-- stands behind those that did with more; of equal ones the smaller config is first. done: its
-- finished trials, of `seeds`; open: trials of the whole cell, at all settings, still to be finished.
-- (The window adds the values in the order of the seeds: the bits of a mean depend on no other.)
CREATE VIEW ranking AS
WITH listed AS (
    SELECT st.study_id, t.task_id, c.name AS cell, st.config, t.seed, t.state, a.valid,
           st.position
    FROM study_trial AS st
    JOIN trial AS t ON t.trial_id = st.trial_id
    JOIN cell AS c ON c.cell_id = st.cell_id
    LEFT JOIN attempt AS a ON a.attempt_id = t.result_attempt_id AND t.state = 'done'
    WHERE st.retired = 0 AND st.role = 'first'
), setting_mean AS (
    SELECT study_id, task_id, cell, config, count(*) OVER same AS seeds,
           sum(state = 'done') OVER same AS done,
           sum(state IN ('pending', 'running'))
               OVER (PARTITION BY study_id, task_id, cell) AS open,
           sum(valid) OVER same / nullif(count(valid) OVER same, 0) AS valid,
           row_number() OVER (PARTITION BY study_id, task_id, cell, config
                              ORDER BY seed, position) AS number
    FROM listed
    WINDOW same AS (PARTITION BY study_id, task_id, cell, config ORDER BY seed, position
                    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
)
SELECT study_id, task_id, cell, config,
       row_number() OVER (PARTITION BY study_id, task_id, cell
                          ORDER BY valid IS NULL, seeds - done, valid, config) AS place,
       seeds, done, open, valid
FROM setting_mean
WHERE number = 1;

-- Best first: one row for each study, task and cell, at the setting that stands first in ranking.
-- valid is the mean over the study's own seeds; test that of the trial with the best validation
-- value among them. test_mean and test_sd are over the `seeds` finished trials of that setting that
-- `over` names: confirm, those with fresh seeds, if there are any; else study, the ones that chose
-- the setting. s_epoch: seconds per epoch of the same. mixed: 'yes' if results of several numerics
-- or instruction sets stand side by side. Lower is better.
CREATE VIEW leaderboard AS
WITH listed AS (
    SELECT st.study_id, t.task_id, c.name AS cell, st.config, st.role, t.state, t.hidden,
           t.param_count, t.metric, a.valid, a.test, a.wall_seconds, a.epochs, a.numerics,
           a.instruction_set,
           row_number() OVER (PARTITION BY st.study_id, t.task_id, c.name, st.config
                              ORDER BY st.role <> 'first', t.state <> 'done', a.valid IS NULL,
                                       a.valid, st.position)
               AS place,
           max(st.role = 'confirm' AND t.state = 'done')
               OVER (PARTITION BY st.study_id, t.task_id, c.name, st.config) AS confirmed
    FROM study_trial AS st
    JOIN trial AS t ON t.trial_id = st.trial_id
    JOIN cell AS c ON c.cell_id = st.cell_id
    LEFT JOIN attempt AS a ON a.attempt_id = t.result_attempt_id
    WHERE st.retired = 0
), total AS (
    SELECT study_id, task_id, cell, max(metric) AS metric, sum(state = 'done') AS done,
           sum(state = 'diverged') AS diverged,
           count(DISTINCT numerics || ' ' || instruction_set)
               FILTER (WHERE state IN ('done', 'diverged')) > 1 AS mixed
    FROM listed
    GROUP BY study_id, task_id, cell
), best AS (
    SELECT b.study_id, b.task_id, b.cell, r.valid, b.test, b.hidden, b.param_count,
           iif(b.confirmed, 'confirm', 'study') AS over, count(l.test) AS seeds,
           avg(l.test) AS test_mean,
           sqrt(max(0.0, (sum((l.test - b.test) * (l.test - b.test))
                          - count(l.test) * avg(l.test - b.test) * avg(l.test - b.test))
                         / (count(l.test) - 1))) AS test_sd, -- NULL for a single seed
           avg(l.wall_seconds / nullif(l.epochs, 0)) AS s_epoch
    FROM ranking AS r
    JOIN listed AS b ON b.study_id = r.study_id AND b.task_id = r.task_id AND b.cell = r.cell
                    AND b.config = r.config
    JOIN listed AS l ON l.study_id = b.study_id AND l.task_id = b.task_id AND l.cell = b.cell
                    AND l.config = b.config AND l.state = 'done'
                    AND l.role = iif(b.confirmed, 'confirm', 'first')
    WHERE r.place = 1 AND b.place = 1 AND b.state = 'done'
    GROUP BY b.study_id, b.task_id, b.cell
)
SELECT s.name AS study, k.name AS task, total.cell AS cell, total.done AS done,
       total.diverged AS diverged, total.metric AS metric,
       iif(valid IS NULL, NULL, CAST(printf('%.5g', valid) AS REAL)) AS valid,
       iif(test IS NULL, NULL, CAST(printf('%.5g', test) AS REAL)) AS test,
       best.seeds AS seeds, best.over AS over,
       iif(test_mean IS NULL, NULL, CAST(printf('%.5g', test_mean) AS REAL)) AS test_mean,
       iif(test_sd IS NULL, NULL, CAST(printf('%.2g', test_sd) AS REAL)) AS test_sd,
       best.hidden AS hidden, best.param_count AS params,
       iif(s_epoch IS NULL, NULL, CAST(printf('%.3g', s_epoch) AS REAL)) AS s_epoch,
       iif(total.mixed, 'yes', '') AS mixed
FROM total
JOIN study AS s ON s.study_id = total.study_id
JOIN task AS k ON k.task_id = total.task_id
LEFT JOIN best ON best.study_id = total.study_id AND best.task_id = total.task_id
              AND best.cell = total.cell
ORDER BY s.name, k.name, total.task_id, best.valid IS NULL, best.valid, total.cell;

-- Differences paired by seed: for two cells a < b of one study, each setting and seed that both
-- finished. Negative difference: a is better, for lower is better. (CROSS JOIN fixes the order of
-- the loops in SQLite: through the index of settings, not over all pairs of trials.)
CREATE VIEW paired AS
SELECT s.name AS study, k.name AS task, ca.name AS cell_a, cb.name AS cell_b, sa.config AS config,
       ta.seed AS seed, ta.metric AS metric, aa.test AS test_a, ab.test AS test_b,
       aa.test - ab.test AS difference
FROM study AS s
CROSS JOIN study_trial AS sa ON sa.study_id = s.study_id AND sa.retired = 0
CROSS JOIN trial AS ta ON ta.trial_id = sa.trial_id AND ta.state = 'done'
CROSS JOIN attempt AS aa ON aa.attempt_id = ta.result_attempt_id AND aa.test IS NOT NULL
CROSS JOIN cell AS ca ON ca.cell_id = sa.cell_id
CROSS JOIN task AS k ON k.task_id = ta.task_id
CROSS JOIN study_trial AS sb INDEXED BY study_trial_config
    ON sb.study_id = sa.study_id AND sb.config = sa.config AND sb.retired = 0
CROSS JOIN trial AS tb ON tb.trial_id = sb.trial_id AND tb.state = 'done' AND tb.seed = ta.seed
    AND tb.task_id = ta.task_id
CROSS JOIN attempt AS ab ON ab.attempt_id = tb.result_attempt_id AND ab.test IS NOT NULL
CROSS JOIN cell AS cb ON cb.cell_id = sb.cell_id AND ca.name < cb.name;
