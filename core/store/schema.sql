-- SPDX-License-Identifier: MIT
--
-- The schema of a cellbench database, version 2. Every table and every column has a comment here
-- (a test reads this file and insists), and SQLite keeps those within a statement: `.schema` in the
-- sqlite3 shell shows them.
--
-- Names are singular; units are in names; times are UTC texts like 2026-01-31T12:00:00.000Z; a
-- number that is not finite is stored as NULL. The views at the end use stock SQL only, so that any
-- tool can read them; they hold no data, and a migration makes them anew from this text.

-- A study: a name and a list of trials, as its script gave it last.
CREATE TABLE study (
    study_id INTEGER PRIMARY KEY, -- number of the study; its wide view is study_<study_id>
    name TEXT NOT NULL UNIQUE CHECK (name <> ''), -- name, as in the script
    script_path TEXT NOT NULL, -- path of the script as the user gave it; '' if none
    script TEXT NOT NULL, -- text of the script at the last registration
    git_commit TEXT NOT NULL, -- commit of the script's folder, '+dirty' appended; '' if none
    edition INTEGER NOT NULL CHECK (edition >= 1), -- counts the registrations of its list
    created_utc TEXT NOT NULL, -- first registration
    updated_utc TEXT NOT NULL -- last registration
) STRICT;

-- A cell as it was computed: name and expanded text. Another text is another row.
CREATE TABLE cell (
    cell_id INTEGER PRIMARY KEY, -- number of the cell
    name TEXT NOT NULL CHECK (name <> ''), -- name in the study
    text_sha256 TEXT NOT NULL, -- SHA-256 of the expanded text, 64 hex digits
    text TEXT NOT NULL, -- expanded text: the equations with their settings
    source TEXT NOT NULL, -- the paper it is from; '' if none was given
    UNIQUE (name, text_sha256)
) STRICT;

-- A task with all settings that decide its data.
CREATE TABLE task (
    task_id INTEGER PRIMARY KEY, -- number of the task
    name TEXT NOT NULL CHECK (name <> ''), -- kind of task, e.g. adding
    identity_sha256 TEXT NOT NULL, -- SHA-256 of the identity, 64 hex digits
    identity TEXT NOT NULL, -- canonical JSON of the settings that decide its data
    data_sha256 TEXT NOT NULL, -- SHA-256 of the data file; '' for generated tasks
    UNIQUE (name, identity_sha256, data_sha256)
) STRICT;

-- A trial: one cell with one setting and one seed, trained once. Its key says all that decides its
-- result, so studies that ask for the same thing share it.
CREATE TABLE trial (
    trial_id INTEGER PRIMARY KEY, -- number of the trial
    key TEXT NOT NULL UNIQUE
        CHECK (length(key) = 64 AND key NOT GLOB '*[^0-9a-f]*'), -- SHA-256 of the specification
    cell_id INTEGER NOT NULL REFERENCES cell (cell_id), -- cell, under the name it came with first
    task_id INTEGER NOT NULL REFERENCES task (task_id), -- task
    metric TEXT NOT NULL, -- metric of train, valid and test; lower is better
    seed INTEGER NOT NULL, -- replicate seed; trials of equal seed are paired over cells
    hidden INTEGER NOT NULL, -- units H of a layer
    param_count INTEGER NOT NULL, -- learned numbers, readout included
    state TEXT NOT NULL
        CHECK (state IN ('pending', 'running', 'done', 'diverged', 'failed')), -- where it stands
    result_attempt_id INTEGER REFERENCES attempt (attempt_id) -- attempt whose numbers count
        CHECK ((result_attempt_id IS NULL) = (state IN ('pending', 'running'))),
    attempt_count INTEGER NOT NULL DEFAULT 0, -- attempts begun so far
    created_utc TEXT NOT NULL -- when it was first asked for
) STRICT;
CREATE INDEX trial_result ON trial (result_attempt_id);
CREATE INDEX trial_cell ON trial (cell_id);
CREATE INDEX trial_task ON trial (task_id);

-- The long texts of a trial, apart from it so that counting and ranking trials reads little.
CREATE TABLE specification (
    trial_id INTEGER PRIMARY KEY REFERENCES trial (trial_id), -- trial
    spec TEXT NOT NULL, -- canonical JSON of the resolved specification, whose SHA-256 is the key
    task_open TEXT NOT NULL -- JSON of all task settings, paths included, to open the task again
) STRICT;

-- Which trials belong to which study, in the order of the study's list.
CREATE TABLE study_trial (
    study_id INTEGER NOT NULL REFERENCES study (study_id), -- study
    trial_id INTEGER NOT NULL REFERENCES trial (trial_id), -- trial
    position INTEGER NOT NULL, -- place in the study's list, from 0
    config INTEGER NOT NULL, -- number of the setting within the study; seeds and cells share it
    cell_id INTEGER NOT NULL REFERENCES cell (cell_id), -- cell, under its name in this study
    edition INTEGER NOT NULL, -- last registration of the study that had this trial
    retired INTEGER NOT NULL CHECK (retired IN (0, 1)), -- 1: no longer in the list; results stay
    role TEXT NOT NULL DEFAULT 'first'
        CHECK (role IN ('first', 'confirm')), -- confirm: a fresh seed for one of the best settings
    PRIMARY KEY (study_id, trial_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX study_trial_position ON study_trial (study_id, position);
CREATE INDEX study_trial_config ON study_trial (study_id, config);
CREATE INDEX study_trial_trial ON study_trial (trial_id);
CREATE INDEX study_trial_cell ON study_trial (cell_id);

-- What a study varied, by name, with the value's own type: exactly the column that type names is
-- set (none for null).
CREATE TABLE setting (
    study_id INTEGER NOT NULL, -- study
    trial_id INTEGER NOT NULL, -- trial
    name TEXT NOT NULL
        CHECK (length(name) BETWEEN 1 AND 32 AND name GLOB '[a-z]*'
               AND name NOT GLOB '*[^a-z0-9_]*'), -- name of the setting
    type TEXT NOT NULL CHECK (type IN ('null', 'integer', 'real', 'text')), -- which column holds it
    integer INTEGER CHECK (integer IS NULL OR type = 'integer'), -- value, if an integer
    real REAL CHECK (real IS NULL OR type = 'real'), -- value, if a real number
    text TEXT CHECK (text IS NULL OR type = 'text'), -- value, if a text
    PRIMARY KEY (study_id, trial_id, name),
    CHECK ((type <> 'null') = (coalesce(integer, real, text) IS NOT NULL)),
    FOREIGN KEY (study_id, trial_id) REFERENCES study_trial (study_id, trial_id)
) STRICT, WITHOUT ROWID;

-- A machine, with its system, that has run trials.
CREATE TABLE machine (
    machine_id INTEGER PRIMARY KEY, -- number of the machine
    host TEXT NOT NULL, -- host name
    cpu TEXT NOT NULL, -- model name of the processor
    instruction_set TEXT NOT NULL, -- instruction set that was used, e.g. avx2
    cores INTEGER NOT NULL, -- processors that the program may use
    memory_bytes INTEGER NOT NULL, -- main memory
    system TEXT NOT NULL, -- kernel and distribution
    UNIQUE (host, cpu, instruction_set, cores, memory_bytes, system)
) STRICT;

-- A run: one coordinator process, with the build that it was. It lives as long as the kernel holds
-- its lock on byte 1024 + run_id of <database>.lock.
CREATE TABLE run (
    run_id INTEGER PRIMARY KEY, -- number of the run
    machine_id INTEGER NOT NULL REFERENCES machine (machine_id), -- machine
    command TEXT NOT NULL, -- command line that repeats it
    version TEXT NOT NULL, -- version of cellbench
    git_commit TEXT NOT NULL, -- commit of the build, '+dirty' appended
    compiler TEXT NOT NULL, -- compiler and its version
    flags TEXT NOT NULL, -- compiler flags
    blis_version TEXT NOT NULL, -- version of BLIS
    kernel TEXT NOT NULL, -- name of the matrix-product kernel that was chosen
    numerics INTEGER NOT NULL, -- generation of the arithmetic: equal numbers give equal bits
    jobs INTEGER NOT NULL, -- workers at once
    denormals_flushed INTEGER NOT NULL CHECK (denormals_flushed IN (0, 1)), -- 1: denormals are 0
    state TEXT NOT NULL CHECK (state IN ('running', 'ended', 'lost')), -- lost: it died
    started_utc TEXT NOT NULL, -- begin
    ended_utc TEXT CHECK ((ended_utc IS NULL) = (state = 'running')) -- end, or when found dead
) STRICT;
CREATE INDEX run_machine ON run (machine_id);
CREATE INDEX run_running ON run (run_id) WHERE state = 'running';

-- One try of a run to compute a trial. Rows are never overwritten by later attempts.
CREATE TABLE attempt (
    attempt_id INTEGER PRIMARY KEY, -- number of the attempt
    trial_id INTEGER NOT NULL REFERENCES trial (trial_id), -- trial
    run_id INTEGER NOT NULL REFERENCES run (run_id), -- run that claimed it
    number INTEGER NOT NULL CHECK (number >= 1), -- 1 for the first attempt of its trial
    state TEXT NOT NULL CHECK (state IN
        ('running', 'done', 'diverged', 'failed', 'returned', 'lost')), -- lost: its run died
    numerics INTEGER NOT NULL, -- as in run
    instruction_set TEXT NOT NULL, -- as in machine
    started_utc TEXT NOT NULL, -- when it was claimed
    ended_utc TEXT CHECK ((ended_utc IS NULL) = (state = 'running')), -- when its end was written
    epochs INTEGER, -- epochs trained
    best_epoch INTEGER, -- epoch of the best validation value
    updates INTEGER, -- updates of the weights
    train REAL, -- metric on the training split
    valid REAL, -- metric on the validation split, best epoch
    test REAL, -- metric on the test split, taken once, from the best weights
    valid_error REAL, -- error rate on the validation split, where the task has one
    test_error REAL, -- error rate on the test split, where the task has one
    wall_seconds REAL, -- time by the clock
    cpu_seconds REAL, -- time of the processor
    flop REAL, -- floating-point operations of the products (multiply and add: 2)
    weights_file TEXT NOT NULL DEFAULT '', -- file of the best weights; '' if not kept
    weights_sha256 TEXT NOT NULL DEFAULT '', -- its SHA-256; '' if not kept
    error_text TEXT NOT NULL DEFAULT '' -- why it failed; '' if it did not
) STRICT;
-- Exactly once, whatever the processes do: one open attempt of a trial, and one finished attempt
-- of it for each generation of numerics and instruction set.
CREATE UNIQUE INDEX attempt_open ON attempt (trial_id) WHERE state = 'running';
CREATE UNIQUE INDEX attempt_finished ON attempt (trial_id, numerics, instruction_set)
    WHERE state IN ('done', 'diverged');
CREATE INDEX attempt_trial ON attempt (trial_id);
CREATE INDEX attempt_run ON attempt (run_id);

-- Learning curves: one value of one metric after one epoch.
CREATE TABLE epoch (
    attempt_id INTEGER NOT NULL REFERENCES attempt (attempt_id), -- attempt
    epoch INTEGER NOT NULL CHECK (epoch >= 0), -- epoch, from 1; 0: before training
    split TEXT NOT NULL CHECK (split IN ('train', 'valid', 'test')), -- part of the data
    metric TEXT NOT NULL, -- name of the metric
    value REAL, -- its value; NULL: not finite
    seconds REAL, -- time by the clock that this pass took
    PRIMARY KEY (attempt_id, epoch, split, metric)
) STRICT, WITHOUT ROWID;

-- Timings of cells over shapes: every sample is kept.
CREATE TABLE timing (
    timing_id INTEGER PRIMARY KEY, -- number of the sample
    run_id INTEGER NOT NULL REFERENCES run (run_id), -- run, with its machine and build
    cell_id INTEGER NOT NULL REFERENCES cell (cell_id), -- cell
    steps INTEGER NOT NULL CHECK (steps >= 1), -- T, steps of a sequence
    batch INTEGER NOT NULL CHECK (batch >= 1), -- B, sequences at once
    input INTEGER NOT NULL CHECK (input >= 0), -- I, size of the input
    hidden INTEGER NOT NULL CHECK (hidden >= 1), -- H, units of a layer
    layers INTEGER NOT NULL CHECK (layers >= 1), -- L, layers
    phase TEXT NOT NULL CHECK (phase IN ('forward', 'backward', 'train')), -- what was timed
    kernel TEXT NOT NULL, -- kernel that ran
    jobs INTEGER NOT NULL CHECK (jobs >= 1), -- processes computing at the same time
    sample INTEGER NOT NULL CHECK (sample >= 0), -- number of the sample within its series
    repeats INTEGER NOT NULL CHECK (repeats >= 1), -- executions within the sample
    duration_ns INTEGER NOT NULL CHECK (duration_ns >= 0), -- time of the whole sample
    flop REAL -- floating-point operations of one execution
) STRICT;
CREATE INDEX timing_run ON timing (run_id);
CREATE INDEX timing_cell ON timing (cell_id);

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
