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
-- (The window adds the values in the order of the seeds: the bits of a mean depend on no other. Its
-- first row speaks for all, and INDEXED BY gives the settings in order: only the trials of each are
-- sorted.)
CREATE VIEW ranking AS
WITH listed AS (
    SELECT st.study_id, t.task_id, c.name AS cell, st.config,
           count(*) OVER same AS seeds, sum(t.state = 'done') OVER same AS done,
           sum(t.state IN ('pending', 'running')) OVER same AS open,
           sum(a.valid) OVER same / nullif(count(a.valid) OVER same, 0) AS valid,
           first_value(st.trial_id) OVER same = st.trial_id AS is_first
    FROM study_trial AS st INDEXED BY study_trial_config
    CROSS JOIN trial AS t ON t.trial_id = st.trial_id
    CROSS JOIN cell AS c ON c.cell_id = st.cell_id
    LEFT JOIN attempt AS a ON a.attempt_id = t.result_attempt_id AND t.state = 'done'
    WHERE st.retired = 0 AND st.role = 'first'
    WINDOW same AS (PARTITION BY st.study_id, st.config, t.task_id, c.name
                    ORDER BY t.seed, st.position
                    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
)
SELECT study_id, task_id, cell, config,
       row_number() OVER (PARTITION BY study_id, task_id, cell
                          ORDER BY valid IS NULL, seeds - done, valid, config) AS place,
       seeds, done, sum(open) OVER (PARTITION BY study_id, task_id, cell) AS open, valid
FROM listed
WHERE is_first;

-- Each cell of a study at the setting that stands first in ranking, in full digits; the leaderboard
-- rounds it. valid: mean over the study's own seeds; trial: the one with the best validation value
-- among them, and test its test value. over: confirm, if trials with fresh seeds are finished, else
-- study; seeds, test_mean, test_sd, test_low, test_high (least and largest), flop, seconds (by the
-- clock) and seconds_per_epoch are over the finished trials that it names, the last three as means.
-- test_sd: NULL for one seed. Lower is better.
-- (CROSS JOIN fixes the order of SQLite's loops: from the few settings to their trials.)
CREATE VIEW chosen AS
WITH result AS (
    SELECT r.study_id, r.task_id, r.cell, r.config, r.valid AS mean_valid, st.trial_id, st.role,
           t.metric, t.hidden, t.param_count, a.test, a.flop, a.wall_seconds,
           a.wall_seconds / nullif(a.epochs, 0) AS seconds_per_epoch,
           row_number() OVER (PARTITION BY r.study_id, r.task_id, r.cell
                              ORDER BY st.role <> 'first', a.valid IS NULL, a.valid, st.position)
               AS number,
           max(st.role = 'confirm') OVER (PARTITION BY r.study_id, r.task_id, r.cell) AS confirmed
    FROM ranking AS r
    CROSS JOIN study_trial AS st INDEXED BY study_trial_config
        ON st.study_id = r.study_id AND st.config = r.config AND st.retired = 0
    CROSS JOIN trial AS t
        ON t.trial_id = st.trial_id AND t.task_id = r.task_id AND t.state = 'done'
    CROSS JOIN cell AS c ON c.cell_id = st.cell_id AND c.name = r.cell
    CROSS JOIN attempt AS a ON a.attempt_id = t.result_attempt_id
    WHERE r.place = 1
)
SELECT b.study_id AS study_id, b.task_id AS task_id, b.cell AS cell, b.config AS config,
       b.metric AS metric, b.mean_valid AS valid, b.trial_id AS trial, b.test AS test,
       iif(b.confirmed, 'confirm', 'study') AS over, count(l.test) AS seeds,
       avg(l.test) AS test_mean,
       sqrt(max(0.0, (sum((l.test - b.test) * (l.test - b.test))
                      - count(l.test) * avg(l.test - b.test) * avg(l.test - b.test))
                     / (count(l.test) - 1))) AS test_sd,
       min(l.test) AS test_low, max(l.test) AS test_high, b.hidden AS hidden,
       b.param_count AS params, avg(l.flop) AS flop, avg(l.wall_seconds) AS seconds,
       avg(l.seconds_per_epoch) AS seconds_per_epoch
FROM result AS b
JOIN result AS l ON l.study_id = b.study_id AND l.task_id = b.task_id AND l.cell = b.cell
                AND l.role = iif(b.confirmed, 'confirm', 'first')
WHERE b.number = 1 AND b.role = 'first'
GROUP BY b.study_id, b.task_id, b.cell;

-- Best first: one row for each study, task and cell, at the setting that stands first in ranking.
-- valid is the mean over the study's own seeds; test that of the trial with the best validation
-- value among them. test_mean and test_sd are over the `seeds` finished trials of that setting that
-- `over` names: confirm, those with fresh seeds, if there are any; else study, the ones that chose
-- the setting. s_epoch: seconds per epoch of the same. mixed: 'yes' if results of several numerics
-- or instruction sets stand side by side. Lower is better. Rounded: chosen has all digits.
CREATE VIEW leaderboard AS
WITH total AS (
    SELECT st.study_id, t.task_id, c.name AS cell, max(t.metric) AS metric,
           sum(t.state = 'done') AS done, sum(t.state = 'diverged') AS diverged,
           min(a.numerics) <> max(a.numerics)
               OR min(a.instruction_set) <> max(a.instruction_set) AS mixed
    FROM study_trial AS st
    JOIN trial AS t ON t.trial_id = st.trial_id
    JOIN cell AS c ON c.cell_id = st.cell_id
    LEFT JOIN attempt AS a
        ON a.attempt_id = t.result_attempt_id AND t.state IN ('done', 'diverged')
    WHERE st.retired = 0
    GROUP BY st.study_id, t.task_id, c.name
)
SELECT s.name AS study, k.name AS task, total.cell AS cell, total.done AS done,
       total.diverged AS diverged, total.metric AS metric,
       iif(valid IS NULL, NULL, CAST(printf('%.5g', valid) AS REAL)) AS valid,
       iif(test IS NULL, NULL, CAST(printf('%.5g', test) AS REAL)) AS test,
       best.seeds AS seeds, best.over AS over,
       iif(test_mean IS NULL, NULL, CAST(printf('%.5g', test_mean) AS REAL)) AS test_mean,
       iif(test_sd IS NULL, NULL, CAST(printf('%.2g', test_sd) AS REAL)) AS test_sd,
       best.hidden AS hidden, best.params AS params,
       iif(seconds_per_epoch IS NULL, NULL, CAST(printf('%.3g', seconds_per_epoch) AS REAL))
           AS s_epoch,
       iif(total.mixed, 'yes', '') AS mixed
FROM total
JOIN study AS s ON s.study_id = total.study_id
JOIN task AS k ON k.task_id = total.task_id
LEFT JOIN chosen AS best ON best.study_id = total.study_id AND best.task_id = total.task_id
                        AND best.cell = total.cell
ORDER BY s.name, k.name, total.task_id, best.valid IS NULL, best.valid, total.cell;

-- The table of variants as papers print it, a row for each study, task and cell: mean and standard
-- deviation of the test value over n seeds, as in chosen. place: by the mean, among the cells of
-- that study and task; above_best: how far it is above the first of them, as a share (0.1: 10 %).
-- What the difference is worth, `cellbench compare` says.
CREATE VIEW variant AS
SELECT s.name AS study, k.name AS task, b.cell AS cell, b.metric AS metric, b.seeds AS n,
       b.over AS over, b.test_mean AS mean, b.test_sd AS sd,
       rank() OVER same AS place,
       b.test_mean / nullif(first_value(b.test_mean) OVER same, 0.0) - 1.0 AS above_best
FROM chosen AS b
JOIN study AS s ON s.study_id = b.study_id
JOIN task AS k ON k.task_id = b.task_id
WHERE b.test_mean IS NOT NULL
WINDOW same AS (PARTITION BY b.study_id, b.task_id ORDER BY b.test_mean)
ORDER BY s.name, k.name, b.task_id, place, b.cell;

-- Learning curves of each cell at its chosen setting: after each epoch the mean, the least and the
-- largest value (low, high) over n trials, those that `over` names, as in chosen. Trials that stopped
-- earlier are not in later epochs: n says so. A value that is not finite is not in it either.
CREATE VIEW learning_curve AS
SELECT s.name AS study, k.name AS task, b.cell AS cell, b.config AS config, b.over AS over,
       e.split AS split, e.metric AS metric, e.epoch AS epoch, count(e.value) AS n,
       avg(e.value) AS mean, min(e.value) AS low, max(e.value) AS high
FROM chosen AS b
CROSS JOIN study AS s ON s.study_id = b.study_id
CROSS JOIN task AS k ON k.task_id = b.task_id
CROSS JOIN study_trial AS st INDEXED BY study_trial_config
    ON st.study_id = b.study_id AND st.config = b.config AND st.retired = 0
    AND st.role = iif(b.over = 'confirm', 'confirm', 'first')
CROSS JOIN trial AS t ON t.trial_id = st.trial_id AND t.task_id = b.task_id AND t.state = 'done'
CROSS JOIN cell AS c ON c.cell_id = st.cell_id AND c.name = b.cell
CROSS JOIN epoch AS e ON e.attempt_id = t.result_attempt_id
GROUP BY b.study_id, b.task_id, b.cell, e.split, e.metric, e.epoch;

-- Accuracy against cost, a row for each setting of each cell that finished with some seed: means over
-- the `seeds` finished trials of the study itself of the validation and test value, operations, and
-- seconds by the clock (of trials that ran beside others: what it took, not which is fast). front_params
-- and front_flop: 'yes' if no other setting of any cell of that study and task is at least as good in
-- both, the validation value and the parameters (or operations): the Pareto front. Of equals, one.
CREATE VIEW cost AS
WITH mean AS (
    SELECT st.study_id, t.task_id, c.name AS cell, st.config, max(t.metric) AS metric,
           count(a.valid) AS seeds, max(t.hidden) AS hidden, max(t.param_count) AS params,
           avg(a.flop) AS flop, avg(a.wall_seconds) AS seconds, avg(a.valid) AS valid,
           avg(a.test) AS test
    FROM study_trial AS st
    JOIN trial AS t ON t.trial_id = st.trial_id AND t.state = 'done'
    JOIN cell AS c ON c.cell_id = st.cell_id
    JOIN attempt AS a ON a.attempt_id = t.result_attempt_id
    WHERE st.retired = 0 AND st.role = 'first'
    GROUP BY st.study_id, t.task_id, c.name, st.config
)
SELECT s.name AS study, k.name AS task, m.cell AS cell, m.config AS config, m.metric AS metric,
       m.seeds AS seeds, m.hidden AS hidden, m.params AS params, m.flop AS flop,
       m.seconds AS seconds, m.valid AS valid, m.test AS test,
       iif(m.valid < coalesce(min(m.valid) OVER by_params, 9e999), 'yes', '') AS front_params,
       iif(m.valid < coalesce(min(m.valid) OVER by_flop, 9e999), 'yes', '') AS front_flop
FROM mean AS m
JOIN study AS s ON s.study_id = m.study_id
JOIN task AS k ON k.task_id = m.task_id
WHERE m.valid IS NOT NULL
WINDOW by_params AS (PARTITION BY m.study_id, m.task_id ORDER BY m.params, m.valid, m.cell, m.config
                     ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
       by_flop AS (PARTITION BY m.study_id, m.task_id ORDER BY m.flop, m.valid, m.cell, m.config
                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);

-- What did not come to a result, and why: each trial of a study that failed or diverged. cause: whose
-- fault a failure was, trial, worker or machine; error_text: what was said; epochs: how many it came
-- to; host and ended_utc of the attempt that counts.
CREATE VIEW failure AS
SELECT s.name AS study, k.name AS task, c.name AS cell, st.config AS config, t.seed AS seed,
       t.trial_id AS trial, t.state AS state, a.cause AS cause, a.error_text AS error_text,
       t.attempt_count AS attempts, a.epochs AS epochs, m.host AS host, a.ended_utc AS ended_utc
FROM study_trial AS st
JOIN study AS s ON s.study_id = st.study_id
JOIN trial AS t ON t.trial_id = st.trial_id AND t.state IN ('failed', 'diverged')
JOIN cell AS c ON c.cell_id = st.cell_id
JOIN task AS k ON k.task_id = t.task_id
JOIN attempt AS a ON a.attempt_id = t.result_attempt_id
JOIN run AS r ON r.run_id = a.run_id
JOIN machine AS m ON m.machine_id = r.machine_id
WHERE st.retired = 0;

-- How a search went on, trial by trial in the order of the study's list: number, from 1 for each cell
-- and task; valid and test of the trial (NULL: none); best: the lowest validation value so far; flop:
-- operations so far. In a study of several seeds each is a trial of its own. The best that another
-- order of the same trials would have found: cb_stats_expected_best.
CREATE VIEW search_progress AS
SELECT s.name AS study, k.name AS task, c.name AS cell, row_number() OVER so_far AS number,
       t.trial_id AS trial, st.config AS config, t.seed AS seed, t.state AS state,
       iif(t.state = 'done', a.valid, NULL) AS valid, iif(t.state = 'done', a.test, NULL) AS test,
       min(iif(t.state = 'done', a.valid, NULL)) OVER so_far AS best, sum(a.flop) OVER so_far AS flop
FROM study_trial AS st
JOIN study AS s ON s.study_id = st.study_id
JOIN trial AS t ON t.trial_id = st.trial_id AND t.state IN ('done', 'diverged', 'failed')
JOIN cell AS c ON c.cell_id = st.cell_id
JOIN task AS k ON k.task_id = t.task_id
LEFT JOIN attempt AS a ON a.attempt_id = t.result_attempt_id
WHERE st.retired = 0 AND st.role = 'first'
WINDOW so_far AS (PARTITION BY st.study_id, t.task_id, c.name ORDER BY st.position
                  ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW);

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

-- How fast cells are: a row for each series of table timing. ms: one execution, the median over n
-- samples, with its quartiles low_ms and high_ms (of type 7, as R's); gflops: 10^9 operations of its
-- products a second, by that median; share: of the multiply-add peak of a core beside each sample,
-- its median (NULL: not known); batch, frames, layers: as in timing. commit: of cellbench.
CREATE VIEW speed AS
WITH keyed AS (
    SELECT timing_id, 1e-6 * duration_ns / repeats AS ms,
           1e9 * flop * repeats / nullif(duration_ns, 0) / peak_flop_per_s AS share,
           min(timing_id) OVER (PARTITION BY run_id, cell_id, engine, version, kernel, steps, batch,
                                input, hidden, layers, frames, inputs, phase, jobs, clock) AS series
    FROM timing
    WHERE part = 'all'
), ordered AS (
    SELECT series, ms, share, row_number() OVER (PARTITION BY series ORDER BY ms) - 1.0 AS place,
           row_number() OVER (PARTITION BY series ORDER BY share) - 1.0 AS share_place,
           count(*) OVER (PARTITION BY series) - 1.0 AS last
    FROM keyed
), summary AS (
    SELECT series, count(*) AS n,
           sum(ms * max(0.0, 1.0 - abs(place - 0.25 * last))) AS low_ms,
           sum(ms * max(0.0, 1.0 - abs(place - 0.5 * last))) AS ms,
           sum(ms * max(0.0, 1.0 - abs(place - 0.75 * last))) AS high_ms,
           iif(count(share) = count(*),
               sum(share * max(0.0, 1.0 - abs(share_place - 0.5 * last))), NULL) AS share
    FROM ordered
    GROUP BY series
)
SELECT t.run_id AS run_id, c.name AS cell, t.engine AS engine, t.kernel AS kernel,
       t.version AS version, t.steps AS steps, t.batch AS batch, t.input AS input,
       t.hidden AS hidden, t.layers AS layers, t.frames AS frames, t.inputs AS inputs,
       t.phase AS phase, t.jobs AS jobs, t.clock AS clock, s.n AS n, s.low_ms AS low_ms,
       s.ms AS ms, s.high_ms AS high_ms, 1e-6 * t.flop / s.ms AS gflops, s.share AS share,
       m.cpu AS cpu, r.git_commit AS git_commit
FROM summary AS s
JOIN timing AS t ON t.timing_id = s.series
JOIN cell AS c ON c.cell_id = t.cell_id
JOIN run AS r ON r.run_id = t.run_id
JOIN machine AS m ON m.machine_id = r.machine_id
ORDER BY t.run_id, s.series;

-- Cellbench against other programs that were timed in the same run, round by round: how many times
-- faster it computes the same cell at the same shape. faster: the median over n rounds of their time
-- over its own, with its quartiles low and high.
CREATE VIEW speed_ratio AS
WITH ratio AS (
    SELECT a.timing_id, 1.0 * b.duration_ns / b.repeats * a.repeats / nullif(a.duration_ns, 0) AS x,
           b.engine, b.kernel, b.version,
           min(a.timing_id) OVER (PARTITION BY a.run_id, a.cell_id, a.kernel, a.steps, a.batch,
                                  a.input, a.hidden, a.layers, a.frames, a.inputs, a.phase, a.jobs,
                                  a.clock, b.engine, b.kernel, b.version) AS series
    FROM timing AS a
    JOIN timing AS b
        ON b.run_id = a.run_id AND b.cell_id = a.cell_id AND b.engine <> 'cellbench'
        AND b.steps = a.steps AND b.batch = a.batch AND b.input = a.input AND b.hidden = a.hidden
        AND b.layers = a.layers AND b.frames = a.frames AND b.inputs = a.inputs
        AND b.phase = a.phase AND b.part = 'all' AND b.jobs = a.jobs AND b.clock = a.clock
        AND b.sample = a.sample
    WHERE a.engine = 'cellbench' AND a.part = 'all'
), ordered AS (
    SELECT series, engine, kernel, version, x,
           row_number() OVER (same ORDER BY x) - 1.0 AS place, count(*) OVER same - 1.0 AS last
    FROM ratio
    WINDOW same AS (PARTITION BY series, engine, kernel, version)
)
SELECT t.run_id AS run_id, c.name AS cell, t.steps AS steps, t.batch AS batch, t.input AS input,
       t.hidden AS hidden, t.layers AS layers, t.frames AS frames, t.inputs AS inputs,
       t.phase AS phase, t.jobs AS jobs, t.clock AS clock, t.kernel AS own_kernel,
       o.engine AS engine, o.kernel AS kernel, o.version AS version, count(*) AS n,
       sum(x * max(0.0, 1.0 - abs(place - 0.25 * last))) AS low,
       sum(x * max(0.0, 1.0 - abs(place - 0.5 * last))) AS faster,
       sum(x * max(0.0, 1.0 - abs(place - 0.75 * last))) AS high
FROM ordered AS o
JOIN timing AS t ON t.timing_id = o.series
JOIN cell AS c ON c.cell_id = t.cell_id
GROUP BY o.series, o.engine, o.kernel, o.version
ORDER BY t.run_id, o.series, o.engine, o.kernel;

-- Where the time of an execution goes, as shares of it (0.1: 10 %), by the shortest of n samples with
-- clocks around every part: products in and out of the loop, gradients of the weights, pointwise
-- programs, packing of weights, and the rest.
CREATE VIEW speed_part AS
WITH part AS (
    SELECT min(timing_id) OVER (PARTITION BY run_id, cell_id, engine, version, kernel, steps, batch,
                                input, hidden, layers, frames, inputs, phase, jobs, clock) AS series,
           sample, part, 1.0 * duration_ns / repeats AS ns
    FROM timing
    WHERE part <> 'all'
), whole AS (
    SELECT series, sum(iif(part = 'products', ns, 0.0)) AS products,
           sum(iif(part = 'gradients', ns, 0.0)) AS gradients,
           sum(iif(part = 'pointwise', ns, 0.0)) AS pointwise,
           sum(iif(part = 'packing', ns, 0.0)) AS packing,
           sum(iif(part = 'rest', ns, 0.0)) AS rest, sum(ns) AS ns
    FROM part
    GROUP BY series, sample
), shortest AS (
    SELECT *, row_number() OVER (PARTITION BY series ORDER BY ns) AS place,
           count(*) OVER (PARTITION BY series) AS n
    FROM whole
)
SELECT t.run_id AS run_id, c.name AS cell, t.engine AS engine, t.kernel AS kernel,
       t.steps AS steps, t.batch AS batch, t.input AS input, t.hidden AS hidden,
       t.layers AS layers, t.frames AS frames, t.inputs AS inputs, t.phase AS phase, s.n AS n,
       s.products / s.ns AS products, s.gradients / s.ns AS gradients,
       s.pointwise / s.ns AS pointwise, s.packing / s.ns AS packing, s.rest / s.ns AS rest
FROM shortest AS s
JOIN timing AS t ON t.timing_id = s.series
JOIN cell AS c ON c.cell_id = t.cell_id
WHERE s.place = 1
ORDER BY t.run_id, s.series;
