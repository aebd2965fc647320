/* SPDX-License-Identifier: MIT */
/*
 * The statements that the store runs, in one table; their preparation, stepping and binding;
 * transactions; and the translation of SQLite's errors.
 */
#include "store/store_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NOW "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"

/* ?1: cb_again; ?2, ?3: numerics and instruction set of the run. */
#define REQUEUE                                                                                    \
    "UPDATE trial SET state = 'pending', result_attempt_id = NULL,"                                \
    " forgiven_count = iif(?1 >= 2, attempt_count, forgiven_count) FROM attempt AS a"              \
    " WHERE a.attempt_id = trial.result_attempt_id AND (trial.state = 'failed' AND (?1 >= 2 OR"    \
    " a.cause = 'machine') OR ?1 >= 3 AND trial.state IN ('done', 'diverged') AND (a.numerics <>"  \
    " ?2 OR a.instruction_set <> ?3)) AND trial."

static const char *const statements[CBI_SQL_COUNT] = {
    [CBI_SQL_STUDY_FIND] = "SELECT study_id, edition, script = ?2 AND trial_count = ?3 AND"
                           " first_key = ?4 FROM study WHERE name = ?1",
    [CBI_SQL_STUDY_PUT] =
        "INSERT INTO study (name, script_path, script, git_commit, edition, trial_count,"
        " first_key, reproduces, created_utc, updated_utc) VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7,"
        " " NOW ", " NOW ") ON CONFLICT"
        " (name) DO UPDATE SET script_path = excluded.script_path, script = excluded.script,"
        " git_commit = excluded.git_commit, edition = edition + 1, trial_count ="
        " excluded.trial_count, first_key = excluded.first_key, reproduces = excluded.reproduces,"
        " registered = 0, updated_utc = " NOW " RETURNING study_id, edition",
    [CBI_SQL_STUDY_GET] = "SELECT edition, trial_count, registered FROM study WHERE study_id = ?1",
    [CBI_SQL_STUDY_REGISTERED] = "UPDATE study SET registered = ?2 WHERE study_id = ?1",
    [CBI_SQL_CELL_GET] = "SELECT cell_id FROM cell WHERE name = ?1 AND text_sha256 = ?2",
    [CBI_SQL_CELL_PUT] =
        "INSERT INTO cell (name, text_sha256, text, source) VALUES (?1, ?2, ?3, ?4)",
    [CBI_SQL_TASK_GET] = "SELECT task_id FROM task WHERE name = ?1 AND identity_sha256 = ?2"
                         " AND data_sha256 = ?3",
    [CBI_SQL_TASK_PUT] = "INSERT INTO task (name, identity_sha256, data_sha256, identity)"
                         " VALUES (?1, ?2, ?3, ?4)",
    [CBI_SQL_TRIAL_GET] = "SELECT trial_id FROM trial WHERE key = ?1",
    [CBI_SQL_TRIAL_PUT] =
        "INSERT INTO trial (key, cell_id, task_id, metric, seed, hidden, param_count, state,"
        " cost_flop, epochs_most, memory_bytes, created_utc)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'pending', ?8, ?9, ?10, " NOW ")",
    [CBI_SQL_TRIAL_SPEC] =
        "INSERT INTO specification (trial_id, spec, task_open) VALUES (?1, ?2, ?3)",
    [CBI_SQL_TRIAL_TASK_OPEN] =
        "UPDATE specification SET task_open = ?2 WHERE trial_id = ?1 AND task_open <> ?2",
    [CBI_SQL_TRIAL_PREDICT] =
        "UPDATE trial SET cost_flop = ?2, epochs_most = ?3, memory_bytes = ?4 WHERE trial_id = ?1"
        " AND (cost_flop <> ?2 OR epochs_most <> ?3 OR memory_bytes <> ?4)",
    /* A trial named twice in one edition keeps its first place. */
    [CBI_SQL_LINK_PUT] =
        "INSERT INTO study_trial (study_id, trial_id, position, config, cell_id, edition, retired,"
        " role) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7) ON CONFLICT (study_id, trial_id) DO UPDATE"
        " SET position = excluded.position, config = excluded.config, cell_id = excluded.cell_id,"
        " edition = excluded.edition, retired = 0, role = excluded.role"
        " WHERE excluded.edition > study_trial.edition",
    [CBI_SQL_LINK_CELL] =
        "SELECT st.cell_id, st.position, c.name FROM study_trial AS st JOIN cell AS c"
        " ON c.cell_id = st.cell_id WHERE st.study_id = ?1 AND st.trial_id = ?2",
    [CBI_SQL_SETTING_PUT] =
        "INSERT INTO setting (study_id, trial_id, name, type, integer, real, text)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (study_id, trial_id, name) DO UPDATE"
        " SET type = excluded.type, integer = excluded.integer, real = excluded.real,"
        " text = excluded.text WHERE (setting.type, setting.integer, setting.real, setting.text)"
        " IS NOT (excluded.type, excluded.integer, excluded.real, excluded.text)",
    [CBI_SQL_SETTING_COUNT] = "SELECT count(*) FROM setting WHERE study_id = ?1 AND trial_id = ?2",
    [CBI_SQL_SETTING_CLEAR] = "DELETE FROM setting WHERE study_id = ?1 AND trial_id = ?2",
    [CBI_SQL_STUDY_RETIRE] =
        "UPDATE study_trial SET retired = 1 WHERE study_id = ?1 AND edition < ?2 AND retired = 0",
    [CBI_SQL_STUDY_COUNT] =
        "SELECT trials, pending, running, done, diverged, failed, trial_count, unregistered,"
        " left_flop FROM progress WHERE study_id = ?1",
    /* Nearly always no run was of another arithmetic, and then no attempt need be looked at. */
    [CBI_SQL_STUDY_OTHER] =
        "SELECT count(*) FROM study_trial AS st JOIN trial AS t ON t.trial_id = st.trial_id AND"
        " t.state IN ('done', 'diverged') JOIN attempt AS a ON a.attempt_id = t.result_attempt_id"
        " WHERE st.study_id = ?1 AND st.retired = 0 AND (a.numerics <> ?2 OR a.instruction_set <>"
        " ?3) AND EXISTS (SELECT 1 FROM run AS r JOIN machine AS m ON m.machine_id = r.machine_id"
        " WHERE r.numerics <> ?2 OR m.instruction_set <> ?3)",
    [CBI_SQL_TRIAL_OTHER] =
        "SELECT count(*) FROM trial AS t JOIN attempt AS a ON a.attempt_id = t.result_attempt_id"
        " WHERE t.trial_id = ?1 AND t.state IN ('done', 'diverged')"
        " AND (a.numerics <> ?2 OR a.instruction_set <> ?3)",
    [CBI_SQL_REQUEUE_STUDY] = REQUEUE "trial_id IN (SELECT trial_id FROM study_trial WHERE"
                                      " study_id = ?4 AND retired = 0)",
    [CBI_SQL_REQUEUE_TRIAL] = REQUEUE "trial_id = ?4",
    /* A setting "hidden" that says what the fixed column says needs no second column. */
    [CBI_SQL_VIEW_SETTINGS] =
        "SELECT s.name, sum(s.type = 'integer'), sum(s.type = 'real'), sum(s.type = 'text')"
        " FROM setting AS s JOIN study_trial AS st ON st.study_id = s.study_id AND st.trial_id ="
        " s.trial_id JOIN trial AS t ON t.trial_id = s.trial_id WHERE s.study_id = ?1 AND"
        " st.retired = 0 AND NOT (s.name = 'hidden' AND s.integer IS t.hidden)"
        " GROUP BY s.name ORDER BY s.name",
    [CBI_SQL_VIEW_GET] = "SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?1",
    [CBI_SQL_MACHINE_GET] =
        "SELECT machine_id FROM machine WHERE host = ?1 AND cpu = ?2 AND instruction_set = ?3"
        " AND cores = ?4 AND memory_bytes = ?5 AND system = ?6",
    [CBI_SQL_MACHINE_PUT] =
        "INSERT INTO machine (host, cpu, instruction_set, cores, memory_bytes, system)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [CBI_SQL_RUN_PUT] =
        "INSERT INTO run (machine_id, command, version, git_commit, compiler, flags, blis_version,"
        " kernel, numerics, jobs, denormals_flushed, state, started_utc, identity)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'running', " NOW ","
        " lower(hex(randomblob(16))))",
    [CBI_SQL_RUN_OTHERS] =
        "SELECT run_id FROM run WHERE state = 'running' AND run_id > ?1 AND run_id <> ?2"
        " ORDER BY run_id LIMIT 1",
    [CBI_SQL_RUN_END] =
        "UPDATE run SET state = ?2, ended_utc = " NOW " WHERE run_id = ?1 AND state = 'running'",
    [CBI_SQL_RUN_FREE_TRIALS] =
        "UPDATE trial SET state = 'pending' WHERE trial_id IN"
        " (SELECT trial_id FROM attempt WHERE run_id = ?1 AND state = 'running')",
    [CBI_SQL_RUN_FREE_ATTEMPTS] = "UPDATE attempt SET state = ?2, ended_utc = " NOW
                                  " WHERE run_id = ?1 AND state = 'running'",
    [CBI_SQL_RUN_OF_STUDY] = "SELECT run_id FROM run WHERE study_id = ?1 AND state = 'running' AND"
                             " run_id <> ?2",
    [CBI_SQL_RUN_STUDY] = "UPDATE run SET study_id = ?2 WHERE run_id = ?1 AND study_id IS NOT"
                          " ?2 AND EXISTS (SELECT 1 FROM study WHERE study_id = ?2)",
    [CBI_SQL_CLAIM_NEXT] =
        "SELECT st.position, st.trial_id"
        " FROM study_trial AS st INDEXED BY study_trial_position"
        " CROSS JOIN trial AS t ON t.trial_id = st.trial_id"
        " WHERE st.study_id = ?1 AND st.position >= ?2 AND st.retired = 0 AND t.state = 'pending'"
        " AND st.edition = (SELECT edition FROM study WHERE study_id = ?1)"
        " ORDER BY st.position LIMIT 1",
    /* The same from the other side: for when little is pending and a long list lies behind. */
    [CBI_SQL_CLAIM_BACK] =
        "SELECT st.position, st.trial_id"
        " FROM trial AS t INDEXED BY trial_pending"
        " CROSS JOIN study_trial AS st ON st.study_id = ?1 AND st.trial_id = t.trial_id"
        " WHERE t.state = 'pending' AND st.retired = 0"
        " AND st.edition = (SELECT edition FROM study WHERE study_id = ?1)"
        " ORDER BY st.position LIMIT 1",
    [CBI_SQL_CLAIM_LOAD] =
        "SELECT t.attempt_count + 1, st.config, t.epochs_most, t.memory_bytes, t.cost_flop,"
        " (SELECT count(*) FROM attempt AS a INDEXED BY attempt_trial WHERE a.trial_id = "
        "t.trial_id AND a.cause = 'worker'"
        " AND a.number > t.forgiven_count), (SELECT count(*) FROM attempt AS a INDEXED BY "
        "attempt_trial WHERE a.trial_id ="
        " t.trial_id AND a.cause = 'machine' AND a.run_id = ?3), t.key, x.spec, x.task_open, c.name"
        " FROM trial AS t JOIN study_trial AS st ON st.study_id = ?2 AND st.trial_id = t.trial_id"
        " JOIN specification AS x ON x.trial_id = t.trial_id"
        " JOIN cell AS c ON c.cell_id = st.cell_id WHERE t.trial_id = ?1",
    [CBI_SQL_CLAIM_FINISHED] =
        "SELECT attempt_id, state FROM attempt WHERE trial_id = ?1 AND numerics = ?2"
        " AND instruction_set = ?3 AND state IN ('done', 'diverged')",
    [CBI_SQL_CLAIM_ADOPT] =
        "UPDATE trial SET state = ?2, result_attempt_id = ?3 WHERE trial_id = ?1",
    [CBI_SQL_CLAIM_ATTEMPT] =
        "INSERT INTO attempt (trial_id, run_id, number, state, numerics, instruction_set,"
        " started_utc) VALUES (?1, ?2, ?3, 'running', ?4, ?5, " NOW ")",
    [CBI_SQL_CLAIM_TRIAL] =
        "UPDATE trial SET state = 'running', attempt_count = ?2 WHERE trial_id = ?1",
    [CBI_SQL_FINISH_ATTEMPT] =
        "UPDATE attempt SET state = ?4, ended_utc = " NOW ", epochs = ?5, best_epoch = ?6,"
        " updates = ?7, train = ?8, valid = ?9, test = ?10, valid_error = ?11, test_error = ?12,"
        " wall_seconds = ?13, cpu_seconds = ?14, flop = ?15, weights_file = ?16,"
        " weights_sha256 = ?17, error_text = ?18, cause = ?19, resumed_epochs = ?20"
        " WHERE attempt_id = ?1 AND trial_id = ?2 AND run_id = ?3 AND state = 'running'",
    [CBI_SQL_FINISH_TRIAL] =
        "UPDATE trial SET state = ?2, result_attempt_id = ?3 WHERE trial_id = ?1",
    [CBI_SQL_FINISH_STATE] =
        "SELECT state FROM attempt WHERE attempt_id = ?1 AND trial_id = ?2 AND run_id = ?3",
    [CBI_SQL_EPOCH_PUT] =
        "INSERT OR REPLACE INTO epoch (attempt_id, epoch, split, metric, value, seconds)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [CBI_SQL_TIMING_PUT] =
        "INSERT INTO timing (run_id, cell_id, engine, version, kernel, inputs, phase, part, clock,"
        " steps, batch, input, hidden, layers, frames, jobs, sample, repeats, duration_ns, flop,"
        " peak_flop_per_s) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
        " ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
};

cb_status cbi_store_fail(const cb_store *store, sqlite3 *db, int rc, const char *what,
                         cb_err *err) {
    const char *message = db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
    cb_status st = CB_ESTORE;
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        st = CB_ENOMEM;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        st = CB_EBUSY;
        break;
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        st = CB_EIO;
        break;
    default:
        break;
    }
    /* SQLite's text does not say what the system said: no permission, no such folder, no space. */
    const int number = db != NULL && st == CB_EIO ? sqlite3_system_errno(db) : 0;
    return cb_fail(err, st, "%s: %s: %s%s%s", store->path, what, message, number != 0 ? ": " : "",
                   number != 0 ? strerror(number) : "");
}

cb_status cbi_store_need_write(const cb_store *store, cb_err *err) {
    if (store->mode == CB_STORE_WRITE)
        return CB_OK;
    return cb_fail(err, CB_EARG, "%s: expected a database opened for writing, got one for reading",
                   store->path);
}

cb_status cbi_store_exec(cb_store *store, const char *sql, cb_err *err) {
    int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? CB_OK : cbi_store_fail(store, store->db, rc, "writing", err);
}

cb_status cbi_store_integer(cb_store *store, sqlite3 *db, const char *sql, int64_t *out,
                            cb_err *err) {
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    *out = 0;
    if (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        *out = sqlite3_column_int64(statement, 0);
        rc = SQLITE_OK;
    }
    cb_status st = rc == SQLITE_OK ? CB_OK : cbi_store_fail(store, db, rc, "reading", err);
    sqlite3_finalize(statement);
    return st;
}

cb_status cbi_store_statement(cb_store *store, cbi_statement_id id, sqlite3_stmt **out,
                              cb_err *err) {
    sqlite3_stmt **slot = &store->statement[id];
    *out = NULL;
    cbi_store_guard_arm(store);
    if (*slot == NULL) {
        int rc = sqlite3_prepare_v3(store->db, statements[id], -1, SQLITE_PREPARE_PERSISTENT, slot,
                                    NULL);
        if (rc != SQLITE_OK)
            return cbi_store_fail(store, store->db, rc, "preparing", err);
    }
    sqlite3_reset(*slot);
    sqlite3_clear_bindings(*slot);
    *out = *slot;
    return CB_OK;
}

cb_status cbi_store_step(cb_store *store, sqlite3_stmt *statement, int *has_row, cb_err *err) {
    int rc = sqlite3_step(statement);
    if (has_row != NULL)
        *has_row = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW && has_row != NULL)
        return CB_OK;
    cb_status st = CB_OK;
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        st = cbi_store_fail(store, store->db, rc, "statement", err);
    sqlite3_reset(statement);
    return st;
}

const char *cbi_store_text(const char *text) {
    return text != NULL ? text : "";
}

/* Bound texts outlive the step in every caller: SQLite need not copy them. */
void cbi_store_bind_text(sqlite3_stmt *statement, int index, const char *text) {
    sqlite3_bind_text(statement, index, cbi_store_text(text), -1, SQLITE_STATIC);
}

void cbi_store_bind_number(sqlite3_stmt *statement, int index, double value) {
    if (isfinite(value))
        sqlite3_bind_double(statement, index, value);
    else
        sqlite3_bind_null(statement, index);
}

void cbi_store_finalize(cb_store *store) {
    for (size_t i = 0; i < CBI_SQL_COUNT; i++) {
        sqlite3_finalize(store->statement[i]);
        store->statement[i] = NULL;
    }
}

cb_status cbi_store_begin(cb_store *store, cb_err *err) {
    cb_status st = cbi_store_need_write(store, err);
    if (st == CB_OK)
        st = cbi_lock_take(&store->lock, CBI_LOCK_CHECKPOINT, CBI_LOCK_SHARED, store->wait_ms, err);
    if (st != CB_OK)
        return st;
    if ((st = cbi_store_exec(store, "BEGIN IMMEDIATE", err)) != CB_OK)
        cbi_lock_drop(&store->lock, CBI_LOCK_CHECKPOINT);
    return st;
}

cb_status cbi_store_end(cb_store *store, cb_status st, cb_err *err) {
    if (st == CB_OK)
        st = cbi_store_exec(store, "COMMIT", err);
    if (st != CB_OK && !sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    cbi_lock_drop(&store->lock, CBI_LOCK_CHECKPOINT);
    if (st == CB_OK)
        cbi_store_checkpoint(store, CBI_STORE_WAL_PAGES);
    return st;
}

void cbi_store_checkpoint(cb_store *store, int pages) {
    enum { CHECKPOINT_WAIT_MS = 100 };
    if (store->wal_pages < store->wal_tried) /* another process has begun the log anew */
        store->wal_tried = 0;
    if (!store->is_wal || store->wal_pages <= pages ||
        (store->wal_tried > 0 && store->wal_pages <= store->wal_tried + pages / 8) ||
        cbi_lock_take(&store->lock, CBI_LOCK_CHECKPOINT, CBI_LOCK_EXCLUSIVE, 0, NULL) != CB_OK)
        return;
    /* Readers of the log are waited for, but not long; who begins to read meanwhile does without
     * it. If one stays the checkpoint is only a partial one, and the next is tried some commits
     * later, for each costs two syncs. */
    sqlite3_busy_timeout(store->db, CHECKPOINT_WAIT_MS);
    int rc = sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    store->wal_tried = rc == SQLITE_OK ? 0 : store->wal_pages;
    if (rc == SQLITE_OK)
        store->wal_pages = 0;
    sqlite3_busy_timeout(store->db, store->wait_ms);
    cbi_lock_drop(&store->lock, CBI_LOCK_CHECKPOINT);
}
