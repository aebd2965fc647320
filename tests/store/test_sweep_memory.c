/* SPDX-License-Identifier: MIT */
/* Shortage of memory in a coordinator: an error that says so, nothing leaked, no worker left, and a
 * database that goes on. */
#include "store/sweep_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "faults.h"
#include "sweep/files.h"
#include "sweep/list.h"

static cb_task *task;

static cb_status make_window(void *context) {
    cbi_window *window = NULL;
    const cb_study *study = context;
    cb_status st = cbi_window_create(&window, task, NULL);
    if (st == CB_OK && (st = cbi_window_add(window, study, 1, NULL)) == CB_OK)
        st = cbi_window_add(window, study, 2, NULL);
    cbi_window_destroy(window);
    return st;
}

static void test_window(void **state) {
    (void)state;
    cb_study study = tiny_study(task);
    assert_true(faults_run(make_window, &study) > 50);
}

static cb_status use_files(void *context) {
    cbi_files files;
    char *weights = NULL, *checkpoint = NULL;
    cb_status st = cbi_files_init(&files, context, 1, 1, NULL);
    if (st == CB_OK && (st = cbi_files_weights(&files, "key", &weights, NULL)) == CB_OK &&
        (st = cbi_files_checkpoint(&files, "key", &checkpoint, NULL)) == CB_OK)
        st = cbi_files_ended(&files, "key", NULL);
    cbi_files_committed(&files);
    cbi_files_fini(&files);
    cbi_free(weights);
    cbi_free(checkpoint);
    return st;
}

static void test_files(void **state) {
    char db[128];
    (void)state;
    path_of(db, sizeof db, "files.db");
    assert_true(faults_run(use_files, db) > 5);
}

/* A whole run of two trials, in which the n-th allocation of the coordinator fails; every one at
 * its begin, fewer later. It may matter to a trial alone: then that has failed, by fault of the
 * machine. */
static void test_run(void **state) {
    (void)state;
    char db[128], command[160];
    int ended = 0, over = 0;
    path_of(db, sizeof db, "short.db");
    for (long n = 1; !over; n += 1 + n / 12) {
        const cb_sweep_options options = {.jobs = 1, .command = "", .checkpoint_seconds = 1};
        cb_store *store = NULL;
        int64_t id, failed = 0;
        cb_err err = {0};
        faults f = {.refuse_at = n};
        cb_allocator table = {faults_resize, faults_release, &f};
        cb_study study = tiny_study(task);
        study.count = 2;
        fixture_fault("noop");
        cb_memory_set(&table);
        cb_status st = cb_store_open(&store, db, CB_STORE_WRITE, &err);
        if (st == CB_OK)
            st = cb_sweep_run(store, &study, &options, &id, &failed, &err);
        cb_store_close(store);
        cb_memory_set(NULL);
        fixture_fault(NULL);
        if (st != CB_OK && st != CB_ENOMEM)
            fail_msg("allocation %ld was refused: %s: %s", n, cb_status_name(st), err.text);
        if (f.alive != 0)
            fail_msg("allocation %ld was refused: %ld blocks are left", n, f.alive);
        assert_no_children();
        ended += st == CB_OK;
        over = f.calls < n;
        snprintf(command, sizeof command, "rm -rf '%s'*", db);
        assert_int_equal(system(command), 0);
    }
    assert_true(ended > 0);
}

static int setup(void **state) {
    return fixture_setup(state) == 0 && cb_task_open(&task, "adding", fixture_task, NULL) == CB_OK
               ? 0
               : -1;
}

static int teardown(void **state) {
    cb_task_close(task);
    return fixture_teardown(state);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_run),
    };
    int status;
    if (fixture_face(argc, argv, &status))
        return status;
    return cmocka_run_group_tests(tests, setup, teardown);
}
