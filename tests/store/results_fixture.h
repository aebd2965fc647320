/* SPDX-License-Identifier: MIT */
/*
 * Databases with results that a test writes down, beside the store's own ways: one row of SQL each.
 */
#ifndef TEST_RESULTS_FIXTURE_H
#define TEST_RESULTS_FIXTURE_H

#include <sqlite3.h>

#include "store/store_fixture.h"

typedef struct results {
    sqlite3 *db;
    int64_t trials;
} results;

static inline void results_exec(results *r, const char *format, ...) {
    char *message = NULL;
    va_list list;
    va_start(list, format);
    char *sql = sqlite3_vmprintf(format, list);
    va_end(list);
    if (sqlite3_exec(r->db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_free(sql);
}

/* An empty database with one machine and one run. */
static inline results results_begin(const fixture *f) {
    cb_store *store = NULL;
    results r = {.trials = 0};
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    cb_store_close(store);
    assert_int_equal(sqlite3_open(f->path, &r.db), SQLITE_OK);
    results_exec(&r, "insert into machine values (1, 'host', 'cpu', 'avx2', 2, 1, 'system')");
    results_exec(&r, "insert into run (run_id, machine_id, command, version, git_commit, compiler, "
                     "flags, blis_version, kernel, numerics, jobs, denormals_flushed, state, "
                     "started_utc, ended_utc, identity) values (1, 1, '', '', '', '', '', '', '', "
                     "1, 1, 1, 'ended', 'then', 'then', 'one')");
    return r;
}

/* A study (by number) of that name, all of whose list is registered. */
static inline void results_study(results *r, int id, const char *name) {
    results_exec(r,
                 "insert into study (study_id, name, script_path, script, git_commit, edition, "
                 "created_utc, updated_utc) values (%d, %Q, '', '', '', 1, 'then', 'then')",
                 id, name);
}

static inline void results_task(results *r, int id, const char *name) {
    results_exec(r, "insert into task values (%d, %Q, 'identity', '{}', '')", id, name);
}

static inline void results_cell(results *r, int id, const char *name) {
    results_exec(r, "insert into cell values (%d, %Q, 'text of %q', 'state h', '')", id, name,
                 name);
}

typedef struct result {
    int study, task, cell; /* 0: 1 */
    int config, seed;
    int is_confirm;
    const char *state;    /* NULL: done */
    const char *metric;   /* NULL: nats */
    double valid, test;   /* NaN: NULL */
    const char *setting;  /* name of one setting, NULL: none */
    double value;         /* of it */
    int params, numerics; /* 0: 100, 1 */
} result;

static inline int or_else(int value, int other) {
    return value != 0 ? value : other;
}

/* A trial of one attempt. */
static inline void results_add(results *r, const result *of) {
    const char *state = of->state != NULL ? of->state : "done";
    const int ended = strcmp(state, "pending") != 0;
    const long long id = ++r->trials;
    char valid[32] = "NULL", test[32] = "NULL";
    if (!isnan(of->valid))
        snprintf(valid, sizeof valid, "%.17g", of->valid);
    if (!isnan(of->test))
        snprintf(test, sizeof test, "%.17g", of->test);
    results_exec(r,
                 "insert into trial (trial_id, key, cell_id, task_id, metric, seed, hidden, "
                 "param_count, state, attempt_count, created_utc) values (%lld, "
                 "printf('%%064x', %lld), %d, %d, %Q, %d, 8, %d, 'pending', 1, 'then')",
                 id, id, or_else(of->cell, 1), or_else(of->task, 1),
                 of->metric != NULL ? of->metric : "nats", of->seed, or_else(of->params, 100));
    results_exec(r, "insert into study_trial values (%d, %lld, %lld, %d, %d, 1, 0, %Q)",
                 or_else(of->study, 1), id, id, of->config, or_else(of->cell, 1),
                 of->is_confirm ? "confirm" : "first");
    if (of->setting != NULL)
        results_exec(r,
                     "insert into setting (study_id, trial_id, name, type, real) values (%d, "
                     "%lld, %Q, 'real', %!.17g)",
                     or_else(of->study, 1), id, of->setting, of->value);
    if (!ended)
        return;
    results_exec(r,
                 "insert into attempt (attempt_id, trial_id, run_id, number, state, numerics, "
                 "instruction_set, started_utc, ended_utc, epochs, valid, test, wall_seconds, "
                 "cpu_seconds, flop) values (%lld, %lld, 1, 1, %Q, %d, 'avx2', 'then', 'then', "
                 "2, %s, %s, 3, 4, 5)",
                 id, id, state, or_else(of->numerics, 1), valid, test);
    results_exec(r, "update trial set state = %Q, result_attempt_id = %lld where trial_id = %lld",
                 state, id, id);
}

/* Closes the SQL connection; the store that is opened for reading is the caller's. */
static inline cb_store *results_end(results *r, const fixture *f) {
    cb_store *store = NULL;
    sqlite3_close(r->db);
    must(cb_store_open(&store, f->path, CB_STORE_READ, err));
    return store;
}

#endif
