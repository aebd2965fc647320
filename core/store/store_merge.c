/* SPDX-License-Identifier: MIT */
/*
 * Merging one database into another: what is checked first, and what is copied row by row. Studies,
 * results and weights have files of their own.
 *
 * What is read was made by anybody. Its tables are tables (cbi_store_check_tables), so that reading
 * them runs nothing of its own; hashes are computed again, since they say what a result is of; and
 * the constraints of the schema refuse the rest.
 */
#include "store/store_merge.h"

#include <string.h>

/* ---- statements ---- */

cb_status cbi_merge_prepare(cb_store *store, const char *sql, sqlite3_stmt **out, cb_err *err) {
    cbi_store_guard_arm(store);
    int rc = sqlite3_prepare_v2(store->db, sql, -1, out, NULL);
    return rc == SQLITE_OK ? CB_OK : cbi_store_fail(store, store->db, rc, "merging", err);
}

cb_status cbi_merge_next(cb_store *store, sqlite3_stmt *statement, int *has_row, cb_err *err) {
    int rc = sqlite3_step(statement);
    *has_row = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE
               ? CB_OK
               : cbi_store_fail(store, store->db, rc, "merging", err);
}

cb_status cbi_merge_write(cbi_merge *m, sqlite3_stmt *statement, cb_err *err) {
    int rc = sqlite3_step(statement);
    cb_status st = CB_OK;
    if ((rc & 0xff) == SQLITE_CONSTRAINT || (rc & 0xff) == SQLITE_MISMATCH)
        st = cb_fail(err, CB_ESTORE, "%s: holds what a cellbench database cannot: %s",
                     m->from->path, sqlite3_errmsg(m->to->db));
    else if (rc != SQLITE_DONE)
        st = cbi_store_fail(m->to, m->to->db, rc, "merging", err);
    sqlite3_reset(statement);
    return st;
}

cb_status cbi_merge_copy(cbi_merge *m, const cbi_merge_step *step, int64_t from_id, int64_t to_id,
                         int64_t *changed, cb_err *err) {
    sqlite3_stmt *read = NULL, *write = NULL;
    int has_row = 0;
    cb_status st = cbi_merge_prepare(m->from, step->read, &read, err);
    if (st == CB_OK)
        st = cbi_merge_prepare(m->to, step->write, &write, err);
    if (st != CB_OK)
        goto out;
    const int columns = sqlite3_column_count(read);
    if (sqlite3_bind_parameter_count(read) > 0)
        sqlite3_bind_int64(read, 1, from_id);
    if (sqlite3_bind_parameter_count(write) > columns)
        sqlite3_bind_int64(write, columns + 1, to_id);
    while ((st = cbi_merge_next(m->from, read, &has_row, err)) == CB_OK && has_row) {
        for (int i = 0; i < columns; i++)
            sqlite3_bind_value(write, i + 1, sqlite3_column_value(read, i));
        if ((st = cbi_merge_write(m, write, err)) != CB_OK)
            break;
        if (changed != NULL)
            *changed += sqlite3_changes(m->to->db);
    }
out:
    sqlite3_finalize(read);
    sqlite3_finalize(write);
    return st;
}

/* ---- what is checked first ---- */

static cb_status check_hashes(cbi_merge *m, cb_err *err) {
    static const struct {
        const char *sql, *what;
    } checks[] = {
        {"SELECT name FROM cell WHERE text_sha256 <> cellbench_sha256(text) LIMIT 1",
         "the text of a cell"},
        {"SELECT name FROM task WHERE identity_sha256 <> cellbench_sha256(identity) LIMIT 1",
         "the identity of a task"},
        {"SELECT t.trial_id FROM trial AS t JOIN specification AS x ON x.trial_id = t.trial_id"
         " WHERE t.key <> cellbench_sha256(x.spec) LIMIT 1",
         "the specification of a trial"},
        {"SELECT run_id FROM run WHERE length(identity) <> 32 OR identity GLOB '*[^0-9a-f]*'"
         " LIMIT 1",
         "the identity of a run"},
    };
    cb_status st = CB_OK;
    for (size_t i = 0; st == CB_OK && i < sizeof checks / sizeof checks[0]; i++) {
        sqlite3_stmt *s = NULL;
        int has_row = 0;
        if ((st = cbi_merge_prepare(m->from, checks[i].sql, &s, err)) == CB_OK &&
            (st = cbi_merge_next(m->from, s, &has_row, err)) == CB_OK && has_row)
            st = cb_fail(err, CB_ESTORE,
                         "%s: holds what a cellbench database cannot: %s ('%.80s')"
                         " is not what it says",
                         m->from->path, checks[i].what, (const char *)sqlite3_column_text(s, 0));
        sqlite3_finalize(s);
    }
    return st;
}

/* ---- what is copied as it is ---- */

#define MACHINE                                                                                    \
    "(SELECT machine_id FROM machine WHERE host = ?13 AND cpu = ?14 AND instruction_set = ?15"     \
    " AND cores = ?16 AND memory_bytes = ?17 AND system = ?18)"
#define CELL_OF(name, hash)                                                                        \
    "(SELECT cell_id FROM cell WHERE name = " name " AND text_sha256 = " hash ")"

static const cbi_merge_step machines = {
    "SELECT host, cpu, instruction_set, cores, memory_bytes, system FROM machine",
    "INSERT INTO machine (host, cpu, instruction_set, cores, memory_bytes, system)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
    " ON CONFLICT (host, cpu, instruction_set, cores, memory_bytes, system) DO NOTHING"};

static const cbi_merge_step cells = {
    "SELECT name, text_sha256, text, source FROM cell",
    "INSERT INTO cell (name, text_sha256, text, source) VALUES (?1, ?2, ?3, ?4)"
    " ON CONFLICT (name, text_sha256) DO NOTHING"};

static const cbi_merge_step tasks = {
    "SELECT name, identity_sha256, identity, data_sha256 FROM task",
    "INSERT INTO task (name, identity_sha256, identity, data_sha256) VALUES (?1, ?2, ?3, ?4)"
    " ON CONFLICT (name, identity_sha256, data_sha256) DO NOTHING"};

/* A run that was at work in a copy has ended in a later one. */
static const cbi_merge_step runs = {
    "SELECT r.command, r.version, r.git_commit, r.compiler, r.flags, r.blis_version, r.kernel,"
    " r.numerics, r.jobs, r.denormals_flushed, iif(r.state = 'running', 'lost', r.state),"
    " r.started_utc, m.host, m.cpu, m.instruction_set, m.cores, m.memory_bytes, m.system,"
    " r.ended_utc, r.identity FROM run AS r JOIN machine AS m ON m.machine_id = r.machine_id"
    " ORDER BY r.run_id",
    "INSERT INTO run (command, version, git_commit, compiler, flags, blis_version, kernel,"
    " numerics, jobs, denormals_flushed, state, started_utc, machine_id, ended_utc, identity)"
    " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, " MACHINE
    ", coalesce(?19, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), ?20 WHERE true"
    " ON CONFLICT (identity) DO UPDATE SET state = excluded.state, ended_utc = "
    "excluded.ended_utc"
    " WHERE run.state = 'lost' AND excluded.state = 'ended'"};

static const cbi_merge_step trials = {
    "SELECT t.key, c.name, c.text_sha256, k.name, k.identity_sha256, k.data_sha256, t.metric,"
    " t.seed, t.hidden, t.param_count, t.cost_flop, t.epochs_most, t.memory_bytes, t.created_utc"
    " FROM trial AS t JOIN cell AS c ON c.cell_id = t.cell_id JOIN task AS k ON k.task_id ="
    " t.task_id JOIN specification AS x ON x.trial_id = t.trial_id ORDER BY t.trial_id",
    "INSERT INTO trial (key, cell_id, task_id, metric, seed, hidden, param_count, cost_flop,"
    " epochs_most, memory_bytes, created_utc, state) SELECT ?1, " CELL_OF(
        "?2", "?3") ", (SELECT task_id FROM task WHERE name = ?4 AND identity_sha256 = ?5 AND "
                    "data_sha256 = ?6),"
                    " ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, 'pending' WHERE true ON CONFLICT (key) "
                    "DO NOTHING"};

static const cbi_merge_step specifications = {
    "SELECT t.key, x.spec, x.task_open FROM specification AS x JOIN trial AS t ON t.trial_id ="
    " x.trial_id",
    "INSERT INTO specification (trial_id, spec, task_open) SELECT (SELECT trial_id FROM trial WHERE"
    " key = ?1), ?2, ?3 WHERE true ON CONFLICT (trial_id) DO NOTHING"};

static const cbi_merge_step timings = {
    "SELECT r.identity, c.name, c.text_sha256, g.engine, g.version, g.kernel, g.steps, g.batch,"
    " g.input, g.hidden, g.layers, g.frames, g.inputs, g.phase, g.part, g.jobs, g.clock, g.sample,"
    " g.repeats, g.duration_ns, g.flop, g.peak_flop_per_s FROM timing AS g"
    " JOIN run AS r ON r.run_id = g.run_id JOIN cell AS c ON c.cell_id = g.cell_id"
    " ORDER BY g.timing_id",
    "INSERT INTO timing (run_id, cell_id, engine, version, kernel, steps, batch, input, hidden,"
    " layers, frames, inputs, phase, part, jobs, clock, sample, repeats, duration_ns, flop,"
    " peak_flop_per_s) SELECT (SELECT run_id FROM run WHERE identity = ?1), " CELL_OF(
        "?2", "?3") ", ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,"
                    " ?20, ?21, ?22 WHERE true ON CONFLICT (run_id, cell_id, engine, version,"
                    " kernel, steps, batch, input, hidden, layers, frames, inputs, phase, part,"
                    " jobs, clock, sample) DO NOTHING"};

static cb_status merge_all(cbi_merge *m, cb_err *err) {
    cb_merge_counts *n = m->counts;
    int64_t ended = 0;
    const struct {
        const cbi_merge_step *step;
        int64_t *count;
    } first[] = {{&machines, NULL}, {&cells, NULL},        {&tasks, NULL},
                 {&runs, &ended},   {&trials, &n->trials}, {&specifications, NULL}};
    /* Claims of runs that died do not stand in the way of results. */
    cb_status st = cbi_store_take_over(m->to, err);
    if (st == CB_OK)
        st = cbi_store_integer(m->to, m->to->db, "SELECT count(*) FROM run", &n->runs, err);
    const int64_t runs_before = n->runs;
    for (size_t i = 0; st == CB_OK && i < sizeof first / sizeof first[0]; i++)
        st = cbi_merge_copy(m, first[i].step, 0, 0, first[i].count, err);
    if (st == CB_OK)
        st = cbi_store_integer(m->to, m->to->db, "SELECT count(*) FROM run", &n->runs, err);
    n->runs -= runs_before;
    if (st == CB_OK && (st = cbi_merge_studies(m, err)) == CB_OK &&
        (st = cbi_merge_results(m, err)) == CB_OK)
        st = cbi_merge_copy(m, &timings, 0, 0, &n->timings, err);
    return st;
}

/* A statement left at its first row keeps what is read at one moment, whatever others write. */
static cb_status hold_snapshot(cbi_merge *m, sqlite3_stmt **hold, cb_err *err) {
    int has_row;
    cb_status st = cbi_merge_prepare(m->from, "SELECT name FROM sqlite_master", hold, err);
    return st == CB_OK ? cbi_merge_next(m->from, *hold, &has_row, err) : st;
}

cb_status cb_store_merge(cb_store *store, cb_store *from, const cb_merge_options *options,
                         cb_merge_counts *counts, cb_err *err) {
    cb_merge_counts tally = {0};
    cbi_merge m = {.to = store, .from = from, .options = options, .counts = &tally};
    sqlite3_stmt *hold = NULL;
    *counts = tally;
    if (strcmp(store->file, from->file) == 0)
        return cb_fail(err, CB_EARG, "%s: expected another database to merge from, got the same",
                       from->path);
    cb_status st = cbi_store_hash_function(from, err);
    if (st == CB_OK)
        st = hold_snapshot(&m, &hold, err);
    if (st == CB_OK)
        st = check_hashes(&m, err);
    if (st == CB_OK && (st = cbi_store_begin(store, err)) == CB_OK) {
        st = merge_all(&m, err);
        st = cbi_store_end(store, st, err);
    }
    sqlite3_finalize(hold);
    store->claim_position = 0;
    if (st == CB_OK)
        *counts = tally;
    return st;
}
