/* SPDX-License-Identifier: MIT */
/*
 * The schema of a database: creating it, and bringing one of an earlier version to the present.
 * Both are one transaction, under the exclusive lock of the schema.
 */
#include "store/store_internal.h"

#include <stdio.h>

#include "base/hash.h"

/* Entry v brings a database of version v to v + 1; entry 0 is not used, for a new database gets
 * schema.sql. Entries are only appended, and schema.sql is changed with them. */
static const char *const migrations[CBI_STORE_VERSION] = {
    NULL,
    "ALTER TABLE study_trial ADD COLUMN role TEXT NOT NULL DEFAULT 'first'"
    " CHECK (role IN ('first', 'confirm'))",
    "ALTER TABLE study ADD COLUMN trial_count INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE study ADD COLUMN first_key TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE study ADD COLUMN registered INTEGER NOT NULL DEFAULT 0;"
    "UPDATE study SET trial_count = (SELECT coalesce(max(position) + 1, 0) FROM study_trial AS st"
    " WHERE st.study_id = study.study_id AND st.retired = 0 AND st.role = 'first');"
    "UPDATE study SET registered = trial_count;"
    "ALTER TABLE trial ADD COLUMN forgiven_count INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE trial ADD COLUMN cost_flop REAL NOT NULL DEFAULT 0;"
    "ALTER TABLE trial ADD COLUMN epochs_most INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE trial ADD COLUMN memory_bytes INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX trial_pending ON trial (trial_id) WHERE state = 'pending';"
    "DROP INDEX study_trial_position;"
    "CREATE INDEX study_trial_position ON study_trial (study_id, position, edition, role, retired);"
    /* The same in every copy of one file, so that copies are known as such. */
    "ALTER TABLE run ADD COLUMN identity TEXT NOT NULL DEFAULT '';"
    "UPDATE run SET identity = substr(cellbench_sha256(started_utc || char(10) || run_id || "
    "char(10)"
    " || command || char(10) || (SELECT host FROM machine AS m WHERE m.machine_id ="
    " run.machine_id)), 1, 32);"
    "ALTER TABLE run ADD COLUMN study_id INTEGER REFERENCES study (study_id);"
    "CREATE UNIQUE INDEX run_identity ON run (identity);"
    "CREATE INDEX run_study ON run (study_id);"
    "ALTER TABLE attempt ADD COLUMN cause TEXT NOT NULL DEFAULT ''"
    " CHECK (cause IN ('', 'trial', 'worker', 'machine'));"
    "ALTER TABLE attempt ADD COLUMN resumed_epochs INTEGER NOT NULL DEFAULT 0",
    /* Constraints cannot be changed in place, and a renamed table would take its views with it. */
    "CREATE TEMP TABLE timing_3 AS SELECT * FROM timing;"
    "DROP TABLE timing;"
    "CREATE TABLE timing (timing_id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL REFERENCES"
    " run (run_id), cell_id INTEGER NOT NULL REFERENCES cell (cell_id), engine TEXT NOT NULL"
    " CHECK (engine <> ''), version TEXT NOT NULL, kernel TEXT NOT NULL, steps INTEGER NOT"
    " NULL CHECK (steps >= 1), batch INTEGER NOT NULL CHECK (batch >= 1), input INTEGER NOT"
    " NULL CHECK (input >= 0), hidden INTEGER NOT NULL CHECK (hidden >= 1), layers INTEGER"
    " NOT NULL CHECK (layers >= 1), frames INTEGER NOT NULL CHECK (frames >= 1), inputs TEXT"
    " NOT NULL CHECK (inputs IN ('normal', 'denormal')), phase TEXT NOT NULL CHECK (phase IN"
    " ('first', 'forward', 'backward', 'train')), part TEXT NOT NULL CHECK (part IN ('all',"
    " 'products', 'gradients', 'pointwise', 'packing', 'rest')), jobs INTEGER NOT NULL CHECK"
    " (jobs >= 1), clock TEXT NOT NULL CHECK (clock IN ('cpu', 'wall')), sample INTEGER NOT"
    " NULL CHECK (sample >= 0), repeats INTEGER NOT NULL CHECK (repeats >= 1), duration_ns"
    " INTEGER NOT NULL CHECK (duration_ns >= 0), flop REAL, peak_flop_per_s REAL) STRICT;"
    "CREATE UNIQUE INDEX timing_sample ON timing (run_id, cell_id, engine, version, kernel, steps,"
    " batch,\n    input, hidden, layers, frames, inputs, phase, part, jobs, clock, sample);"
    "CREATE INDEX timing_cell ON timing (cell_id);"
    "INSERT OR IGNORE INTO timing (timing_id, run_id, cell_id, engine, version, kernel,"
    " steps, batch, input, hidden, layers, frames, inputs, phase, part, jobs, clock, sample,"
    " repeats, duration_ns, flop) SELECT g.timing_id, g.run_id, g.cell_id, 'cellbench',"
    " r.version, g.kernel, g.steps, g.batch, g.input, g.hidden, g.layers, g.steps * g.batch,"
    " 'normal', g.phase, 'all', g.jobs, 'cpu', g.sample, g.repeats, g.duration_ns, g.flop"
    " FROM timing_3 AS g JOIN run AS r ON r.run_id = g.run_id;"
    "DROP TABLE timing_3",
    "ALTER TABLE study ADD COLUMN reproduces TEXT NOT NULL DEFAULT ''",
};

static cb_status create_schema(cb_store *store, cb_err *err) {
    int64_t objects;
    char header[128];
    cb_status st =
        cbi_store_integer(store, store->db, "SELECT count(*) FROM sqlite_master", &objects, err);
    if (st == CB_OK && objects != 0)
        st = cb_fail(err, CB_ESTORE, "%s: expected an empty database, got another program's tables",
                     store->path);
    if (st == CB_OK)
        st = cbi_store_exec(store, cbi_store_schema_text, err);
    snprintf(header, sizeof header, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             (int)CBI_STORE_APPLICATION_ID, (int)CBI_STORE_VERSION);
    return st == CB_OK ? cbi_store_exec(store, header, err) : st;
}

/* SQLite has no hash of its own. */
static void sha256_of_text(sqlite3_context *context, int count, sqlite3_value **values) {
    char hex[CBI_SHA256_HEX];
    const char *text = (const char *)sqlite3_value_text(values[0]);
    (void)count;
    cbi_sha256_hex(text != NULL ? text : "",
                   text != NULL ? (size_t)sqlite3_value_bytes(values[0]) : 0, hex);
    sqlite3_result_text(context, hex, -1, SQLITE_TRANSIENT);
}

cb_status cbi_store_hash_function(cb_store *store, cb_err *err) {
    int rc = sqlite3_create_function_v2(store->db, "cellbench_sha256", 1,
                                        SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
                                        NULL, sha256_of_text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? CB_OK : cbi_store_fail(store, store->db, rc, "opening", err);
}

static cb_status run_steps(cb_store *store, const char *const *steps, int64_t from, int64_t to,
                           cb_err *err) {
    char header[64];
    cb_status st = cbi_store_hash_function(store, err);
    for (int64_t v = from; st == CB_OK && v < to; v++)
        st = cbi_store_exec(store, steps[v], err);
    snprintf(header, sizeof header, "PRAGMA user_version = %d", (int)to);
    return st == CB_OK ? cbi_store_exec(store, header, err) : st;
}

cb_status cbi_store_migrate(cb_store *store, const char *const *steps, int64_t from, int64_t to,
                            cb_err *err) {
    /* Whoever has it open works by the old schema: alone or not at all. */
    cb_status st = cbi_lock_take(&store->lock, CBI_LOCK_PRESENCE, CBI_LOCK_EXCLUSIVE, 0, NULL);
    if (st != CB_OK)
        return cb_fail(err, st,
                       "%s: has a schema of version %d and must be brought to %d, but another"
                       " process has it open",
                       store->path, (int)from, (int)to);
    return run_steps(store, steps, from, to, err);
}

cb_status cbi_store_migrate_copy(cb_store *store, int64_t from, cb_err *err) {
    return run_steps(store, migrations, from, CBI_STORE_VERSION, err);
}

cb_status cbi_store_check_tables(cb_store *store, cb_err *err) {
    static const char sql[] =
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('study', 'cell',"
        " 'task', 'trial', 'specification', 'study_trial', 'setting', 'machine', 'run', 'attempt',"
        " 'epoch', 'timing')";
    enum { TABLES = 12 };
    int64_t count;
    cb_status st = cbi_store_integer(store, store->db, sql, &count, err);
    if (st == CB_OK && count != TABLES)
        st = cb_fail(err, CB_ESTORE,
                     "%s: expected a cellbench database, got one with %d of its %d tables",
                     store->path, (int)count, (int)TABLES);
    return st;
}

/* Views hold no data: those that are not as views.sql has them, after a migration or because
 * another build made them, are made anew. A study's own view is brought up to date when the study
 * is registered again. */
static cb_status ready_views(cb_store *store, cb_err *err) {
    int same = 0;
    cb_status st = cbi_store_views_same(store, &same, err);
    if (st != CB_OK || same || (st = cbi_store_begin(store, err)) != CB_OK)
        return st;
    st = cbi_store_views_make(store, err);
    return cbi_store_end(store, st, err);
}

/* Creates or migrates what needs it, under the exclusive lock of the schema, in one transaction. */
cb_status cbi_store_schema_ready(cb_store *store, cb_err *err) {
    int64_t version;
    cb_status st =
        cbi_lock_take(&store->lock, CBI_LOCK_SCHEMA, CBI_LOCK_EXCLUSIVE, store->wait_ms, err);
    if (st != CB_OK)
        return st;
    st = cbi_store_integer(store, store->db, "PRAGMA user_version", &version, err);
    if (st == CB_OK && version > CBI_STORE_VERSION)
        st = cb_fail(err, CB_ESTORE, "%s: expected a schema of version %d or older, got %ld",
                     store->path, (int)CBI_STORE_VERSION, (long)version);
    if (st == CB_OK && version < CBI_STORE_VERSION && (st = cbi_store_begin(store, err)) == CB_OK) {
        st = version == 0 ? create_schema(store, err)
                          : cbi_store_migrate(store, migrations, version, CBI_STORE_VERSION, err);
        st = cbi_store_end(store, st, err);
    }
    if (st == CB_OK)
        st = cbi_store_check_tables(store, err);
    return st == CB_OK ? ready_views(store, err) : st;
}
