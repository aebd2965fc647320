/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the store share: a folder of their own, a study of made-up trials, and short
 * ways to claim, finish and look.
 */
#ifndef TEST_STORE_FIXTURE_H
#define TEST_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "cellbench/store.h"

/* Fails the test with the error's text, at the place of the call. */
#define must(call)                                                                                 \
    do {                                                                                           \
        cb_err must_err = {0};                                                                     \
        cb_err *err = &must_err;                                                                   \
        cb_status must_st = (call);                                                                \
        if (must_st != CB_OK)                                                                      \
            fail_msg("%s: %s: %s", #call, cb_status_name(must_st), must_err.text);                 \
    } while (0)

typedef struct fixture {
    char folder[64];
    char path[96]; /* of a database that does not exist yet */
} fixture;

static inline int fixture_setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    if (f == NULL)
        return -1;
    strcpy(f->folder, "/tmp/cellbench-store-XXXXXX");
    if (mkdtemp(f->folder) == NULL) {
        free(f);
        return -1;
    }
    snprintf(f->path, sizeof f->path, "%s/a.db", f->folder);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state) {
    fixture *f = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    int rc = system(command);
    free(f);
    return rc;
}

static inline int file_exists(const char *path, const char *suffix) {
    char name[256];
    struct stat info;
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return stat(name, &info) == 0;
}

/* Nothing of SQLite or of the locks is left beside the database. */
static inline void expect_no_litter(const char *path) {
    assert_false(file_exists(path, "-wal"));
    assert_false(file_exists(path, "-shm"));
    assert_false(file_exists(path, "-journal"));
    assert_false(file_exists(path, ".lock"));
}

static inline cb_store *open_write(const char *path) {
    cb_store *store = NULL;
    must(cb_store_open(&store, path, CB_STORE_WRITE, err));
    return store;
}

static inline cb_store *open_read(const char *path) {
    cb_store *store = NULL;
    must(cb_store_open(&store, path, CB_STORE_READ, err));
    return store;
}

/* ---- a study ---- */

enum { FIXTURE_CELLS = 2, FIXTURE_SEEDS = 3 };

/* Trial i: cells alternate fastest, then seeds, then settings. */
typedef struct fixture_trial {
    char key[CBI_SHA256_HEX], spec[96];
    cb_trial_setting settings[3];
    cb_trial_info info;
} fixture_trial;

static inline void fixture_trial_make(fixture_trial *t, const char *salt, int i) {
    static const char *const cells[FIXTURE_CELLS] = {"gru", "lstm"};
    memset(t, 0, sizeof *t);
    snprintf(t->spec, sizeof t->spec, "{\"salt\":\"%s\",\"trial\":%d}", salt, i);
    cbi_sha256_hex(t->spec, strlen(t->spec), t->key);
    int config = i / (FIXTURE_CELLS * FIXTURE_SEEDS);
    t->settings[0] = (cb_trial_setting){.name = "hidden",
                                        .value = {.type = CB_VALUE_INT, .integer = 16 + config}};
    t->settings[1] = (cb_trial_setting){
        .name = "rate", .value = {.type = CB_VALUE_REAL, .real = 0.001 * (config + 1)}};
    t->settings[2] =
        (cb_trial_setting){.name = "optimiser",
                           .value = {.type = CB_VALUE_TEXT, .text = "adam, not sgd", .length = 4}};
    t->info = (cb_trial_info){.key = t->key,
                              .spec = t->spec,
                              .task_open = "{\"path\":\"a\"}",
                              .cell = cells[i % FIXTURE_CELLS],
                              .cell_text = i % FIXTURE_CELLS ? "state h, c" : "state h",
                              .cell_source = "",
                              .task = "adding",
                              .task_identity = "{\"steps\":50}",
                              .data_sha256 = "",
                              .metric = "mse",
                              .seed = i / FIXTURE_CELLS % FIXTURE_SEEDS + 1,
                              .config = config,
                              .hidden = 16 + config,
                              .param_count = 1000 + config,
                              .cost_flop = 1e9 * (config + 1),
                              .epochs_most = 10,
                              .memory_bytes = 1 << 20,
                              .settings = t->settings,
                              .setting_count = 3};
}

/* Registers a study of trials first..first+n-1. */
static inline int64_t fixture_study(cb_store *store, const char *name, const char *salt, int first,
                                    int n) {
    int64_t id = 0;
    fixture_trial *trials = calloc((size_t)n + 1, sizeof *trials);
    cb_trial_info *infos = calloc((size_t)n + 1, sizeof *infos);
    assert_non_null(trials);
    assert_non_null(infos);
    for (int i = 0; i < n; i++) {
        fixture_trial_make(&trials[i], salt, first + i);
        infos[i] = trials[i].info;
    }
    cb_study_info info = {.name = name,
                          .script_path = "s.lua",
                          .script = "-- script",
                          .trial_count = n,
                          .reproduces = "{}"};
    must(cb_store_study_begin(store, &info, &id, err));
    must(cb_store_study_add(store, id, 0, infos, (size_t)n, CB_AGAIN_NONE, NULL, err));
    free(infos);
    free(trials);
    return id;
}

static inline cb_run_info fixture_run(int64_t numerics, const char *instruction_set) {
    return (cb_run_info){.command = "cellbench run s.lua",
                         .version = "0.1",
                         .git_commit = "abc",
                         .compiler = "gcc",
                         .flags = "-O2",
                         .blis_version = "0.9.0",
                         .kernel = "portable",
                         .instruction_set = instruction_set,
                         .cpu = "cpu",
                         .host = "host",
                         .system = "linux",
                         .cores = 2,
                         .memory_bytes = 1 << 30,
                         .numerics = numerics,
                         .jobs = 1,
                         .denormals_flushed = 1};
}

static inline void fixture_run_begin(cb_store *store) {
    cb_run_info run = fixture_run(1, "avx2");
    must(cb_store_run_begin(store, &run, err));
}

/* A result whose values follow from the trial, so that they can be told apart. */
static inline cb_attempt_result fixture_result(const cb_claim *claim, cb_attempt_end end) {
    double value = 1.0 + (double)claim->trial_id / 100;
    return (cb_attempt_result){.end = end,
                               .epochs = 10,
                               .best_epoch = 9,
                               .updates = 100,
                               .train = value,
                               .valid = value,
                               .test = value + 0.5,
                               .valid_error = NAN,
                               .test_error = NAN,
                               .wall_seconds = 2.0,
                               .cpu_seconds = 1.5,
                               .flop = 1e9,
                               .weights_file = "",
                               .weights_sha256 = "",
                               .error_text = end == CB_ATTEMPT_FAILED ? "it broke" : ""};
}

enum { FIXTURE_EPOCHS = 10 };

static inline void fixture_epochs(cb_epoch_record *epochs) {
    for (int i = 0; i < FIXTURE_EPOCHS; i++)
        epochs[i] = (cb_epoch_record){.epoch = i + 1,
                                      .split = "valid",
                                      .metric = "mse",
                                      .value = 1.0 / (i + 1),
                                      .seconds = i};
}

static inline void fixture_finish(cb_store *store, const cb_claim *claim, cb_attempt_end end) {
    cb_epoch_record epochs[FIXTURE_EPOCHS];
    cb_attempt_result result = fixture_result(claim, end);
    fixture_epochs(epochs);
    must(cb_store_finish(store, claim, &result, epochs, FIXTURE_EPOCHS, err));
}

static inline int fixture_claim(cb_store *store, int64_t study_id, cb_claim *claim) {
    int got = 0;
    must(cb_store_claim(store, study_id, claim, &got, err));
    return got;
}

/* Claims and finishes up to `most` trials; returns how many. */
static inline int fixture_work(cb_store *store, int64_t study_id, int most, cb_attempt_end end) {
    int n = 0;
    cb_claim claim;
    for (; n < most && fixture_claim(store, study_id, &claim); n++) {
        fixture_finish(store, &claim, end);
        cb_claim_fini(&claim);
    }
    must(cb_store_commit(store, 1, err));
    return n;
}

static inline cb_study_counts fixture_count(cb_store *store, int64_t study_id) {
    cb_study_counts counts;
    must(cb_store_study_count(store, study_id, &counts, err));
    return counts;
}

/* First column of the first row as an integer; -1 if there is no row. */
static inline int64_t ask(cb_store *store, const char *sql) {
    cb_query *query = NULL;
    int has_row = 0;
    must(cb_query_open(&query, store, sql, NULL, 0, err));
    must(cb_query_next(query, &has_row, err));
    cb_value value =
        has_row ? cb_query_column(query, 0) : (cb_value){.type = CB_VALUE_INT, .integer = -1};
    cb_query_close(query);
    assert_int_equal(value.type, CB_VALUE_INT);
    return value.integer;
}

#endif
