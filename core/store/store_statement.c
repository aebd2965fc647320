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

static const char *const statements[CBI_SQL_COUNT] = {
    [CBI_SQL_STUDY_PUT] =
        "INSERT INTO study (name, script_path, script, git_commit, edition, created_utc,"
        " updated_utc) VALUES (?1, ?2, ?3, ?4, 1, " NOW ", " NOW ") ON CONFLICT (name) DO UPDATE"
        " SET script_path = excluded.script_path, script = excluded.script,"
        " git_commit = excluded.git_commit, edition = edition + 1, updated_utc = " NOW
        " RETURNING study_id, edition",
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
        " created_utc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'pending', " NOW ")",
    [CBI_SQL_TRIAL_SPEC] =
        "INSERT INTO specification (trial_id, spec, task_open) VALUES (?1, ?2, ?3)",
    [CBI_SQL_TRIAL_TASK_OPEN] =
        "UPDATE specification SET task_open = ?2 WHERE trial_id = ?1 AND task_open <> ?2",
    /* A trial named twice in one edition keeps its first place; of two registrations at once, the
     * later edition decides. */
    [CBI_SQL_LINK_PUT] =
        "INSERT INTO study_trial (study_id, trial_id, position, config, cell_id, edition, retired,"
        " role) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7) ON CONFLICT (study_id, trial_id) DO UPDATE"
        " SET position = excluded.position, config = excluded.config, cell_id = excluded.cell_id,"
        " edition = excluded.edition, retired = 0, role = excluded.role"
        " WHERE excluded.edition > study_trial.edition OR (study_trial.retired = 1 AND"
        " excluded.edition = study_trial.edition)",
    [CBI_SQL_CONFIRM_EDITION] = "SELECT edition FROM study WHERE study_id = ?1 AND script = ?2",
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
        "SELECT count(*), sum(t.state = 'pending'), sum(t.state = 'running'), sum(t.state ="
        " 'done'), sum(t.state = 'diverged'), sum(t.state = 'failed'), sum(t.state IN ('done',"
        " 'diverged') AND (a.numerics <> ?2 OR a.instruction_set <> ?3)) FROM study_trial AS st"
        " JOIN trial AS t ON t.trial_id = st.trial_id LEFT JOIN attempt AS a ON a.attempt_id ="
        " t.result_attempt_id WHERE st.study_id = ?1 AND st.retired = 0",
    [CBI_SQL_REQUEUE_FAILED] =
        "UPDATE trial SET state = 'pending', result_attempt_id = NULL WHERE state = 'failed' AND"
        " trial_id IN (SELECT trial_id FROM study_trial WHERE study_id = ?1 AND retired = 0)"
        " AND trial_id = coalesce(?4, trial_id)",
    [CBI_SQL_REQUEUE_OTHER] =
        "UPDATE trial SET state = 'pending', result_attempt_id = NULL WHERE state IN ('done',"
        " 'diverged') AND trial_id IN (SELECT trial_id FROM study_trial WHERE study_id = ?1 AND"
        " retired = 0) AND trial_id = coalesce(?4, trial_id) AND (SELECT a.numerics <> ?2 OR a.instruction_set <> ?3 FROM attempt AS a"
        " WHERE a.attempt_id = trial.result_attempt_id)",
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
        " kernel, numerics, jobs, denormals_flushed, state, started_utc)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'running', " NOW ")",
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
    [CBI_SQL_CLAIM_NEXT] =
        "SELECT st.position, t.trial_id, t.key, t.attempt_count, x.spec, x.task_open, c.name"
        " FROM study_trial AS st INDEXED BY study_trial_position"
        " CROSS JOIN trial AS t ON t.trial_id = st.trial_id"
        " CROSS JOIN specification AS x ON x.trial_id = t.trial_id"
        " CROSS JOIN cell AS c ON c.cell_id = st.cell_id"
        " WHERE st.study_id = ?1 AND st.position >= ?2 AND st.retired = 0 AND t.state = 'pending'"
        " ORDER BY st.position LIMIT 1",
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
        " weights_sha256 = ?17, error_text = ?18"
        " WHERE attempt_id = ?1 AND trial_id = ?2 AND run_id = ?3 AND state = 'running'",
    [CBI_SQL_FINISH_TRIAL] =
        "UPDATE trial SET state = ?2, result_attempt_id = ?3 WHERE trial_id = ?1",
    [CBI_SQL_FINISH_STATE] =
        "SELECT state FROM attempt WHERE attempt_id = ?1 AND trial_id = ?2 AND run_id = ?3",
    [CBI_SQL_EPOCH_PUT] =
        "INSERT OR REPLACE INTO epoch (attempt_id, epoch, split, metric, value, seconds)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
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
    return cb_fail(err, st, "%s: %s: %s", store->path, what, message);
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
    if (!store->is_wal || store->wal_pages <= pages ||
        cbi_lock_take(&store->lock, CBI_LOCK_CHECKPOINT, CBI_LOCK_EXCLUSIVE, 0, NULL) != CB_OK)
        return;
    /* A reader in the middle of the log only makes the checkpoint a partial one: not waited for. */
    sqlite3_busy_timeout(store->db, 0);
    if (sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
        SQLITE_OK)
        store->wal_pages = 0;
    sqlite3_busy_timeout(store->db, store->wait_ms);
    cbi_lock_drop(&store->lock, CBI_LOCK_CHECKPOINT);
}
