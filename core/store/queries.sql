-- SPDX-License-Identifier: MIT
--
-- Example queries of the manual (DATABASE.md): a comment, then one statement, then an empty line.
-- Tests run each on results of the quick start and of another study, where each must give rows.

-- The leaderboard of a study, best first; `test_mean` and `test_sd` are over seeds.
SELECT cell, params, valid, test_mean, test_sd, seeds
FROM leaderboard
WHERE study = 'quickstart';

-- The table of a paper: mean and deviation over n seeds for each cell, the lowest mean first.
SELECT task, cell, n, printf('%.4g ± %.2g', mean, sd) AS test, round(100 * above_best, 1) AS percent
FROM variant
WHERE study = 'quickstart';

-- How far each study is.
SELECT study, done, diverged, failed, running, pending, trials
FROM progress;

-- Trials of one study with what it varied, in a row each. Columns between `state` and `valid`
-- are the study's own.
SELECT trial, cell, rate, seed, valid, test
FROM study_1
WHERE state = 'done'
ORDER BY valid
LIMIT 10;

-- The learning curve of each cell at its best setting, over its seeds: mean, least and largest value.
SELECT cell, epoch, n, mean, low, high
FROM learning_curve
WHERE study = 'quickstart' AND split = 'valid'
ORDER BY cell, epoch;

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
WHERE study = 'quickstart'
GROUP BY cell_a, cell_b;

-- How sensitive is each cell to the learning rate?
SELECT cell, rate, count(*) AS trials, min(valid) AS best, avg(valid) AS mean, max(valid) AS worst
FROM study_1
WHERE state = 'done'
GROUP BY cell, rate
ORDER BY cell, rate;

-- The same differences with their certainty: Wilcoxon's p over the pairs, and that of a t test. Only a
-- first look: pairs of one setting are more alike than others. `cellbench compare` tests the chosen ones.
-- (`wilcoxon_p` and the like are functions of cellbench; in the sqlite3 shell `.load cellbench_stats`.)
SELECT cell_a, cell_b, median(difference) AS median_difference, wilcoxon_p(test_a, test_b) AS wilcoxon,
       paired_p(test_a, test_b) AS paired_t
FROM paired
WHERE study = 'quickstart'
GROUP BY cell_a, cell_b;

-- Median and quartiles of each cell over all its settings and seeds, and a bootstrap interval of the
-- mean: how much tuning it takes.
SELECT cell, count(*) AS trials, quantile(valid, 0.25) AS q1, median(valid) AS median,
       quantile(valid, 0.75) AS q3, bootstrap_low(valid) AS low, bootstrap_high(valid) AS high
FROM study_1
WHERE state = 'done'
GROUP BY cell;

-- The best tenth of each cell's trials by validation, and their test values, as Greff et al. (2017)
-- compare variants: less depends on luck than with the single best one.
SELECT cell, count(*) AS trials, median(test) AS median, min(test) AS lowest, max(test) AS highest
FROM (SELECT cell, test, row_number() OVER (PARTITION BY cell ORDER BY valid, trial) AS place,
             count(*) OVER (PARTITION BY cell) AS all_trials
      FROM study_1
      WHERE state = 'done')
WHERE place <= (all_trials + 9) / 10
GROUP BY cell
ORDER BY median;

-- Which settings are worth their parameters? The Pareto front, smallest first.
SELECT cell, config, params, valid, test, seconds
FROM cost
WHERE study = 'quickstart' AND front_params = 'yes'
ORDER BY params;

-- How good was the search after so many trials of each cell?
SELECT cell, number, best
FROM search_progress
WHERE study = 'quickstart' AND number IN (1, 2, 5, 10, 20, 50, 100);

-- What failed or diverged, and why, most frequent first.
SELECT cell, state, cause, error_text, count(*) AS trials, min(trial) AS one_of_them
FROM failure
WHERE study = 'quickstart'
GROUP BY cell, state, cause, error_text
ORDER BY trials DESC;

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
