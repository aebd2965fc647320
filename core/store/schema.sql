-- SPDX-License-Identifier: MIT
--
-- The schema of a cellbench database, version 5. Every table and every column has a comment here
-- (a test reads this file and insists), and SQLite keeps those within a statement: `.schema` in the
-- sqlite3 shell shows them.
--
-- Names are singular; units are in names; times are UTC texts like 2026-01-31T12:00:00.000Z; a
-- number that is not finite is stored as NULL. The views, which do the reading, are in views.sql.

-- A study: a name and a list of trials, as its script gave it last.
CREATE TABLE study (
    study_id INTEGER PRIMARY KEY, -- number of the study; its wide view is study_<study_id>
    name TEXT NOT NULL UNIQUE CHECK (name <> ''), -- name, as in the script
    script_path TEXT NOT NULL, -- path of the script as the user gave it; '' if none
    script TEXT NOT NULL, -- text of the script at the last registration
    git_commit TEXT NOT NULL, -- commit of the script's folder, '+dirty' appended; '' if none
    edition INTEGER NOT NULL CHECK (edition >= 1), -- counts the registrations of its list
    trial_count INTEGER NOT NULL DEFAULT 0, -- length of its list in this edition
    first_key TEXT NOT NULL DEFAULT '', -- key of the list's first trial; '' if there is none
    registered INTEGER NOT NULL DEFAULT 0, -- how many of the list, from its front, are registered
    created_utc TEXT NOT NULL, -- first registration
    updated_utc TEXT NOT NULL, -- last registration
    reproduces TEXT NOT NULL DEFAULT '' -- JSON of what its paper published, to judge it by; or ''
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
    forgiven_count INTEGER NOT NULL DEFAULT 0, -- the first attempts, whose crashes no longer count
    cost_flop REAL NOT NULL DEFAULT 0, -- predicted operations of all its epochs; 0: not known
    epochs_most INTEGER NOT NULL DEFAULT 0, -- epochs at most; 0: not known
    memory_bytes INTEGER NOT NULL DEFAULT 0, -- predicted memory of its worker; 0: not known
    created_utc TEXT NOT NULL -- when it was first asked for
) STRICT;
CREATE INDEX trial_result ON trial (result_attempt_id);
CREATE INDEX trial_cell ON trial (cell_id);
CREATE INDEX trial_task ON trial (task_id);
CREATE INDEX trial_pending ON trial (trial_id) WHERE state = 'pending';

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
CREATE INDEX study_trial_position ON study_trial (study_id, position, edition, role, retired);
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
    identity TEXT NOT NULL DEFAULT '', -- 32 hex digits, the same in every copy of the database
    study_id INTEGER REFERENCES study (study_id), -- study it works on; NULL: none yet
    state TEXT NOT NULL CHECK (state IN ('running', 'ended', 'lost')), -- lost: it died
    started_utc TEXT NOT NULL, -- begin
    ended_utc TEXT CHECK ((ended_utc IS NULL) = (state = 'running')) -- end, or when found dead
) STRICT;
CREATE INDEX run_machine ON run (machine_id);
CREATE INDEX run_running ON run (run_id) WHERE state = 'running';
CREATE UNIQUE INDEX run_identity ON run (identity);
CREATE INDEX run_study ON run (study_id);

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
    error_text TEXT NOT NULL DEFAULT '', -- why it failed; '' if it did not
    cause TEXT NOT NULL DEFAULT ''
        CHECK (cause IN ('', 'trial', 'worker', 'machine')), -- what it failed or was returned by
    resumed_epochs INTEGER NOT NULL DEFAULT 0 -- epochs taken over from an earlier attempt
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

-- Timings of cells over shapes: every sample is kept. A series is what is equal in all columns from
-- run_id to clock. The series of a run are interleaved: each has one sample in a round.
CREATE TABLE timing (
    timing_id INTEGER PRIMARY KEY, -- number of the sample
    run_id INTEGER NOT NULL REFERENCES run (run_id), -- run, with its machine and build
    cell_id INTEGER NOT NULL REFERENCES cell (cell_id), -- cell
    engine TEXT NOT NULL CHECK (engine <> ''), -- program that computed: cellbench, torch, ...
    version TEXT NOT NULL, -- version of that program
    kernel TEXT NOT NULL, -- what of it ran, e.g. avx512, or nn.LSTM, eager, compile of torch
    steps INTEGER NOT NULL CHECK (steps >= 1), -- T, steps of the longest sequence
    batch INTEGER NOT NULL CHECK (batch >= 1), -- B, sequences at once
    input INTEGER NOT NULL CHECK (input >= 0), -- I, size of the input
    hidden INTEGER NOT NULL CHECK (hidden >= 1), -- H, units of a layer
    layers INTEGER NOT NULL CHECK (layers >= 1), -- L, layers
    frames INTEGER NOT NULL CHECK (frames >= 1), -- sum of the lengths; T * B where all are equal
    inputs TEXT NOT NULL CHECK (inputs IN ('normal', 'denormal')), -- size of the numbers that go in
    phase TEXT NOT NULL CHECK (phase IN
        ('first', 'forward', 'backward', 'train')), -- what was timed; first: from text to one step
    part TEXT NOT NULL CHECK (part IN ('all', 'products', 'gradients', 'pointwise', 'packing',
        'rest')), -- of the phase; the parts are taken apart in samples of their own
    jobs INTEGER NOT NULL CHECK (jobs >= 1), -- how many computed the same at the same time
    clock TEXT NOT NULL CHECK (clock IN ('cpu', 'wall')), -- time of the processor, or of a clock
    sample INTEGER NOT NULL CHECK (sample >= 0), -- round, from 0
    repeats INTEGER NOT NULL CHECK (repeats >= 1), -- executions within the sample, of all jobs
    duration_ns INTEGER NOT NULL CHECK (duration_ns >= 0), -- time of the whole sample
    flop REAL, -- floating-point operations of one execution (products; multiply and add: 2)
    peak_flop_per_s REAL -- multiply-add peak of a core beside the sample; NULL: not measured
) STRICT;
CREATE UNIQUE INDEX timing_sample ON timing (run_id, cell_id, engine, version, kernel, steps, batch,
    input, hidden, layers, frames, inputs, phase, part, jobs, clock, sample);
CREATE INDEX timing_cell ON timing (cell_id);
