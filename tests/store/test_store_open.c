/* SPDX-License-Identifier: MIT */
/* Opening a database: its errors, readers beside writers, and what is left on the disk. */
#include "store/store_fixture.h"

#include <sys/wait.h>

#include "base/alloc.h"
#include "base/file.h"
#include "store/store_internal.h"

/* Opening fails with that status and those words, the file stays byte for byte, and nothing is put
 * beside it. */
static void expect_refused(const char *path, cb_store_mode mode, cb_status status,
                           const char *words) {
    cb_store *store = (cb_store *)1;
    cb_err error = {0};
    char *before = NULL, *after = NULL;
    size_t before_length = 0, after_length = 0;
    must(cbi_file_read(&before, &before_length, path, 1 << 24, err));
    assert_int_equal(cb_store_open(&store, path, mode, &error), status);
    assert_null(store);
    assert_non_null(strstr(error.text, path));
    if (strstr(error.text, words) == NULL)
        fail_msg("expected '%s' in: %s", words, error.text);
    must(cbi_file_read(&after, &after_length, path, 1 << 24, err));
    assert_int_equal(after_length, before_length);
    assert_memory_equal(after, before, before_length);
    cbi_free(before);
    cbi_free(after);
    expect_no_litter(path);
}

static void test_open_creates(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    assert_string_equal(cb_store_path(store), f->path);
    assert_int_equal(ask(store, "PRAGMA user_version"), CBI_STORE_VERSION);
    assert_true(ask(store, "PRAGMA application_id") != 0);
    cb_store_close(store);
    assert_true(file_exists(f->path, ""));
    expect_no_litter(f->path);
    store = open_write(f->path);
    assert_int_equal(ask(store, "SELECT count(*) FROM trial"), 0);
    cb_store_close(store);
    cb_store_close(NULL);
}

static void test_open_empty_file(void **state) {
    const fixture *f = *state;
    must(cbi_file_write(f->path, "", 0, err));
    expect_refused(f->path, CB_STORE_READ, CB_ESTORE, "empty file");
    cb_store *store = open_write(f->path);
    assert_int_equal(ask(store, "PRAGMA user_version"), CBI_STORE_VERSION);
    cb_store_close(store);
}

static void test_open_refuses_text(void **state) {
    const fixture *f = *state;
    static const char short_text[] = "not a database\n";
    must(cbi_file_write(f->path, short_text, sizeof short_text - 1, err));
    expect_refused(f->path, CB_STORE_WRITE, CB_ESTORE, "no SQLite database");
    expect_refused(f->path, CB_STORE_READ, CB_ESTORE, "no SQLite database");
    char long_text[5000];
    memset(long_text, 'x', sizeof long_text);
    must(cbi_file_write(f->path, long_text, sizeof long_text, err));
    expect_refused(f->path, CB_STORE_WRITE, CB_ESTORE, "no SQLite database");
}

/* Another program's database, or a newer one: ours, with its header changed. */
static void test_open_refuses_foreign(void **state) {
    enum { VERSION_LOW_BYTE = 63, APPLICATION_LOW_BYTE = 71 };
    const fixture *f = *state;
    char *data = NULL;
    size_t length = 0;
    cb_store_close(open_write(f->path));
    must(cbi_file_read(&data, &length, f->path, 1 << 24, err));
    assert_int_equal(data[VERSION_LOW_BYTE], CBI_STORE_VERSION);
    data[APPLICATION_LOW_BYTE] ^= 1;
    must(cbi_file_write(f->path, data, length, err));
    expect_refused(f->path, CB_STORE_WRITE, CB_ESTORE, "another program's");
    expect_refused(f->path, CB_STORE_READ, CB_ESTORE, "another program's");
    data[APPLICATION_LOW_BYTE] ^= 1;
    data[VERSION_LOW_BYTE] = 99;
    must(cbi_file_write(f->path, data, length, err));
    expect_refused(f->path, CB_STORE_WRITE, CB_ESTORE, "99");
    expect_refused(f->path, CB_STORE_READ, CB_ESTORE, "newer cellbench");
    cbi_free(data);
}

/* A header of ours before garbage: errors, not crashes. */
static void test_open_damaged(void **state) {
    enum { KEEP = 100 };
    const fixture *f = *state;
    char *data = NULL;
    size_t length = 0;
    cb_store *store = open_write(f->path);
    fixture_study(store, "s", "a", 0, 50);
    cb_store_close(store);
    must(cbi_file_read(&data, &length, f->path, 1 << 24, err));
    for (int round = 0; round < 3; round++) {
        /* Garbage behind the header; behind the first page; cut in the middle. */
        size_t from = round == 0 ? KEEP : 4096, rest = round < 2 ? length : length / 2;
        int64_t id = 0;
        cb_study_info info = {.name = "s"};
        char *damaged = cbi_malloc(length);
        assert_non_null(damaged);
        memcpy(damaged, data, length);
        if (round < 2)
            memset(damaged + from, 0xa5, length - from);
        must(cbi_file_write(f->path, damaged, rest, err));
        cbi_free(damaged);
        cb_err error = {0};
        cb_status st = cb_store_open(&store, f->path, CB_STORE_WRITE, &error);
        if (st == CB_OK)
            st = cb_store_study_begin(store, &info, &id, &error);
        assert_int_equal(st, CB_ESTORE);
        assert_non_null(strstr(error.text, f->path));
        cb_store_close(store);
        expect_no_litter(f->path);
    }
    cbi_free(data);
}

static void test_open_no_file(void **state) {
    const fixture *f = *state;
    char path[128];
    cb_store *store;
    cb_err error = {0};
    assert_int_equal(cb_store_open(&store, f->path, CB_STORE_READ, &error), CB_EIO);
    assert_non_null(strstr(error.text, f->path));
    assert_false(file_exists(f->path, ""));
    expect_no_litter(f->path);
    snprintf(path, sizeof path, "%s/none/a.db", f->folder);
    assert_int_equal(cb_store_open(&store, path, CB_STORE_WRITE, &error), CB_EIO);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(cb_store_open(&store, f->folder, CB_STORE_WRITE, &error), CB_EIO);
    assert_non_null(strstr(error.text, "folder"));
    assert_int_equal(cb_store_open(&store, "", CB_STORE_WRITE, &error), CB_EARG);
    assert_int_equal(cb_store_open(&store, NULL, CB_STORE_WRITE, NULL), CB_EARG);
}

/* Exit code 0: as a user who may not write, the file cannot be opened for writing, but is read. */
static int open_as_nobody(const char *path) {
    enum { NOBODY = 65534 };
    cb_store *store = NULL;
    cb_query *query = NULL;
    int has_row = 0;
    if (geteuid() == 0 &&
        (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0))
        return 1;
    if (cb_store_open(&store, path, CB_STORE_WRITE, NULL) != CB_EIO)
        return 2;
    if (cb_store_open(&store, path, CB_STORE_READ, NULL) != CB_OK)
        return 3;
    if (cb_query_open(&query, store, "SELECT * FROM study", NULL, 0, NULL) != CB_OK ||
        cb_query_next(query, &has_row, NULL) != CB_OK || !has_row)
        return 4;
    cb_query_close(query);
    cb_store_close(store);
    return 0;
}

static void test_open_read_only(void **state) {
    const fixture *f = *state;
    static const mode_t folder_modes[] = {0777, 0555};
    cb_store *store = open_write(f->path);
    fixture_study(store, "s", "a", 0, 2);
    cb_store_close(store);
    assert_int_equal(chmod(f->path, 0444), 0);
    for (size_t i = 0; i < 2; i++) {
        int status = -1;
        assert_int_equal(chmod(f->folder, folder_modes[i]), 0);
        pid_t child = fork();
        if (child == 0)
            _exit(open_as_nobody(f->path));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        expect_no_litter(f->path);
    }
    assert_int_equal(chmod(f->folder, 0700), 0);
}

/* A name that SQLite would read as an instruction, or that a URI would cut, is a name of a file. */
static void test_open_odd_names(void **state) {
    static const char *const names[] = {":memory:", "file:x?mode=memory", "a b%20#c?.db",
                                        "'\";--.db"};
    const fixture *f = *state;
    char old[512];
    assert_non_null(getcwd(old, sizeof old));
    assert_int_equal(chdir(f->folder), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cb_store_close(open_write(names[i]));
        assert_true(file_exists(names[i], ""));
        cb_store_close(open_read(names[i]));
    }
    assert_int_equal(chdir(old), 0);
}

static void test_read_changes_nothing(void **state) {
    const fixture *f = *state;
    char *before = NULL, *after = NULL;
    size_t before_length = 0, after_length = 0;
    cb_store *store = open_write(f->path);
    int64_t id = fixture_study(store, "s", "a", 0, 4), other;
    cb_store_close(store);
    must(cbi_file_read(&before, &before_length, f->path, 1 << 24, err));
    store = open_read(f->path);
    assert_int_equal(ask(store, "SELECT count(*) FROM trial"), 4);
    cb_study_counts counts;
    must(cb_store_study_count(store, id, &counts, err));
    assert_int_equal(counts.pending, 4);
    cb_study_info info = {.name = "t"};
    cb_run_info run = fixture_run(1, "avx2");
    assert_int_equal(cb_store_study_begin(store, &info, &other, NULL), CB_EARG);
    assert_int_equal(cb_store_run_begin(store, &run, NULL), CB_EARG);
    cb_store_close(store);
    expect_no_litter(f->path);
    must(cbi_file_read(&after, &after_length, f->path, 1 << 24, err));
    assert_int_equal(after_length, before_length);
    assert_memory_equal(after, before, before_length);
    cbi_free(before);
    cbi_free(after);
}

/* A reader beside a writer sees what is committed, and leaves the writer's log to it. */
static void test_read_beside_writer(void **state) {
    const fixture *f = *state;
    cb_store *writer = open_write(f->path), *reader = open_read(f->path);
    assert_int_equal(ask(reader, "SELECT count(*) FROM trial"), 0);
    fixture_study(writer, "s", "a", 0, 4);
    assert_int_equal(ask(reader, "SELECT count(*) FROM trial"), 4);
    cb_store *second = open_read(f->path);
    cb_store_close(second);
    fixture_study(writer, "s", "a", 0, 5);
    assert_int_equal(ask(reader, "SELECT count(*) FROM trial"), 5);
    cb_store_close(writer);
    assert_int_equal(ask(reader, "SELECT count(*) FROM trial"), 5);
    cb_store_close(reader);
    expect_no_litter(f->path);
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_open_creates),         CASE(test_open_empty_file),
        CASE(test_open_refuses_text),    CASE(test_open_refuses_foreign),
        CASE(test_open_damaged),         CASE(test_open_no_file),
        CASE(test_open_read_only),       CASE(test_open_odd_names),
        CASE(test_read_changes_nothing), CASE(test_read_beside_writer),
    };
    return cmocka_run_group_tests_name("store_open", tests, NULL, NULL);
}
