/* SPDX-License-Identifier: MIT */
/* Studies run for real: workers, a store, and kills of both. */
#include "store/sweep_fixture.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"

static void test_undisturbed(void **state) {
    (void)state;
    char db[128];
    watcher w = {0};
    path_of(db, sizeof db, "one.db");
    assert_runs(db, &w, 1);
    assert_same_as_reference(db);
    /* Two epochs: their training and validation values at least, and the test value once. */
    assert_true(query_number(db, "SELECT count(*) FROM epoch") >= 5 * TRIALS);
    assert_int_equal(w.last.here_done, TRIALS);
    assert_int_equal(w.last.counts.done, TRIALS);
    assert_true(w.last.left_seconds == 0);
    assert_true(w.estimates > 0);
    assert_true(isfinite(w.best[0]) && isfinite(w.best[1]));
    assert_true(w.calls >= TRIALS);
    assert_int_equal(w.notes, 0);
    assert_int_equal(w.most_running, 1);
    /* Again: there is nothing to do. */
    w = (watcher){0};
    assert_runs(db, &w, 1);
    assert_int_equal(w.last.here_done, 0);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt"), TRIALS);
}

static void test_two_jobs(void **state) {
    (void)state;
    char db[128];
    watcher w = {.interrupt_workers = 1};
    assert_runs(path_of(db, sizeof db, "two.db"), &w, 2);
    assert_same_as_reference(db);
    /* Never more at work than there are workers, whatever waits for its commit; less where one is
     * done before the other is up. */
    assert_in_range(w.most_running, 1, 2);
    /* Such signals are for the coordinator to decide on: no worker was lost by them. */
    assert_int_equal(w.interrupt_workers, 0);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt"), TRIALS);
}

static void test_worker_killed(void **state) {
    (void)state;
    char db[128];
    watcher w = {.kill_worker_after = {4, 9}};
    assert_runs(path_of(db, sizeof db, "worker.db"), &w, 2);
    assert_same_as_reference(db);
    assert_int_equal(w.kill_worker_after[0] + w.kill_worker_after[1], 0);
    assert_true(query_number(db, "SELECT count(*) FROM attempt WHERE state = 'returned'") >= 1);
    assert_true(w.notes >= 1);
    assert_non_null(strstr(w.note, "killed by signal 9"));
}

static void test_coordinator_killed(void **state) {
    (void)state;
    static const int kill_after[] = {3, 11, 1};
    char db[128];
    path_of(db, sizeof db, "coordinator.db");
    for (size_t i = 0; i < sizeof kill_after / sizeof kill_after[0]; i++) {
        int status = wait_status(start_coordinator(db, "2", kill_after[i]));
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_orphans_end();
    }
    /* And at a moment that nobody chose. */
    pid_t pid = start_coordinator(db, "2", 0);
    usleep(30000);
    kill(pid, SIGKILL);
    wait_status(pid);
    assert_orphans_end();
    watcher w = {0};
    assert_runs(db, &w, 2);
    assert_same_as_reference(db);
    assert_true(query_number(db, "SELECT count(*) FROM attempt WHERE state = 'lost'") >= 1);
    assert_true(w.last.here_done < TRIALS);
}

static void test_two_coordinators(void **state) {
    (void)state;
    char db[128];
    path_of(db, sizeof db, "both.db");
    pid_t one = start_coordinator(db, "1", 0), two = start_coordinator(db, "1", 0);
    assert_int_equal(wait_status(one), 0);
    assert_int_equal(wait_status(two), 0);
    assert_same_as_reference(db);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt"), TRIALS);
}

/* One of two is killed: the other takes over what it had claimed. */
static void test_one_of_two_killed(void **state) {
    (void)state;
    char db[128];
    path_of(db, sizeof db, "takeover.db");
    pid_t one = start_coordinator(db, "1", 3), two = start_coordinator(db, "1", 0);
    wait_status(one);
    assert_int_equal(wait_status(two), 0);
    assert_orphans_end();
    assert_same_as_reference(db);
}

static void test_stop(void **state) {
    (void)state;
    char db[128];
    watcher w = {.stop_after = 5};
    cb_sweep_options options = options_for(&w, 2);
    int64_t failed;
    cb_err err = {0};
    path_of(db, sizeof db, "stop.db");
    assert_int_equal(run_study(db, &options, 0, &failed, &err), CB_ECANCEL);
    assert_no_children();
    assert_int_equal(query_number(db, "SELECT count(*) FROM trial WHERE state = 'running'"), 0);
    assert_true(query_number(db, "SELECT count(*) FROM trial WHERE state = 'pending'") > 0);
    w = (watcher){0};
    assert_runs(db, &w, 1);
    assert_same_as_reference(db);
}

/* Before anything is claimed. */
static void test_stop_at_once(void **state) {
    (void)state;
    char db[128];
    watcher w = {.stop_at_once = 1};
    cb_sweep_options options = options_for(&w, 2);
    int64_t failed;
    cb_err err = {0};
    assert_int_equal(run_study(path_of(db, sizeof db, "once.db"), &options, 0, &failed, &err),
                     CB_ECANCEL);
    assert_int_equal(query_number(db, "SELECT count(*) FROM trial WHERE state <> 'pending'"), 0);
    w = (watcher){0};
    assert_runs(db, &w, 1);
    assert_same_as_reference(db);
}

static void test_no_worker(void **state) {
    (void)state;
    static const struct {
        const char *program, *expected;
    } cases[] = {{"/nowhere/cellbench", "/nowhere/cellbench"},
                 {"/bin/true", ", before it was ready"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char db[128];
        watcher w = {0};
        cb_sweep_options options = options_for(&w, 1);
        int64_t failed;
        cb_err err = {0};
        options.program = cases[i].program;
        path_of(db, sizeof db, i == 0 ? "none.db" : "true.db");
        assert_int_equal(run_study(db, &options, 0, &failed, &err), CB_EIO);
        if (strstr(err.text, cases[i].expected) == NULL)
            fail_msg("expected '%s' in: %s", cases[i].expected, err.text);
        assert_no_children();
        assert_int_equal(query_number(db, "SELECT count(*) FROM trial WHERE state <> 'pending'"),
                         0);
    }
}

static void test_jobs_out_of_range(void **state) {
    (void)state;
    static const size_t jobs[] = {0, 100000};
    for (size_t i = 0; i < 2; i++) {
        char db[128];
        watcher w = {0};
        cb_sweep_options options = options_for(&w, jobs[i]);
        int64_t failed;
        cb_err err = {0};
        assert_int_equal(run_study(path_of(db, sizeof db, "jobs.db"), &options, 0, &failed, &err),
                         CB_EARG);
        assert_non_null(strstr(err.text, "jobs: expected 1 to"));
    }
}

static void test_keep_best(void **state) {
    (void)state;
    char db[128], path[192], *name, *hash, hex[CBI_SHA256_HEX], *data;
    size_t length;
    watcher w = {0};
    cb_sweep_options options = options_for(&w, 2);
    int64_t failed;
    cb_err err = {0};
    path_of(db, sizeof db, "kept.db");
    if (run_study(db, &options, 1, &failed, &err) != CB_OK)
        fail_msg("%s", err.text);
    assert_same_as_reference(db);
    name = query_text(db, "SELECT weights_file FROM attempt ORDER BY attempt_id LIMIT 1");
    hash = query_text(db, "SELECT weights_sha256 FROM attempt ORDER BY attempt_id LIMIT 1");
    name[strcspn(name, " \n")] = '\0';
    hash[strcspn(hash, " \n")] = '\0';
    assert_int_equal(strncmp(name, "kept.weights/", 13), 0);
    path_of(path, sizeof path, name);
    if (cbi_file_read(&data, &length, path, 1 << 20, &err) != CB_OK)
        fail_msg("%s", err.text);
    cbi_sha256_hex(data, length, hex);
    assert_string_equal(hex, hash);
    assert_int_equal(query_number(db, "SELECT count(DISTINCT weights_file) FROM attempt"), TRIALS);
    cbi_free(data);
    cbi_free(name);
    cbi_free(hash);
}

static void test_run_info(void **state) {
    (void)state;
    cb_run_info info, again;
    cb_run_info_fill(&info);
    cb_run_info_fill(&again);
    const char *const texts[] = {info.version, info.compiler, info.blis_version,
                                 info.kernel,  info.cpu,      info.instruction_set,
                                 info.host,    info.system};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_string_not_equal(texts[i], "");
    assert_ptr_equal(info.cpu, again.cpu);
    assert_true(info.cores >= 1 && info.memory_bytes > 0);
    assert_int_equal(info.numerics, CB_NUMERICS);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_undisturbed),
        cmocka_unit_test(test_two_jobs),
        cmocka_unit_test(test_worker_killed),
        cmocka_unit_test(test_coordinator_killed),
        cmocka_unit_test(test_two_coordinators),
        cmocka_unit_test(test_one_of_two_killed),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stop_at_once),
        cmocka_unit_test(test_no_worker),
        cmocka_unit_test(test_jobs_out_of_range),
        cmocka_unit_test(test_keep_best),
        cmocka_unit_test(test_run_info),
    };
    return fixture_main(argc, argv, tests);
}
