/* SPDX-License-Identifier: MIT */
/*
 * Several processes on one file: every trial once, claims of the dead taken over, results with
 * their curves or not at all, whenever the process is killed.
 *
 * Children open the database themselves, after the fork, and report by their exit code only: an
 * assertion of theirs would go on with the parent's tests.
 */
#include "store/store_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static int64_t register_study(const char *path, int n) {
    cb_store *store = NULL;
    must(cb_store_open(&store, path, CB_STORE_WRITE, err));
    int64_t id = fixture_study(store, "s", "p", 0, n);
    cb_store_close(store);
    return id;
}

static void sleep_ms(long ms) {
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

typedef struct work {
    const char *path;
    int64_t study_id;
    int ready, go; /* pipe ends: one byte each way; -1: none */
    int force;     /* commit each result at once */
    int hold;      /* claim that many, tell, and wait to be killed */
} work;

static int child_finish(cb_store *store, const cb_claim *claim, int force) {
    cb_epoch_record epochs[FIXTURE_EPOCHS];
    cb_attempt_result result = fixture_result(claim, CB_ATTEMPT_DONE);
    fixture_epochs(epochs);
    return cb_store_finish(store, claim, &result, epochs, FIXTURE_EPOCHS, NULL) == CB_OK &&
           cb_store_commit(store, force, NULL) == CB_OK;
}

static int child_work(const work *w) {
    cb_store *store = NULL;
    cb_claim claim;
    cb_run_info run = fixture_run(1, "avx2");
    char byte = 'x';
    int got = 1;
    if (cb_store_open(&store, w->path, CB_STORE_WRITE, NULL) != CB_OK ||
        cb_store_run_begin(store, &run, NULL) != CB_OK)
        return 1;
    if (w->go >= 0 && (write(w->ready, &byte, 1) != 1 || read(w->go, &byte, 1) != 1))
        return 2;
    for (int n = 0; got; n++) {
        if (w->hold > 0 && n == w->hold) {
            if (write(w->ready, &byte, 1) != 1)
                return 2;
            for (;;)
                pause();
        }
        cb_err err = {0};
        cb_status st;
        while ((st = cb_store_claim(store, w->study_id, &claim, &got, &err)) == CB_EBUSY)
            ; /* as a coordinator does: a slow machine is no error */
        if (st != CB_OK) {
            fprintf(stderr, "claim: %s\n", err.text);
            return 3;
        }
        if (got && w->hold == 0 && !child_finish(store, &claim, w->force))
            return 4;
        cb_claim_fini(&claim);
    }
    if (cb_store_commit(store, 1, NULL) != CB_OK)
        return 5;
    cb_store_close(store);
    return 0;
}

static pid_t child_start(const work *w) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(child_work(w));
    return pid;
}

static void test_four_processes(void **state) {
    enum { CHILDREN = 4, TRIALS = 240 };
    const fixture *f = *state;
    int ready[2], go[2];
    pid_t pid[CHILDREN];
    char bytes[CHILDREN];
    int64_t id = register_study(f->path, TRIALS);
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    work w = {.path = f->path, .study_id = id, .ready = ready[1], .go = go[0]};
    for (int i = 0; i < CHILDREN; i++)
        pid[i] = child_start(&w);
    for (int i = 0; i < CHILDREN; i++)
        assert_int_equal(read(ready[0], bytes, 1), 1);
    assert_int_equal(write(go[1], bytes, CHILDREN), CHILDREN);
    for (int i = 0; i < CHILDREN; i++) {
        int status = -1;
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(go[i]);
    }
    expect_no_litter(f->path);
    cb_store *store = NULL;
    must(cb_store_open(&store, f->path, CB_STORE_READ, err));
    assert_int_equal(ask(store, "SELECT count(*) FROM trial WHERE state = 'done'"), TRIALS);
    assert_int_equal(ask(store, "SELECT count(*) FROM attempt"), TRIALS);
    assert_int_equal(ask(store, "SELECT count(DISTINCT trial_id) FROM attempt"), TRIALS);
    assert_int_equal(ask(store, "SELECT count(*) FROM epoch"), TRIALS * FIXTURE_EPOCHS);
    assert_int_equal(ask(store, "SELECT count(*) FROM run WHERE state = 'ended'"), CHILDREN);
    assert_int_equal(ask(store, "SELECT count(*) FROM machine"), 1);
    assert_int_equal(ask(store, "SELECT count(*) FROM pragma_integrity_check WHERE"
                                " integrity_check <> 'ok'"),
                     0);
    cb_store_close(store);
}

static void test_killed_claims_taken_over(void **state) {
    enum { TRIALS = 10, HELD = 4 };
    const fixture *f = *state;
    int ready[2];
    char byte;
    int64_t id = register_study(f->path, TRIALS);
    assert_int_equal(pipe(ready), 0);
    work w = {.path = f->path, .study_id = id, .ready = ready[1], .go = -1, .hold = HELD};
    pid_t pid = child_start(&w);
    assert_int_equal(read(ready[0], &byte, 1), 1);

    /* While it lives its claims are its own. */
    cb_store *store = NULL;
    cb_claim claim;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    fixture_run_begin(store);
    assert_int_equal(fixture_work(store, id, 100, CB_ATTEMPT_DONE), TRIALS - HELD);
    assert_false(fixture_claim(store, id, &claim));

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(fixture_work(store, id, 100, CB_ATTEMPT_DONE), HELD);
    assert_int_equal(ask(store, "SELECT count(*) FROM attempt WHERE state = 'lost'"), HELD);
    assert_int_equal(ask(store, "SELECT count(*) FROM run WHERE state = 'lost'"), 1);
    assert_int_equal(ask(store, "SELECT max(attempt_count) FROM trial"), 2);
    assert_int_equal(ask(store, "SELECT count(*) FROM trial WHERE state = 'done'"), TRIALS);
    cb_store_close(store);
    close(ready[0]);
    close(ready[1]);
    expect_no_litter(f->path);
}

/* Killed in the middle of its commits, several times: no result without its whole curve, no curve
 * without a result, nothing twice, nothing lost. */
static void test_killed_while_writing(void **state) {
    enum { TRIALS = 2000, ROUNDS = 6 };
    static const long after_ms[ROUNDS] = {12, 25, 37, 51, 80, 33};
    const fixture *f = *state;
    int64_t id = register_study(f->path, TRIALS), before = 0;
    cb_store *store = NULL;
    for (int round = 0; round < ROUNDS; round++) {
        work w = {.path = f->path, .study_id = id, .ready = -1, .go = -1, .force = round % 2};
        pid_t pid = child_start(&w);
        sleep_ms(after_ms[round]);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        must(cb_store_open(&store, f->path, CB_STORE_READ, err));
        int64_t done = ask(store, "SELECT count(*) FROM attempt WHERE state = 'done'");
        assert_true(done >= before);
        before = done;
        assert_int_equal(ask(store, "SELECT count(*) FROM attempt AS a WHERE (SELECT count(*) FROM"
                                    " epoch AS e WHERE e.attempt_id = a.attempt_id) <> CASE state"
                                    " WHEN 'done' THEN 10 ELSE 0 END"),
                         0);
        assert_int_equal(ask(store, "SELECT count(*) FROM trial WHERE (state = 'done') <>"
                                    " (result_attempt_id IS NOT NULL)"),
                         0);
        cb_store_close(store);
    }
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    fixture_run_begin(store);
    fixture_work(store, id, TRIALS, CB_ATTEMPT_DONE);
    assert_int_equal(ask(store, "SELECT count(*) FROM trial WHERE state = 'done'"), TRIALS);
    assert_int_equal(ask(store, "SELECT count(*) FROM attempt WHERE state = 'done'"), TRIALS);
    assert_int_equal(ask(store, "SELECT count(*) FROM epoch"), TRIALS * FIXTURE_EPOCHS);
    assert_int_equal(ask(store, "SELECT count(*) FROM pragma_integrity_check WHERE"
                                " integrity_check <> 'ok'"),
                     0);
    cb_store_close(store);
    expect_no_litter(f->path);
}

/* Killed while it creates a database: what is left is opened and made whole. */
static void test_killed_while_creating(void **state) {
    enum { ROUNDS = 12 };
    const fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        char path[128];
        cb_store *store = NULL;
        snprintf(path, sizeof path, "%s/%d.db", f->folder, round);
        work w = {.path = path, .study_id = 1, .ready = -1, .go = -1};
        pid_t pid = child_start(&w);
        sleep_ms(1 + round / 2);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        must(cb_store_open(&store, path, CB_STORE_WRITE, err));
        fixture_study(store, "s", "a", 0, 1);
        assert_int_equal(ask(store, "SELECT count(*) FROM trial"), 1);
        cb_store_close(store);
        expect_no_litter(path);
    }
}

/* Several processes that create the same new database at once. */
static void test_created_together(void **state) {
    enum { CHILDREN = 6, ROUNDS = 4 };
    const fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        char path[128];
        pid_t pid[CHILDREN];
        snprintf(path, sizeof path, "%s/%d.db", f->folder, round);
        work w = {.path = path, .study_id = 1, .ready = -1, .go = -1};
        for (int i = 0; i < CHILDREN; i++)
            pid[i] = child_start(&w);
        for (int i = 0; i < CHILDREN; i++) {
            int status = -1;
            assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
            assert_true(WIFEXITED(status));
            assert_int_equal(WEXITSTATUS(status), 0);
        }
        expect_no_litter(path);
        cb_store *store = NULL;
        must(cb_store_open(&store, path, CB_STORE_READ, err));
        assert_int_equal(ask(store, "SELECT count(*) FROM run WHERE state = 'ended'"), CHILDREN);
        cb_store_close(store);
    }
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_four_processes),       CASE(test_killed_claims_taken_over),
        CASE(test_killed_while_writing), CASE(test_killed_while_creating),
        CASE(test_created_together),
    };
    return cmocka_run_group_tests_name("store_process", tests, NULL, NULL);
}
