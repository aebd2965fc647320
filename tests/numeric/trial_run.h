/* SPDX-License-Identifier: MIT */
/* Trials that run in tests, with what they report kept for questions. */
#ifndef CB_TESTS_TRIAL_RUN_H
#define CB_TESTS_TRIAL_RUN_H

#include <math.h>

#include "trial_check.h"

enum { MOST_ROWS = 400 };

/* What a run reported. */
typedef struct record {
    size_t count;
    cb_epoch_row rows[MOST_ROWS];
    size_t asked, stop_at; /* questions whether to stop; the one that is answered with yes */
    size_t fail_at;        /* row at which the receiver fails */
} record;

static inline cb_status keep_row(void *context, const cb_epoch_row *row, cb_err *err) {
    record *r = context;
    assert_true(r->count < MOST_ROWS);
    r->rows[r->count++] = *row;
    return r->count == r->fail_at ? cb_fail(err, CB_EIO, "no more rows") : CB_OK;
}

static inline int ask(void *context) {
    record *r = context;
    return ++r->asked == r->stop_at;
}

static inline cb_trial_result run(const cb_trial *trial, record *r) {
    cb_err err = {0};
    cb_trial_result out;
    const cb_train_events events = {r, keep_row, ask};
    if (cb_trial_run(trial, &events, &out, &err) != CB_OK)
        fail_msg("%s: %s", cb_trial_spec(trial), err.text);
    return out;
}

static inline cb_trial_result run_spec(const cb_task *task, const char *spec, record *r) {
    cb_trial *trial = make_trial(task, spec);
    *r = (record){0};
    const cb_trial_result out = run(trial, r);
    cb_trial_destroy(trial);
    return out;
}

/* The value of a row that was reported exactly once. */
static inline double value_of(const record *r, size_t epoch, cb_split_name split,
                              const char *metric) {
    double value = (double)NAN;
    size_t seen = 0;
    for (size_t i = 0; i < r->count; i++)
        if (r->rows[i].epoch == epoch && r->rows[i].split == split &&
            strcmp(r->rows[i].metric, metric) == 0) {
            value = r->rows[i].value;
            assert_true(r->rows[i].seconds >= 0);
            seen++;
        }
    if (seen != 1)
        fail_msg("epoch %zu, split %d, %s: expected one row, got %zu", epoch, (int)split, metric,
                 seen);
    return value;
}

/* For tests in which allocations fail: a trial is made and run, or leaves nothing behind. */
static inline cb_status attempt_trial(const cb_task *task, const char *spec) {
    cb_trial *trial = NULL;
    cb_trial_result out = {0};
    cb_status st = try_trial(&trial, task, spec, NULL);
    if (st == CB_OK)
        st = cb_trial_run(trial, NULL, &out, NULL);
    if (st != CB_OK)
        assert_null(out.weights);
    cb_free(out.weights);
    cb_trial_destroy(trial);
    return st;
}

#endif
