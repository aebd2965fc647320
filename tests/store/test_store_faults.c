/* SPDX-License-Identifier: MIT */
/*
 * The store where the system says no: SQLite's own allocations fail, files may not grow, names are
 * odd, paths are symbolic links. Always a clear error, and a database that is whole.
 */
#include "store/store_fixture.h"

#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store/store_internal.h"

/* ---- SQLite's memory ---- */

static sqlite3_mem_methods real;
static long countdown = -1; /* allocations until one fails; negative: never */
static long failed;

static int fails(void) {
    if (countdown < 0 || countdown-- > 0)
        return 0;
    failed++;
    return 1;
}

static void *failing_malloc(int size) {
    return fails() ? NULL : real.xMalloc(size);
}

static void *failing_realloc(void *block, int size) {
    return fails() ? NULL : real.xRealloc(block, size);
}

/* Before SQLite is first used. */
static void stand_in_memory(void) {
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real), SQLITE_OK);
    sqlite3_mem_methods mine = real;
    mine.xMalloc = failing_malloc;
    mine.xRealloc = failing_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &mine), SQLITE_OK);
}

/* Registers two trials, finishes one, reads; ends at the first error. */
static cb_status short_life(const char *path, cb_err *err) {
    cb_store *store = NULL;
    cb_query *query = NULL;
    cb_claim claim = {0};
    fixture_trial t[2];
    cb_study_info info = {.name = "s", .trial_count = 2};
    cb_run_info run = fixture_run(1, "avx2");
    int64_t id = 0;
    int got = 0, has_row = 0;
    fixture_trial_make(&t[0], "m", 0);
    fixture_trial_make(&t[1], "m", 1);
    const cb_trial_info infos[] = {t[0].info, t[1].info};
    cb_status st = cb_store_open(&store, path, CB_STORE_WRITE, err);
    if (st == CB_OK)
        st = cb_store_run_begin(store, &run, err);
    if (st == CB_OK)
        st = cb_store_study_begin(store, &info, &id, err);
    if (st == CB_OK)
        st = cb_store_study_add(store, id, 0, infos, 2, CB_AGAIN_MACHINE, NULL, err);
    if (st == CB_OK)
        st = cb_store_claim(store, id, &claim, &got, err);
    if (st == CB_OK && got) {
        cb_attempt_result result = fixture_result(&claim, CB_ATTEMPT_DONE);
        st = cb_store_finish(store, &claim, &result, NULL, 0, err);
    }
    if (st == CB_OK)
        st = cb_store_commit(store, 1, err);
    if (st == CB_OK)
        st = cb_query_open(&query, store, "SELECT * FROM leaderboard", NULL, 0, err);
    if (st == CB_OK)
        st = cb_query_next(query, &has_row, err);
    cb_query_close(query);
    cb_claim_fini(&claim);
    cb_store_close(store);
    return st;
}

static void expect_whole(const char *path, int64_t trials) {
    cb_store *store = NULL;
    must(cb_store_open(&store, path, CB_STORE_WRITE, err));
    int64_t id = fixture_study(store, "s", "m", 0, (int)trials);
    fixture_run_begin(store);
    fixture_work(store, id, (int)trials, CB_ATTEMPT_DONE);
    assert_int_equal(ask(store, "SELECT count(*) FROM pragma_integrity_check WHERE"
                                " integrity_check <> 'ok'"),
                     0);
    assert_int_equal(ask(store, "SELECT count(*) FROM trial WHERE state = 'done'"), trials);
    assert_int_equal(ask(store, "SELECT count(*) FROM attempt WHERE state = 'done'"), trials);
    cb_store_close(store);
    expect_no_litter(path);
}

/* The first ones each, then further and further apart: there are some thousands. */
static void test_sqlite_memory(void **state) {
    enum { EACH = 60, MOST = 100000 };
    const fixture *f = *state;
    int done = 0, rounds = 0;
    for (long n = 0; !done && n < MOST; n += n < EACH ? 1 : 1 + n / 12, rounds++) {
        char path[128];
        cb_err error = {0};
        snprintf(path, sizeof path, "%s/%ld.db", f->folder, n);
        failed = 0;
        countdown = n;
        cb_status st = short_life(path, &error);
        countdown = -1;
        done = failed == 0;
        if (st != CB_OK && (st != CB_ENOMEM || error.text[0] == '\0'))
            fail_msg("allocation %ld: %s (%s)", n, cb_status_name(st), error.text);
        if (done)
            assert_int_equal(st, CB_OK);
        expect_whole(path, 2);
    }
    assert_true(done);
    assert_true(rounds > EACH);
}

/* ---- a disk that is full ---- */

/* Exit code 0: the work ended with CB_EIO and a text, at the latest when its results are written.
 */
static int work_until_full(const char *path, rlim_t most_bytes) {
    const struct rlimit limit = {.rlim_cur = most_bytes, .rlim_max = most_bytes};
    cb_store *store = NULL;
    cb_err error = {0};
    cb_claim claim;
    int got = 1;
    signal(SIGXFSZ, SIG_IGN);
    if (cb_store_open(&store, path, CB_STORE_WRITE, &error) != CB_OK)
        return 1;
    cb_run_info run = fixture_run(1, "avx2");
    cb_status st = cb_store_run_begin(store, &run, &error);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 2;
    while (st == CB_OK && (st = cb_store_claim(store, 1, &claim, &got, &error)) == CB_OK && got) {
        cb_epoch_record epochs[FIXTURE_EPOCHS];
        cb_attempt_result result = fixture_result(&claim, CB_ATTEMPT_DONE);
        fixture_epochs(epochs);
        st = cb_store_finish(store, &claim, &result, epochs, FIXTURE_EPOCHS, &error);
        cb_claim_fini(&claim);
        if (st == CB_OK)
            st = cb_store_commit(store, 1, &error);
    }
    cb_store_close(store);
    return st == CB_EIO && strstr(error.text, path) != NULL ? 0 : 3;
}

static void test_file_may_not_grow(void **state) {
    enum { TRIALS = 200, ROUNDS = 6 };
    const fixture *f = *state;
    cb_store *store = NULL;
    struct stat info;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    fixture_study(store, "s", "m", 0, TRIALS);
    cb_store_close(store);
    for (int round = 0; round < ROUNDS; round++) {
        int status = -1;
        assert_int_equal(stat(f->path, &info), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(work_until_full(f->path, (rlim_t)(40000 + 30011 * round)));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        must(cb_store_open(&store, f->path, CB_STORE_READ, err));
        assert_int_equal(ask(store, "SELECT count(*) FROM attempt AS a WHERE (SELECT count(*) FROM"
                                    " epoch AS e WHERE e.attempt_id = a.attempt_id) <>"
                                    " iif(a.state = 'done', 10, 0)"),
                         0);
        assert_int_equal(ask(store, "SELECT count(*) FROM pragma_integrity_check WHERE"
                                    " integrity_check <> 'ok'"),
                         0);
        cb_store_close(store);
    }
    expect_whole(f->path, TRIALS);
}

/* ---- names ---- */

/* Two names of one file: the locks, the log and the runs are those of the file. */
static void test_symbolic_link(void **state) {
    const fixture *f = *state;
    char folder[128], link[160], other[192];
    int alive = 0;
    cb_claim claim, none;
    snprintf(folder, sizeof folder, "%s/links", f->folder);
    snprintf(link, sizeof link, "%s/b.db", folder);
    snprintf(other, sizeof other, "%s/c.db", folder);
    assert_int_equal(mkdir(folder, 0777), 0);
    assert_int_equal(symlink("../a.db", link), 0);
    assert_int_equal(symlink("b.db", other), 0);
    cb_store *one = NULL, *two = NULL, *reader = NULL;
    must(cb_store_open(&one, link, CB_STORE_WRITE, err)); /* which makes the file */
    assert_true(file_exists(f->path, ""));
    assert_true(file_exists(f->path, ".lock"));
    assert_false(file_exists(link, ".lock"));
    int64_t id = fixture_study(one, "s", "a", 0, 2);
    fixture_run_begin(one);
    assert_true(fixture_claim(one, id, &claim));
    assert_true(file_exists(f->path, "-wal"));
    assert_false(file_exists(link, "-wal"));

    must(cb_store_open(&two, f->path, CB_STORE_WRITE, err));
    must(cb_store_open(&reader, other, CB_STORE_READ, err));
    must(cb_store_run_alive(reader, 1, &alive, err));
    assert_int_equal(alive, 1);
    fixture_run_begin(two);
    assert_int_equal(fixture_work(two, id, 100, CB_ATTEMPT_DONE), 1); /* the other is claimed */
    assert_false(fixture_claim(two, id, &none));
    fixture_finish(one, &claim, CB_ATTEMPT_DONE);
    cb_claim_fini(&claim);
    must(cb_store_commit(one, 1, err));
    assert_int_equal(ask(reader, "SELECT count(*) FROM trial WHERE state = 'done'"), 2);
    cb_store_close(reader);
    cb_store_close(one);
    cb_store_close(two);
    expect_no_litter(f->path);
    expect_no_litter(link);
    expect_no_litter(other);

    /* A link to nowhere, and one to itself. */
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink("b.db", link), 0);
    assert_int_equal(cb_store_open(&one, link, CB_STORE_WRITE, NULL), CB_EIO);
    assert_int_equal(cb_store_open(&one, link, CB_STORE_READ, NULL), CB_EIO);
}

static void test_odd_names(void **state) {
    const fixture *f = *state;
    static const char *const names[] = {"a\nb.db",     "tab\there", "\x1b[31m.db",
                                        "\xff\xfe.db", "-wal",      "x.lock"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        cb_store *store = NULL;
        snprintf(path, sizeof path, "%s/%s", f->folder, names[i]);
        for (int mode = 1; mode >= 0; mode--) {
            must(cb_store_open(&store, path, (cb_store_mode)mode, err));
            assert_int_equal(ask(store, "SELECT count(*) FROM trial"), 0);
            cb_store_close(store);
        }
        expect_no_litter(path);
    }
}

/* The longest path that the system takes may be too long for SQLite: an error, whatever it is. */
static void test_long_names(void **state) {
    const fixture *f = *state;
    static const size_t lengths[] = {200, 255, 256, 500, 1000, PATH_MAX - 1, PATH_MAX, 20000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        for (int slashes = 0; slashes < 2; slashes++) {
            char *path = malloc(lengths[i] + 1);
            cb_store *store = NULL;
            cb_err error = {0};
            assert_non_null(path);
            memset(path, 'n', lengths[i]);
            memcpy(path, f->folder, strlen(f->folder));
            for (size_t k = strlen(f->folder) + 1; slashes && k < lengths[i]; k += 2)
                path[k] = k % 4 ? '/' : '.'; /* ".n/n.n/n": folders that are not there */
            path[strlen(f->folder)] = '/';
            path[lengths[i]] = '\0';
            cb_status st = cb_store_open(&store, path, CB_STORE_WRITE, &error);
            assert_true(st == CB_OK || st == CB_EIO);
            assert_true(st == CB_OK || error.text[0] != '\0');
            cb_store_close(store);
            assert_int_not_equal(cb_store_open(&store, path, CB_STORE_READ, &error),
                                 st == CB_OK ? CB_EIO : CB_OK);
            cb_store_close(store);
            free(path);
        }
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_sqlite_memory), CASE(test_file_may_not_grow), CASE(test_symbolic_link),
        CASE(test_odd_names),     CASE(test_long_names),
    };
    stand_in_memory();
    return cmocka_run_group_tests_name("store_faults", tests, NULL, NULL);
}
