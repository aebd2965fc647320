#!/bin/bash
# SPDX-License-Identifier: MIT
# large_database.sh CELLBENCH SOURCE DATABASE: makes a database of 20,000 trials (8 cells, 500 settings,
# 5 seeds; some failed, some diverged) with a million epoch rows, and prints the processor time that
# each view and the commands take on it. For a person to run: ctest does not.
set -euo pipefail

cellbench=$1
source=$2
database=$3
rm -f "$database" "$database".lock

application=$(sed -nE 's/.*CBI_STORE_APPLICATION_ID = ([0-9a-fx]+).*/\1/p' "$source/core/store/store_internal.h")
version=$(sed -nE 's/.*CBI_STORE_VERSION = ([0-9]+).*/\1/p' "$source/core/store/store_internal.h")
cat "$source/core/store/schema.sql" "$source/core/store/views.sql" - <<SQL | sqlite3 "$database"
PRAGMA synchronous = OFF;
PRAGMA application_id = $application;
PRAGMA user_version = $version;
BEGIN;
PRAGMA defer_foreign_keys = 1;
CREATE TEMP TABLE n AS SELECT value - 1 AS i, 'done' AS state FROM generate_series(1, 20000);
UPDATE n SET state = iif(i % 97 = 0, 'diverged', 'failed') WHERE i % 97 = 0 OR i % 101 = 0;
INSERT INTO study (study_id, name, script_path, script, git_commit, edition, trial_count, registered,
                   created_utc, updated_utc)
VALUES (1, 'large', 's.lua', '--', '', 1, 20000, 20000, '2026-01-01T00:00:00.000Z',
        '2026-01-01T00:00:00.000Z');
INSERT INTO task VALUES (1, 'adding', 'i', '{}', '');
INSERT INTO machine VALUES (1, 'h', 'c', 'avx2', 2, 1, 's');
INSERT INTO run (run_id, machine_id, command, version, git_commit, compiler, flags, blis_version,
                 kernel, numerics, jobs, denormals_flushed, identity, study_id, state, started_utc,
                 ended_utc)
VALUES (1, 1, 'c', 'v', 'g', 'cc', 'f', 'b', 'k', 1, 2, 1, 'x', 1, 'ended',
        '2026-01-01T00:00:00.000Z', '2026-01-01T06:00:00.000Z');
INSERT INTO cell SELECT value, 'cell' || value, printf('%064x', value), 'state h', ''
FROM generate_series(1, 8);
INSERT INTO trial (trial_id, key, cell_id, task_id, metric, seed, hidden, param_count, state,
                   result_attempt_id, attempt_count, created_utc)
SELECT i + 1, printf('%064x', i), i % 40 / 5 + 1, 1, 'mse', i % 5 + 1, 16, 1000 + i % 40 / 5 * 100,
       state, i + 1, 1, '2026-01-01T00:00:00.000Z'
FROM n;
INSERT INTO specification SELECT i + 1, hex(zeroblob(400)), '{}' FROM n;
INSERT INTO study_trial SELECT 1, i + 1, i, i / 40, i % 40 / 5 + 1, 1, 0, 'first' FROM n;
INSERT INTO attempt (attempt_id, trial_id, run_id, number, state, numerics, instruction_set,
                     started_utc, ended_utc, epochs, best_epoch, updates, train, valid, test,
                     wall_seconds, cpu_seconds, flop, error_text, cause)
SELECT i + 1, i + 1, 1, 1, state, 1, 'avx2', '2026-01-01T00:00:00.000Z',
       printf('2026-01-01T%02d:%02d:%02d.000Z', i / 3600, i / 60 % 60, i % 60), 25, 20, 100,
       abs(random() % 1000) / 1000.0,
       iif(state = 'done', abs(random() % 100000) / 100000.0 + i % 40 / 50.0, NULL),
       iif(state = 'done', abs(random() % 100000) / 100000.0, NULL), 2.0, 1.9,
       1e9 * (1 + i / 40 % 7), iif(state = 'failed', 'it broke', ''), iif(state = 'failed', 'trial', '')
FROM n;
INSERT INTO setting (study_id, trial_id, name, type, real) SELECT 1, i + 1, 'rate', 'real', 0.001 * (i / 40)
FROM n;
INSERT INTO epoch
SELECT i + 1, e.value, s.column1, 'mse', abs(random() % 1000) / 1000.0 / e.value, 0.1
FROM n, generate_series(1, 25) AS e, (VALUES ('train'), ('valid')) AS s;
COMMIT;
SQL

TIMEFORMAT='%U s of processor time, %R s by the clock'
for view in progress ranking chosen leaderboard variant learning_curve cost failure search_progress paired; do
    printf '%-16s ' "$view"
    time sqlite3 "$database" "SELECT * FROM $view" >/dev/null
done
for command in table compare; do
    printf '%-16s ' "cellbench $command"
    time "$cellbench" "$command" "$database" >/dev/null
done
