/* SPDX-License-Identifier: MIT */
/*
 * Threads of a host program: each with objects of its own, on data that they share, at the same
 * time. The results are those of one thread, and the thread sanitizer (preset tsan) has something
 * to look at. What fails is told by status: cmocka's asserts belong to the main thread.
 */
#include <pthread.h>

#include "numeric/trial_check.h"
#include "store/store_fixture.h"

#define TASK "'task':{'name':'adding'},'seed':1,"

enum { THREADS = 4, CLAIMS = 24 };

typedef struct work {
    const char *path; /* of a database */
    int64_t study_id;
    const cb_task *task;
    const char *spec;
    double valid;
    int claimed;
    cb_status status;
    cb_err err;
} work;

/* All at once, from the first use of anything in this process on. */
static void run_threads(work *works, void *(*body)(void *)) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, body, &works[i]), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < THREADS; i++)
        if (works[i].status != CB_OK)
            fail_msg("thread %d: %s", i, works[i].err.text);
}

static void *train(void *context) {
    work *w = context;
    cb_trial *trial = NULL;
    cb_trial_result result = {0};
    w->status = try_trial(&trial, w->task, w->spec, &w->err);
    if (w->status == CB_OK)
        w->status = cb_trial_run(trial, NULL, &result, &w->err);
    w->valid = result.valid;
    cb_free(result.weights);
    cb_trial_destroy(trial);
    return NULL;
}

static void training(void **state) {
    static const char *const specs[THREADS] = {
        "{" TASK LSTM ",'hidden':5,'train':{'epochs':2,'batch':7}}",
        "{" TASK CLOCKWORK ",'hidden':8,'train':{'epochs':2,'batch':7}}",
        "{" TASK BOTH ",'hidden':4,'train':{'epochs':2,'batch':7,'dropout':0.2}}",
        "{" TASK LSTM ",'hidden':5,'train':{'epochs':2,'batch':7}}"};
    cb_task *task;
    work works[THREADS] = {0};
    (void)state;
    must(cb_task_open(&task, "adding", "{\"length\":10,\"train\":30,\"valid\":10,\"test\":10}",
                      err));
    for (int i = 0; i < THREADS; i++)
        works[i] = (work){.task = task, .spec = specs[i]};
    run_threads(works, train);
    assert_memory_equal(&works[0].valid, &works[3].valid, sizeof works[0].valid);
    for (int i = 0; i < THREADS; i++) {
        work alone = works[i];
        train(&alone);
        assert_memory_equal(&alone.valid, &works[i].valid, sizeof alone.valid);
    }
    cb_task_close(task);
}

static cb_status claim_some(cb_store *store, work *w) {
    for (int got = 1; got;) {
        cb_claim claim;
        cb_epoch_record epochs[FIXTURE_EPOCHS];
        cb_status st = cb_store_claim(store, w->study_id, &claim, &got, &w->err);
        if (st != CB_OK || !got)
            return st;
        cb_attempt_result result = fixture_result(&claim, CB_ATTEMPT_DONE);
        fixture_epochs(epochs);
        st = cb_store_finish(store, &claim, &result, epochs, FIXTURE_EPOCHS, &w->err);
        cb_claim_fini(&claim);
        if (st != CB_OK || (st = cb_store_commit(store, 0, &w->err)) != CB_OK)
            return st;
        w->claimed++;
    }
    return CB_OK;
}

static void *claim(void *context) {
    work *w = context;
    cb_store *store = NULL;
    const cb_run_info run = fixture_run(1, "avx2");
    w->status = cb_store_open(&store, w->path, CB_STORE_WRITE, &w->err);
    if (w->status == CB_OK)
        w->status = cb_store_run_begin(store, &run, &w->err);
    if (w->status == CB_OK)
        w->status = claim_some(store, w);
    if (w->status == CB_OK)
        w->status = cb_store_commit(store, 1, &w->err);
    cb_store_close(store);
    return NULL;
}

/* A run for each thread, on one database: each trial goes to one of them. */
static void claims(void **state) {
    const fixture *f = *state;
    cb_store *store;
    work works[THREADS] = {0};
    int claimed = 0;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    int64_t study_id = fixture_study(store, "shared", "threads", 0, CLAIMS);
    for (int i = 0; i < THREADS; i++)
        works[i] = (work){.path = f->path, .study_id = study_id};
    run_threads(works, claim);
    for (int i = 0; i < THREADS; i++)
        claimed += works[i].claimed;
    assert_int_equal(claimed, CLAIMS);
    assert_int_equal(ask(store, "SELECT count(*) FROM attempt WHERE state = 'done'"), CLAIMS);
    cb_store_close(store);
    expect_no_litter(f->path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training),
        cmocka_unit_test_setup_teardown(claims, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
