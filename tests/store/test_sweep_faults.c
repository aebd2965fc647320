/* SPDX-License-Identifier: MIT */
/* Trials and workers at fault: whose it was, and what follows. */
#include "store/sweep_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"

static void run_with_fault(const char *db, const char *fault, watcher *w, int64_t *failed) {
    cb_sweep_options options = options_for(w, 2);
    cb_err err = {0};
    /* So that a machine that is busy is not mistaken for a worker that hangs. */
    options.hang_seconds = fault != NULL && strcmp(fault, "silent") == 0 ? 1.5 : 60;
    fixture_fault(fault);
    if (run_study(db, &options, 0, failed, &err) != CB_OK)
        fail_msg("%s", err.text);
    fixture_fault(NULL);
    assert_no_children();
}

static void test_failing_trial(void **state) {
    (void)state;
    static const char failed_sql[] =
        "SELECT count(*) FROM trial JOIN attempt ON attempt_id = result_attempt_id "
        "WHERE trial.state = 'failed' AND seed = 3 AND error_text = 'planted: bad specification'";
    char db[128];
    watcher w = {0};
    int64_t failed;
    cb_err err = {0};
    path_of(db, sizeof db, "fail.db");
    run_with_fault(db, "fail", &w, &failed);
    assert_int_equal(failed, CELLS * CONFIGS);
    assert_int_equal(query_number(db, failed_sql), CELLS * CONFIGS);
    assert_int_equal(w.last.counts.done, TRIALS - CELLS * CONFIGS);
    assert_non_null(strstr(w.note, "planted"));
    /* The same without anybody who looks on. */
    cb_sweep_options blind = {.command = "", .jobs = 2};
    path_of(db, sizeof db, "blind.db");
    fixture_fault("fail");
    assert_int_equal(run_study(db, &blind, 0, &failed, &err), CB_OK);
    fixture_fault(NULL);
    assert_int_equal(failed, CELLS * CONFIGS);
    /* Failed trials stay so, until someone asks for them. */
    w = (watcher){0};
    cb_sweep_options options = options_for(&w, 1);
    assert_int_equal(run_study(db, &options, 0, &failed, &err), CB_OK);
    assert_int_equal(failed, CELLS * CONFIGS);
    assert_int_equal(w.last.here_done, 0);
    options.retry_failed = 1;
    assert_int_equal(run_study(db, &options, 0, &failed, &err), CB_OK);
    assert_int_equal(failed, 0);
    assert_same_as_reference(db);
}

/* ---- whose fault ---- */

enum { VICTIMS = CELLS * CONFIGS };

/* How many trials have failed by that fault, for a reason of which `why` is a part. */
static int64_t failed_by(const char *db, const char *cause, const char *why) {
    char sql[512];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM trial JOIN attempt ON attempt_id = result_attempt_id "
             "WHERE trial.state = 'failed' AND seed = %d AND cause = '%s' AND "
             "error_text LIKE '%%%s%%'",
             VICTIM_SEED, cause, why);
    return query_number(db, sql);
}

static int64_t attempts(const char *db, const char *state) {
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM attempt WHERE state = '%s'", state);
    return query_number(db, sql);
}

/* A trial that crashes its workers does not go round for ever, not even over several runs: the
 * second crash sets it aside, and only who asks for it brings it back. */
static void test_crashing_trial(void **state) {
    (void)state;
    static const struct {
        const char *fault, *why;
        int victims;
    } cases[] = {{"crash", "signal 11", VICTIMS},
                 {"babble", "announced with", VICTIMS},
                 {"repeat", "a second row", VICTIMS},
                 {"silent", "no sign of life", CELLS}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char db[128];
        watcher w = {0};
        int64_t failed;
        run_with_fault(path_of(db, sizeof db, cases[i].fault), cases[i].fault, &w, &failed);
        assert_int_equal(failed, cases[i].victims);
        assert_int_equal(failed_by(db, "worker", cases[i].why), cases[i].victims);
        assert_int_equal(failed_by(db, "worker", "set aside"), cases[i].victims);
        assert_int_equal(attempts(db, "returned"), cases[i].victims);
        assert_int_equal(w.last.counts.done, TRIALS - cases[i].victims);
        assert_non_null(strstr(w.all_notes, "it is tried again"));
        w = (watcher){0};
        run_with_fault(db, NULL, &w, &failed);
        assert_int_equal(failed, cases[i].victims);
        assert_int_equal(w.last.here_done, 0);
    }
}

/* A first crash in one run, a second in the next. */
static void test_crashes_are_counted_over_runs(void **state) {
    (void)state;
    char db[128];
    watcher w = {0};
    cb_sweep_options options = options_for(&w, 1);
    int64_t failed;
    cb_err err = {0};
    path_of(db, sizeof db, "twice.db");
    for (int run = 0; run < 2; run++) {
        w = (watcher){.stop_after_note = 1};
        fixture_fault("crash");
        assert_int_equal(run_study(db, &options, 0, &failed, &err), CB_ECANCEL);
        fixture_fault(NULL);
    }
    assert_int_equal(query_number(db, "SELECT count(*) FROM trial WHERE state = 'done'"),
                     VICTIM_SEED - 1);
    assert_int_equal(failed_by(db, "worker", "set aside"), 1);
    /* Asked for again, crashes of the past do not count. */
    w = (watcher){.stop_after_note = 1};
    options.retry_failed = 1;
    fixture_fault("crash");
    assert_int_equal(run_study(db, &options, 0, &failed, &err), CB_ECANCEL);
    fixture_fault(NULL);
    assert_non_null(strstr(w.note, "it is tried again"));
    options.retry_failed = 0;
    w = (watcher){0};
    assert_int_equal(run_study(db, &options, 0, &failed, &err), CB_OK);
    assert_int_equal(failed, 0);
    assert_same_as_reference(db);
}

/* What the machine is to blame for is tried once more, and by the next run without asking. */
static void test_fault_of_the_machine(void **state) {
    (void)state;
    static const struct {
        const char *fault, *why;
    } cases[] = {{"die", "killed by signal 9"}, {"memory", "no memory"}, {"disk", "no space"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char db[128];
        watcher w = {0};
        int64_t failed;
        run_with_fault(path_of(db, sizeof db, cases[i].fault), cases[i].fault, &w, &failed);
        assert_int_equal(failed, VICTIMS);
        assert_int_equal(failed_by(db, "machine", cases[i].why), VICTIMS);
        assert_int_equal(attempts(db, "returned"), VICTIMS);
        assert_int_equal(w.last.counts.done, TRIALS - VICTIMS);
        w = (watcher){0};
        run_with_fault(db, NULL, &w, &failed);
        assert_int_equal(failed, 0);
        assert_int_equal(w.last.here_done, VICTIMS);
        assert_non_null(strstr(w.all_notes, "6 trials that failed by fault of the machine"));
        assert_same_as_reference(db);
    }
}

/* A disk that is full meets all trials alike: the run ends, rather than train them for nothing. */
static void test_full_disk(void **state) {
    (void)state;
    char db[128];
    watcher w = {0};
    const cb_sweep_options options = options_for(&w, 2);
    int64_t failed;
    cb_err err = {0};
    path_of(db, sizeof db, "full.db");
    fixture_fault("full");
    assert_int_equal(run_study(db, &options, 0, &failed, &err), CB_EIO);
    fixture_fault(NULL);
    assert_non_null(strstr(err.text, "no space left"));
    assert_no_children();
    assert_true(attempts(db, "failed") <= 4);
    assert_int_equal(attempts(db, "running"), 0);
    w = (watcher){0};
    assert_runs(db, &w, 2);
    assert_same_as_reference(db);
}

/* ---- limits ---- */

/* A worker takes 32 MB and the trial next to nothing: room for one at a time. */
static void test_memory_for_one(void **state) {
    (void)state;
    char db[128];
    watcher w = {0};
    cb_sweep_options options = options_for(&w, 4);
    int64_t failed;
    cb_err err = {0};
    options.memory_bytes = 50000000;
    path_of(db, sizeof db, "one_at_a_time.db");
    if (run_study(db, &options, 0, &failed, &err) != CB_OK)
        fail_msg("%s", err.text);
    assert_same_as_reference(db);
    assert_int_equal(w.notes, 0);
    assert_int_equal(w.most_children, 1);
}

/* Not even one: told with both figures, before anything is begun; with more memory it goes on by
 * itself. */
static void test_memory_for_none(void **state) {
    (void)state;
    char db[128];
    watcher w = {0};
    cb_sweep_options options = options_for(&w, 2);
    int64_t failed;
    cb_err err = {0};
    options.memory_bytes = 10000000;
    path_of(db, sizeof db, "none_fits.db");
    assert_int_equal(run_study(db, &options, 0, &failed, &err), CB_OK);
    assert_int_equal(failed, TRIALS);
    assert_int_equal(w.most_children, 0);
    assert_non_null(strstr(w.note, "MB of memory; this run may use 10 MB"));
    assert_int_equal(failed_by(db, "machine", "this run may use 10 MB"), VICTIMS);
    w = (watcher){0};
    assert_runs(db, &w, 2);
    assert_same_as_reference(db);
}

/* Each worker needs a descriptor: better to hear that before the first trial. */
static void test_descriptors(void **state) {
    (void)state;
    char db[128];
    watcher w = {0};
    const cb_sweep_options options = options_for(&w, 64);
    struct rlimit before, low;
    int64_t failed;
    cb_err err = {0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = 40;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    path_of(db, sizeof db, "descriptors.db");
    const cb_status st = run_study(db, &options, 0, &failed, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(st, CB_EARG);
    assert_non_null(
        strstr(err.text, "the limit of open files (ulimit -n) is 40: it is enough for"));
    assert_int_equal(w.most_children, 0);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failing_trial),
        cmocka_unit_test(test_crashing_trial),
        cmocka_unit_test(test_crashes_are_counted_over_runs),
        cmocka_unit_test(test_fault_of_the_machine),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_memory_for_one),
        cmocka_unit_test(test_memory_for_none),
        cmocka_unit_test(test_descriptors),
    };
    return fixture_main(argc, argv, tests);
}
