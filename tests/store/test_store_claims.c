/* SPDX-License-Identifier: MIT */
/* Claims and results: who gets which trial, group commit, and trials that are run again. */
#include "store/store_fixture.h"

#include <time.h>

static void test_claim_order_and_once(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    int64_t id = fixture_study(store, "s", "a", 0, 5);
    cb_claim claim[6];
    int got = 1;
    assert_int_equal(cb_store_claim(store, id, &claim[0], &got, NULL), CB_EARG); /* no run */
    assert_int_equal(got, 0);
    fixture_run_begin(store);
    for (int i = 0; i < 5; i++) {
        fixture_trial t;
        fixture_trial_make(&t, "a", i);
        assert_true(fixture_claim(store, id, &claim[i]));
        assert_string_equal(claim[i].key, t.key);
        assert_string_equal(claim[i].spec, t.spec);
        assert_string_equal(claim[i].cell, t.info.cell);
        assert_string_equal(claim[i].task_open, t.info.task_open);
    }
    assert_false(fixture_claim(store, id, &claim[5]));
    assert_int_equal(fixture_count(store, id).running, 5);
    /* One that comes back is claimed again, as the second attempt. */
    fixture_finish(store, &claim[2], CB_ATTEMPT_RETURNED);
    must(cb_store_commit(store, 1, err));
    assert_true(fixture_claim(store, id, &claim[5]));
    assert_string_equal(claim[5].key, claim[2].key);
    assert_int_equal(ask(store, "SELECT number FROM attempt ORDER BY attempt_id DESC LIMIT 1"), 2);
    assert_int_equal(ask(store, "SELECT max(attempt_count) FROM trial"), 2);
    for (int i = 0; i < 6; i++)
        cb_claim_fini(&claim[i]);
    cb_store_close(store);

    /* Closing gave everything back. */
    store = open_read(f->path);
    assert_int_equal(fixture_count(store, id).pending, 5);
    assert_int_equal(ask(store, "SELECT count(*) FROM attempt WHERE state = 'returned'"), 6);
    assert_int_equal(ask(store, "SELECT count(*) FROM run WHERE state = 'ended'"), 1);
    cb_store_close(store);
}

static void test_group_commit(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    int64_t id = fixture_study(store, "s", "a", 0, 3);
    fixture_run_begin(store);
    assert_int_equal(cb_store_commit_due_ms(store), -1);
    cb_claim claim[3];
    char metric[] = "nats";
    for (int i = 0; i < 3; i++) {
        assert_true(fixture_claim(store, id, &claim[i]));
        cb_attempt_result result = fixture_result(&claim[i], CB_ATTEMPT_DONE);
        cb_epoch_record epoch = {.epoch = 1, .split = "train", .metric = metric, .value = INFINITY};
        must(cb_store_finish(store, &claim[i], &result, &epoch, 1, err));
        cb_claim_fini(&claim[i]);
    }
    memset(metric, 'x', sizeof metric - 1); /* texts were copied */
    int due = cb_store_commit_due_ms(store);
    assert_true(due >= 0 && due <= 50);
    assert_int_equal(ask(store, "SELECT count(*) FROM trial WHERE state = 'done'"), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM epoch"), 0);
    struct timespec pause = {.tv_nsec = 60000000};
    nanosleep(&pause, NULL);
    assert_int_equal(cb_store_commit_due_ms(store), 0);
    must(cb_store_commit(store, 0, err));
    assert_int_equal(cb_store_commit_due_ms(store), -1);
    assert_int_equal(ask(store, "SELECT count(*) FROM trial WHERE state = 'done'"), 3);
    assert_int_equal(ask(store, "SELECT count(*) FROM epoch WHERE metric = 'nats'"), 3);
    assert_int_equal(ask(store, "SELECT count(*) FROM epoch WHERE value IS NULL"), 3);
    assert_int_equal(ask(store, "SELECT count(*) FROM attempt WHERE valid_error IS NULL"), 3);
    cb_store_close(store);
}

static void test_finish_twice(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    int64_t id = fixture_study(store, "s", "a", 0, 2);
    cb_err error = {0};
    cb_claim claim;
    fixture_run_begin(store);
    assert_true(fixture_claim(store, id, &claim));
    fixture_finish(store, &claim, CB_ATTEMPT_DONE);
    fixture_finish(store, &claim, CB_ATTEMPT_DONE);
    must(cb_store_commit(store, 1, err));
    fixture_finish(store, &claim, CB_ATTEMPT_DONE);
    must(cb_store_commit(store, 1, err));
    assert_int_equal(fixture_count(store, id).done, 1);
    assert_int_equal(ask(store, "SELECT count(*) FROM epoch"), FIXTURE_EPOCHS);
    /* Another end for what has ended already is dropped, and said. */
    fixture_finish(store, &claim, CB_ATTEMPT_FAILED);
    assert_int_equal(cb_store_commit(store, 1, &error), CB_EBUSY);
    assert_non_null(strstr(error.text, "dropped"));
    assert_int_equal(cb_store_commit_due_ms(store), -1);
    assert_int_equal(fixture_count(store, id).done, 1);
    cb_claim_fini(&claim);
    cb_store_close(store);
}

static void test_finish_refuses(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    int64_t id = fixture_study(store, "s", "a", 0, 2);
    cb_claim claim;
    cb_err error = {0};
    fixture_run_begin(store);
    assert_true(fixture_claim(store, id, &claim));
    cb_attempt_result result = fixture_result(&claim, CB_ATTEMPT_DONE);
    cb_epoch_record epoch = {.epoch = 1, .split = "dev", .metric = "mse"};
    assert_int_equal(cb_store_finish(store, &claim, &result, &epoch, 1, &error), CB_EARG);
    assert_non_null(strstr(error.text, "dev"));
    epoch.split = "valid";
    epoch.epoch = -1;
    assert_int_equal(cb_store_finish(store, &claim, &result, &epoch, 1, &error), CB_EARG);
    result.end = (cb_attempt_end)7;
    assert_int_equal(cb_store_finish(store, &claim, &result, NULL, 0, &error), CB_EARG);
    assert_int_equal(cb_store_commit_due_ms(store), -1);
    cb_claim_fini(&claim);
    cb_store_close(store);
}

/* Failed trials, and results of other numerics or another instruction set. */
static void test_requeue(void **state) {
    const fixture *f = *state;
    int64_t n = 0;
    cb_store *store = open_write(f->path);
    int64_t id = fixture_study(store, "s", "a", 0, 6);
    assert_int_equal(cb_store_study_requeue(store, id, CB_AGAIN_OTHER, &n, NULL),
                     CB_EARG); /* no run */
    fixture_run_begin(store);
    assert_int_equal(fixture_work(store, id, 3, CB_ATTEMPT_DONE), 3);
    assert_int_equal(fixture_work(store, id, 1, CB_ATTEMPT_DIVERGED), 1);
    assert_int_equal(fixture_work(store, id, 2, CB_ATTEMPT_FAILED), 2);
    cb_study_counts c = fixture_count(store, id);
    assert_int_equal(c.done, 3);
    assert_int_equal(c.diverged, 1);
    assert_int_equal(c.failed, 2);
    assert_int_equal(c.other_numerics, 0);
    must(cb_store_study_requeue(store, id, CB_AGAIN_FAILED, &n, err));
    assert_int_equal(n, 2);
    assert_int_equal(fixture_count(store, id).pending, 2);
    cb_store_close(store);

    store = open_write(f->path);
    cb_run_info run = fixture_run(1, "avx512");
    must(cb_store_run_begin(store, &run, err));
    assert_int_equal(cb_store_run_begin(store, &run, NULL), CB_EARG); /* one run a store */
    assert_int_equal(fixture_count(store, id).other_numerics, 4);
    must(cb_store_study_requeue(store, id, CB_AGAIN_OTHER, &n, err));
    assert_int_equal(n, 4);
    assert_int_equal(fixture_work(store, id, 4, CB_ATTEMPT_DONE), 4);
    assert_int_equal(fixture_count(store, id).other_numerics, 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM attempt"), 10);
    cb_store_close(store);

    /* Back on the first machine: its own results are still there and are taken, not repeated. */
    store = open_write(f->path);
    run = fixture_run(1, "avx2");
    must(cb_store_run_begin(store, &run, err));
    must(cb_store_study_requeue(store, id, CB_AGAIN_OTHER, &n, err));
    assert_int_equal(n, 4);
    assert_int_equal(fixture_work(store, id, 100, CB_ATTEMPT_DONE), 2);
    c = fixture_count(store, id);
    assert_int_equal(c.done, 5);
    assert_int_equal(c.diverged, 1);
    assert_int_equal(c.other_numerics, 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM machine"), 2);
    assert_int_equal(ask(store, "SELECT count(*) FROM run"), 3);
    cb_store_close(store);
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_claim_order_and_once), CASE(test_group_commit), CASE(test_finish_twice),
        CASE(test_finish_refuses),       CASE(test_requeue),
    };
    return cmocka_run_group_tests_name("store_claims", tests, NULL, NULL);
}
