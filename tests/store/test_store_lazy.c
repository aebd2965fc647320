/* SPDX-License-Identifier: MIT */
/*
 * Lists that are registered a window at a time, by one process or several; and whose fault it was
 * that a trial has no result.
 */
#include "store/store_fixture.h"

static int64_t begin(cb_store *store, const char *script, int64_t trial_count) {
    int64_t id = 0;
    cb_study_info info = {.name = "s", .script = script, .trial_count = trial_count};
    must(cb_store_study_begin(store, &info, &id, err));
    return id;
}

/* Positions from .. from+n-1 of the list of trials `first`, `first` + 1, ... */
static cb_status add(cb_store *store, int64_t id, int64_t from, int n, int first, cb_again again,
                     cb_added *added, cb_err *err) {
    fixture_trial trials[64];
    cb_trial_info infos[64];
    for (int i = 0; i < n; i++) {
        fixture_trial_make(&trials[i], "a", first + (int)from + i);
        infos[i] = trials[i].info;
    }
    return cb_store_study_add(store, id, from, infos, (size_t)n, again, added, err);
}

static int64_t next(cb_store *store, int64_t id) {
    int64_t position = -2;
    must(cb_store_study_next(store, id, &position, err));
    return position;
}

/* ---- windows ---- */

static void test_windows(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    cb_added added = {0};
    cb_claim claim;
    cb_err error = {0};
    fixture_run_begin(store);
    int64_t id = begin(store, "x", 20);
    assert_int_equal(ask(store, "SELECT study_id FROM run"), id);
    assert_int_equal(next(store, id), 0);
    assert_int_equal(fixture_count(store, id).pending, 20);
    assert_int_equal(fixture_count(store, id).unregistered, 20);
    assert_false(fixture_claim(store, id, &claim));
    must(add(store, id, 0, 6, 0, CB_AGAIN_MACHINE, &added, err));
    assert_int_equal(added.linked, 6);
    assert_int_equal(next(store, id), 6);
    assert_int_equal(ask(store, "SELECT count(*) FROM study_1"), 6);
    assert_int_equal(ask(store, "SELECT count(*) FROM pragma_table_info('study_1') WHERE name ="
                                " 'rate'"),
                     1);
    /* A window again, in part again, with a gap, and too long. */
    must(add(store, id, 0, 6, 0, CB_AGAIN_MACHINE, &added, err));
    assert_int_equal(added.linked, 0);
    must(add(store, id, 3, 6, 0, CB_AGAIN_MACHINE, &added, err));
    assert_int_equal(added.linked, 3);
    assert_int_equal(add(store, id, 10, 1, 0, CB_AGAIN_MACHINE, NULL, &error), CB_EARG);
    assert_non_null(strstr(error.text, "from position 9"));
    assert_int_equal(add(store, id, 9, 12, 0, CB_AGAIN_MACHINE, NULL, &error), CB_EARG);
    assert_non_null(strstr(error.text, "20 trials"));
    assert_int_equal(next(store, id), 9);

    assert_int_equal(fixture_work(store, id, 100, CB_ATTEMPT_DONE), 9);
    assert_int_equal(fixture_count(store, id).done, 9);
    assert_int_equal(fixture_count(store, id).pending, 11);
    must(add(store, id, 9, 11, 0, CB_AGAIN_MACHINE, NULL, err));
    assert_int_equal(next(store, id), 20);
    assert_int_equal(fixture_count(store, id).unregistered, 0);
    assert_int_equal(fixture_work(store, id, 100, CB_ATTEMPT_DONE), 11);
    assert_int_equal(fixture_count(store, id).done, 20);
    assert_true(fixture_count(store, id).left_flop == 0);
    cb_store_close(store);
}

/* What a claim says of its trial, and what is left to compute. */
static void test_predictions(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    cb_claim claim;
    fixture_run_begin(store);
    int64_t id = begin(store, "x", 14);
    must(add(store, id, 0, 7, 0, CB_AGAIN_MACHINE, NULL, err));
    /* Six of cost 1e9, one of 2e9, and as many not known yet. */
    assert_true(fabs(fixture_count(store, id).left_flop - 16e9) < 1);
    for (int i = 0; i < 7; i++) {
        assert_true(fixture_claim(store, id, &claim));
        assert_int_equal(claim.position, i);
        assert_int_equal(claim.config, i / 6);
        assert_int_equal(claim.epochs_most, 10);
        assert_int_equal(claim.memory_bytes, 1 << 20);
        assert_true(claim.cost_flop == 1e9 * (i / 6 + 1));
        cb_claim_fini(&claim);
    }
    cb_store_close(store);
}

/* A list that is registered again: what is not registered yet counts as it was, is not claimed, and
 * stays in the views until the list is complete. */
static void test_again_lazily(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    cb_claim claim;
    fixture_run_begin(store);
    int64_t id = begin(store, "x", 20);
    must(add(store, id, 0, 20, 0, CB_AGAIN_MACHINE, NULL, err));
    assert_int_equal(fixture_work(store, id, 12, CB_ATTEMPT_DONE), 12);
    cb_store_close(store);

    store = open_write(f->path);
    fixture_run_begin(store);
    assert_int_equal(begin(store, "x", 20), id);
    assert_int_equal(ask(store, "SELECT edition FROM study"), 2);
    for (int64_t at = 0; at <= 20; at += 5) {
        assert_int_equal(next(store, id), at);
        cb_study_counts c = fixture_count(store, id);
        assert_int_equal(c.total, 20);
        assert_int_equal(c.done, 12);
        assert_int_equal(c.unregistered, 20 - at);
        assert_int_equal(ask(store, "SELECT count(*) FROM study_1"), 20);
        if (at <= 10)
            assert_false(fixture_claim(store, id, &claim));
        if (at < 20)
            must(add(store, id, at, 5, 0, CB_AGAIN_MACHINE, NULL, err));
    }
    cb_store_close(store);

    /* Another list: two new trials in front, the last ten gone. */
    store = open_write(f->path);
    fixture_run_begin(store);
    begin(store, "y", 12);
    must(add(store, id, 0, 6, 40, CB_AGAIN_MACHINE, NULL, err)); /* trials 40 .. 45 */
    assert_int_equal(fixture_count(store, id).total, 12);
    assert_int_equal(fixture_count(store, id).done, 6); /* at places 6 .. 11 of the last list */
    assert_int_equal(ask(store, "SELECT count(*) FROM study_1 WHERE state = 'done'"), 12);
    must(add(store, id, 6, 6, -6, CB_AGAIN_MACHINE, NULL, err)); /* trials 0 .. 5 */
    assert_int_equal(fixture_count(store, id).total, 12);
    assert_int_equal(fixture_count(store, id).done, 6);
    assert_int_equal(ask(store, "SELECT count(*) FROM study_1"), 12);
    assert_int_equal(ask(store, "SELECT count(*) FROM study_trial WHERE retired"), 14);
    assert_int_equal(ask(store, "SELECT count(*) FROM attempt WHERE state = 'done'"), 12);
    cb_store_close(store);
}

/* Killed in the middle of a list that was being registered anew, twice. */
static void test_unfinished_editions(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    fixture_run_begin(store);
    int64_t id = begin(store, "x", 18);
    must(add(store, id, 0, 18, 0, CB_AGAIN_MACHINE, NULL, err));
    assert_int_equal(fixture_work(store, id, 18, CB_ATTEMPT_DONE), 18);
    begin(store, "y", 18);
    must(add(store, id, 0, 10, 20, CB_AGAIN_MACHINE, NULL, err));
    begin(store, "z", 18);
    must(add(store, id, 0, 4, 40, CB_AGAIN_MACHINE, NULL, err));
    cb_study_counts c = fixture_count(store, id);
    assert_int_equal(c.total, 18); /* each place once: 4 of z, 6 of y, 8 of x */
    assert_int_equal(c.done, 8);
    cb_store_close(store);
}

static void test_one_key_two_cells(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    fixture_trial t;
    cb_err error = {0};
    int64_t id = begin(store, "x", 3);
    fixture_trial_make(&t, "a", 0);
    must(cb_store_study_add(store, id, 0, &t.info, 1, CB_AGAIN_NONE, NULL, err));
    must(cb_store_study_add(store, id, 1, &t.info, 1, CB_AGAIN_NONE, NULL, err));
    t.info.cell = "twin";
    assert_int_equal(cb_store_study_add(store, id, 2, &t.info, 1, CB_AGAIN_NONE, NULL, &error),
                     CB_EARG);
    assert_non_null(strstr(error.text, "'gru' and 'twin'"));
    assert_non_null(strstr(error.text, "trials 1 and 3"));
    assert_int_equal(ask(store, "SELECT count(*) FROM cell"), 1);
    assert_int_equal(next(store, id), 2);
    cb_store_close(store);
    /* In another study it may have that name. */
    store = open_write(f->path);
    cb_study_info info = {.name = "other", .trial_count = 1};
    must(cb_store_study_begin(store, &info, &id, err));
    must(cb_store_study_add(store, id, 0, &t.info, 1, CB_AGAIN_NONE, NULL, err));
    assert_int_equal(ask(store, "SELECT count(*) FROM study_2 WHERE cell = 'twin'"), 1);
    cb_store_close(store);
}

/* ---- several processes ---- */

static void test_join(void **state) {
    const fixture *f = *state;
    cb_store *one = open_write(f->path), *two = open_write(f->path);
    cb_added added = {0};
    fixture_run_begin(one);
    fixture_run_begin(two);
    int64_t id = begin(one, "x", 20);
    must(add(one, id, 0, 5, 0, CB_AGAIN_MACHINE, NULL, err));
    assert_int_equal(begin(two, "x", 20), id);
    assert_int_equal(ask(one, "SELECT edition FROM study"), 1);
    assert_int_equal(next(two, id), 5);
    must(add(two, id, 5, 5, 0, CB_AGAIN_MACHINE, &added, err));
    assert_int_equal(added.linked, 5);
    must(add(one, id, 5, 5, 0, CB_AGAIN_MACHINE, &added, err));
    assert_int_equal(added.linked, 0);
    assert_int_equal(next(one, id), 10);

    /* Another script: the list is now of that one, and the first has nothing more to add. */
    begin(two, "y", 4);
    assert_int_equal(next(one, id), -1);
    must(add(one, id, 10, 5, 0, CB_AGAIN_MACHINE, &added, err));
    assert_int_equal(added.linked, 0);
    must(add(two, id, 0, 4, 0, CB_AGAIN_MACHINE, &added, err));
    assert_int_equal(added.linked, 4);
    assert_int_equal(fixture_work(one, id, 100, CB_ATTEMPT_DONE), 4);
    assert_int_equal(fixture_count(one, id).total, 4);
    cb_store_close(two);

    /* Alone again: a new edition, though script and count are the same. */
    begin(one, "y", 4);
    assert_int_equal(ask(one, "SELECT edition FROM study"), 3);
    cb_store_close(one);
}

/* The same script may give another list, of other data say: then it is not joined. */
static void test_join_other_list(void **state) {
    const fixture *f = *state;
    cb_store *one = open_write(f->path), *two = open_write(f->path);
    cb_study_info info = {.name = "s", .script = "x", .trial_count = 2, .first_key = "a"};
    int64_t id = 0;
    fixture_run_begin(one);
    must(cb_store_study_begin(one, &info, &id, err));
    must(cb_store_study_begin(two, &info, &id, err));
    assert_int_equal(ask(one, "SELECT edition FROM study"), 1);
    info.first_key = "b";
    must(cb_store_study_begin(two, &info, &id, err));
    assert_int_equal(ask(one, "SELECT edition FROM study"), 2);
    cb_store_close(two);
    cb_store_close(one);
}

/* ---- whose fault ---- */

static int64_t end_with(cb_store *store, int64_t id, cb_attempt_end end, cb_cause cause,
                        cb_claim *claim) {
    assert_true(fixture_claim(store, id, claim));
    cb_attempt_result result = fixture_result(claim, end);
    result.cause = cause;
    result.resumed_epochs = 3;
    must(cb_store_finish(store, claim, &result, NULL, 0, err));
    must(cb_store_commit(store, 1, err));
    cb_claim_fini(claim);
    return claim->trial_id;
}

static void test_crashes_counted(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    int64_t id = fixture_study(store, "s", "a", 0, 1), n = 0;
    cb_claim claim;
    fixture_run_begin(store);
    end_with(store, id, CB_ATTEMPT_RETURNED, CB_CAUSE_WORKER, &claim);
    assert_int_equal(claim.worker_crashes, 0);
    end_with(store, id, CB_ATTEMPT_RETURNED, CB_CAUSE_MACHINE, &claim);
    assert_int_equal(claim.worker_crashes, 1);
    assert_int_equal(claim.machine_failures, 0);
    cb_store_close(store);

    /* Another run: crashes are of all runs, failures of the machine of this one. */
    store = open_write(f->path);
    fixture_run_begin(store);
    end_with(store, id, CB_ATTEMPT_RETURNED, CB_CAUSE_MACHINE, &claim);
    assert_int_equal(claim.worker_crashes, 1);
    assert_int_equal(claim.machine_failures, 0);
    end_with(store, id, CB_ATTEMPT_FAILED, CB_CAUSE_WORKER, &claim);
    assert_int_equal(claim.machine_failures, 1);
    assert_int_equal(fixture_count(store, id).failed, 1);
    assert_int_equal(ask(store, "SELECT count(*) FROM attempt WHERE cause = 'worker' AND"
                                " resumed_epochs = 3"),
                     2);
    /* Set aside: only asked for by name does it come back, and then with a clean sheet. */
    must(cb_store_study_requeue(store, id, CB_AGAIN_MACHINE, &n, err));
    assert_int_equal(n, 0);
    must(cb_store_study_requeue(store, id, CB_AGAIN_FAILED, &n, err));
    assert_int_equal(n, 1);
    end_with(store, id, CB_ATTEMPT_FAILED, CB_CAUSE_TRIAL, &claim);
    assert_int_equal(claim.worker_crashes, 0);
    cb_store_close(store);
}

static void test_machine_failures_again(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    int64_t id = fixture_study(store, "s", "a", 0, 3), n = 0;
    cb_claim claim;
    fixture_run_begin(store);
    end_with(store, id, CB_ATTEMPT_RETURNED, CB_CAUSE_WORKER, &claim);
    int64_t trial = end_with(store, id, CB_ATTEMPT_FAILED, CB_CAUSE_MACHINE, &claim);
    end_with(store, id, CB_ATTEMPT_FAILED, CB_CAUSE_TRIAL, &claim);
    cb_store_close(store);

    store = open_write(f->path);
    must(cb_store_study_requeue(store, id, CB_AGAIN_MACHINE, &n, err));
    assert_int_equal(n, 1);
    fixture_run_begin(store);
    assert_int_equal(end_with(store, id, CB_ATTEMPT_DONE, CB_CAUSE_NONE, &claim), trial);
    assert_int_equal(claim.worker_crashes, 1); /* is not forgotten */
    cb_store_close(store);
}

/* A trial that comes into a list with an end, from another study, is asked for again there. */
static void test_again_when_linked(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    int64_t other = fixture_study(store, "other", "a", 0, 3);
    cb_added added = {0};
    cb_claim claim;
    fixture_run_begin(store);
    end_with(store, other, CB_ATTEMPT_FAILED, CB_CAUSE_MACHINE, &claim);
    end_with(store, other, CB_ATTEMPT_FAILED, CB_CAUSE_TRIAL, &claim);
    end_with(store, other, CB_ATTEMPT_DONE, CB_CAUSE_NONE, &claim);
    cb_store_close(store);

    store = open_write(f->path);
    cb_run_info run = fixture_run(2, "avx2");
    must(cb_store_run_begin(store, &run, err));
    int64_t id = begin(store, "x", 3);
    must(add(store, id, 0, 3, 0, CB_AGAIN_MACHINE, &added, err));
    assert_int_equal(added.linked, 3);
    assert_int_equal(added.requeued, 1);
    assert_int_equal(added.other_numerics, 1);
    begin(store, "y", 3);
    must(add(store, id, 0, 3, 0, CB_AGAIN_OTHER, &added, err));
    assert_int_equal(added.requeued, 2);
    assert_int_equal(added.other_numerics, 0);
    assert_int_equal(fixture_count(store, id).pending, 3);
    cb_store_close(store);
}

static void test_cause_refused(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    int64_t id = fixture_study(store, "s", "a", 0, 1);
    cb_claim claim;
    cb_err error = {0};
    fixture_run_begin(store);
    assert_true(fixture_claim(store, id, &claim));
    cb_attempt_result result = fixture_result(&claim, CB_ATTEMPT_FAILED);
    result.cause = (cb_cause)9;
    assert_int_equal(cb_store_finish(store, &claim, &result, NULL, 0, &error), CB_EARG);
    assert_non_null(strstr(error.text, "9"));
    cb_claim_fini(&claim);
    cb_store_close(store);
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_windows),
        CASE(test_predictions),
        CASE(test_again_lazily),
        CASE(test_unfinished_editions),
        CASE(test_one_key_two_cells),
        CASE(test_join),
        CASE(test_join_other_list),
        CASE(test_crashes_counted),
        CASE(test_machine_failures_again),
        CASE(test_again_when_linked),
        CASE(test_cause_refused),
    };
    return cmocka_run_group_tests_name("store_lazy", tests, NULL, NULL);
}
