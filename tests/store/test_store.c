/* SPDX-License-Identifier: MIT */
/*
 * The store by its public header: opening and its errors, studies, claims, group commit, queries,
 * and what is left on the disk.
 */
#include "store/store_fixture.h"

#include <sys/wait.h>
#include <time.h>

#include "base/alloc.h"
#include "base/file.h"
#include "store/store_internal.h"

static cb_store *open_write(const char *path) {
    cb_store *store = NULL;
    must(cb_store_open(&store, path, CB_STORE_WRITE, err));
    return store;
}

static cb_store *open_read(const char *path) {
    cb_store *store = NULL;
    must(cb_store_open(&store, path, CB_STORE_READ, err));
    return store;
}

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

/* ---- opening ---- */

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

/* ---- studies ---- */

static cb_study_counts count(cb_store *store, int64_t study_id) {
    cb_study_counts counts;
    must(cb_store_study_count(store, study_id, &counts, err));
    return counts;
}

static void test_study_again(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    int64_t id = fixture_study(store, "s", "a", 0, 12);
    assert_int_equal(count(store, id).total, 12);
    assert_int_equal(count(store, id).pending, 12);
    fixture_run_begin(store);
    assert_int_equal(fixture_work(store, id, 6, CB_ATTEMPT_DONE), 6);
    assert_int_equal(fixture_study(store, "s", "a", 0, 12), id);
    cb_study_counts c = count(store, id);
    assert_int_equal(c.total, 12);
    assert_int_equal(c.done, 6);
    assert_int_equal(c.pending, 6);
    assert_int_equal(ask(store, "SELECT edition FROM study"), 2);
    assert_int_equal(ask(store, "SELECT count(*) FROM setting"), 36);
    assert_int_equal(ask(store, "SELECT count(*) FROM cell"), 2);
    assert_int_equal(ask(store, "SELECT count(*) FROM task"), 1);

    /* Another list: 0..3 are retired, 12..13 are new, and the results stay. */
    fixture_study(store, "s", "a", 4, 10);
    c = count(store, id);
    assert_int_equal(c.total, 10);
    assert_int_equal(c.done, 2);
    assert_int_equal(ask(store, "SELECT count(*) FROM study_trial WHERE retired"), 4);
    assert_int_equal(ask(store, "SELECT count(*) FROM attempt WHERE state = 'done'"), 6);
    assert_int_equal(ask(store, "SELECT min(position) FROM study_trial WHERE NOT retired"), 0);

    /* And back again. */
    fixture_study(store, "s", "a", 0, 12);
    c = count(store, id);
    assert_int_equal(c.total, 12);
    assert_int_equal(c.done, 6);
    cb_store_close(store);
}

/* Two studies that ask for the same trial share it, each with its own settings and place. */
static void test_study_shares(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    int64_t one = fixture_study(store, "one", "a", 0, 6),
            two = fixture_study(store, "two", "a", 3, 6);
    assert_int_not_equal(one, two);
    assert_int_equal(ask(store, "SELECT count(*) FROM trial"), 9);
    fixture_run_begin(store);
    assert_int_equal(fixture_work(store, one, 100, CB_ATTEMPT_DONE), 6);
    assert_int_equal(count(store, two).done, 3);
    assert_int_equal(fixture_work(store, two, 100, CB_ATTEMPT_DONE), 3);
    assert_int_equal(ask(store, "SELECT count(*) FROM attempt"), 9);
    assert_int_equal(ask(store, "SELECT count(*) FROM study_2 WHERE state = 'done'"), 6);
    cb_store_close(store);
}

static void test_study_errors(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    int64_t id = 0;
    cb_err error = {0};
    cb_study_info info = {.name = ""};
    assert_int_equal(cb_store_study_begin(store, &info, &id, &error), CB_EARG);
    fixture_trial good, bad;
    fixture_trial_make(&good, "a", 0);
    assert_int_equal(cb_store_study_add(store, 1, 0, &good.info, 1, CB_AGAIN_NONE, NULL, &error),
                     CB_EARG);
    info.name = "s";
    info.trial_count = 2;
    must(cb_store_study_begin(store, &info, &id, err));

    static const char *const names[] = {
        "", "Rate", "1st", "a-b", "a\"b", "a b", "abcdefghijklmnopqrstuvwxyz0123456"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        fixture_trial_make(&bad, "a", 1);
        bad.settings[1].name = names[i];
        cb_trial_info both[] = {good.info, bad.info};
        assert_int_equal(cb_store_study_add(store, id, 0, both, 2, CB_AGAIN_NONE, NULL, &error),
                         CB_EARG);
        assert_non_null(strstr(error.text, names[i]));
    }
    fixture_trial_make(&bad, "a", 1);
    bad.key[3] = 'X';
    assert_int_equal(cb_store_study_add(store, id, 0, &bad.info, 1, CB_AGAIN_NONE, NULL, &error),
                     CB_EARG);
    /* Nothing of a call that failed is there. */
    assert_int_equal(ask(store, "SELECT count(*) FROM trial"), 0);
    must(cb_store_study_add(store, id, 0, &good.info, 1, CB_AGAIN_NONE, NULL, err));
    assert_int_equal(count(store, id).total, 2);
    cb_store_close(store);
}

/* Texts from outside are bound, whatever is in them. */
static void test_hostile_texts(void **state) {
    const fixture *f = *state;
    static char text[10001];
    memset(text, 'n', sizeof text - 1);
    memcpy(text, "'; DROP TABLE trial; --\"\n\t%s\\", 30);
    cb_store *store = open_write(f->path);
    cb_study_info info = {
        .name = text, .script_path = text, .script = text, .git_commit = text, .trial_count = 1};
    int64_t id = 0;
    fixture_trial t;
    fixture_trial_make(&t, "a", 0);
    t.info.cell = t.info.cell_text = t.info.task = t.info.task_identity = t.info.metric = text;
    t.info.spec = t.info.task_open = text;
    t.settings[2].value = (cb_value){.type = CB_VALUE_TEXT, .text = text, .length = strlen(text)};
    must(cb_store_study_begin(store, &info, &id, err));
    must(cb_store_study_add(store, id, 0, &t.info, 1, CB_AGAIN_NONE, NULL, err));
    cb_run_info run = fixture_run(1, text);
    run.command = run.cpu = run.host = text;
    must(cb_store_run_begin(store, &run, err));
    cb_claim claim;
    assert_true(fixture_claim(store, id, &claim));
    assert_string_equal(claim.spec, text);
    assert_string_equal(claim.task_open, text);
    assert_string_equal(claim.cell, text);
    cb_attempt_result result = fixture_result(&claim, CB_ATTEMPT_FAILED);
    cb_epoch_record epoch = {.epoch = 1, .split = "test", .metric = text, .value = 1};
    result.error_text = result.weights_file = text;
    must(cb_store_finish(store, &claim, &result, &epoch, 1, err));
    must(cb_store_commit(store, 1, err));
    cb_claim_fini(&claim);

    cb_query *query;
    int has_row;
    cb_value value = {.type = CB_VALUE_TEXT, .text = text, .length = strlen(text)};
    must(cb_query_open(&query, store, "SELECT error_text, optimiser FROM study_1 WHERE cell = ?1",
                       &value, 1, err));
    must(cb_query_next(query, &has_row, err));
    assert_true(has_row);
    for (size_t i = 0; i < 2; i++) {
        value = cb_query_column(query, i);
        assert_int_equal(value.length, strlen(text));
        assert_memory_equal(value.text, text, value.length);
    }
    cb_query_close(query);
    assert_int_equal(ask(store, "SELECT count(*) FROM leaderboard"), 1);
    cb_store_close(store);
}

/* ---- claims and results ---- */

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
    assert_int_equal(count(store, id).running, 5);
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
    assert_int_equal(count(store, id).pending, 5);
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
    assert_int_equal(count(store, id).done, 1);
    assert_int_equal(ask(store, "SELECT count(*) FROM epoch"), FIXTURE_EPOCHS);
    /* Another end for what has ended already is dropped, and said. */
    fixture_finish(store, &claim, CB_ATTEMPT_FAILED);
    assert_int_equal(cb_store_commit(store, 1, &error), CB_EBUSY);
    assert_non_null(strstr(error.text, "dropped"));
    assert_int_equal(cb_store_commit_due_ms(store), -1);
    assert_int_equal(count(store, id).done, 1);
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
    cb_study_counts c = count(store, id);
    assert_int_equal(c.done, 3);
    assert_int_equal(c.diverged, 1);
    assert_int_equal(c.failed, 2);
    assert_int_equal(c.other_numerics, 0);
    must(cb_store_study_requeue(store, id, CB_AGAIN_FAILED, &n, err));
    assert_int_equal(n, 2);
    assert_int_equal(count(store, id).pending, 2);
    cb_store_close(store);

    store = open_write(f->path);
    cb_run_info run = fixture_run(1, "avx512");
    must(cb_store_run_begin(store, &run, err));
    assert_int_equal(cb_store_run_begin(store, &run, NULL), CB_EARG); /* one run a store */
    assert_int_equal(count(store, id).other_numerics, 4);
    must(cb_store_study_requeue(store, id, CB_AGAIN_OTHER, &n, err));
    assert_int_equal(n, 4);
    assert_int_equal(fixture_work(store, id, 4, CB_ATTEMPT_DONE), 4);
    assert_int_equal(count(store, id).other_numerics, 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM attempt"), 10);
    cb_store_close(store);

    /* Back on the first machine: its own results are still there and are taken, not repeated. */
    store = open_write(f->path);
    run = fixture_run(1, "avx2");
    must(cb_store_run_begin(store, &run, err));
    must(cb_store_study_requeue(store, id, CB_AGAIN_OTHER, &n, err));
    assert_int_equal(n, 4);
    assert_int_equal(fixture_work(store, id, 100, CB_ATTEMPT_DONE), 2);
    c = count(store, id);
    assert_int_equal(c.done, 5);
    assert_int_equal(c.diverged, 1);
    assert_int_equal(c.other_numerics, 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM machine"), 2);
    assert_int_equal(ask(store, "SELECT count(*) FROM run"), 3);
    cb_store_close(store);
}

/* ---- queries ---- */

static void test_query_only_reads(void **state) {
    static const char *const refused[] = {"DELETE FROM trial",
                                          "UPDATE study SET name = 'x'",
                                          "INSERT INTO study (name) VALUES ('x')",
                                          "CREATE TABLE x (a)",
                                          "CREATE TEMP TABLE x (a)",
                                          "DROP TABLE trial",
                                          "ATTACH '/tmp/cellbench-never.db' AS x",
                                          "DETACH main",
                                          "PRAGMA user_version = 7",
                                          "PRAGMA query_only = OFF",
                                          "PRAGMA wal_checkpoint",
                                          "PRAGMA journal_mode = DELETE",
                                          "BEGIN IMMEDIATE",
                                          "COMMIT",
                                          "SAVEPOINT a",
                                          "VACUUM",
                                          "VACUUM INTO '/tmp/cellbench-never.db'",
                                          "SELECT 1; SELECT 2",
                                          "SELECT 1; DELETE FROM trial",
                                          "SELECT 1; garbage",
                                          "",
                                          "  -- nothing",
                                          "SELECT ?1",
                                          "SELECT no_such_column FROM trial",
                                          "SELEC 1",
                                          "SELECT load_extension('x')",
                                          "UPDATE sqlite_master SET sql = ''"};
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    fixture_study(store, "s", "a", 0, 2);
    for (int mode = 0; mode < 2; mode++) {
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
            cb_query *query = (cb_query *)1;
            cb_err error = {0};
            if (cb_query_open(&query, store, refused[i], NULL, 0, &error) != CB_EARG)
                fail_msg("not refused: %s (%s)", refused[i], error.text);
            assert_null(query);
            assert_true(error.text[0] != '\0');
        }
        assert_int_equal(ask(store, "SELECT count(*) FROM trial;  -- a comment\n ;"), 2);
        assert_int_equal(ask(store, "PRAGMA user_version"), CBI_STORE_VERSION);
        assert_int_equal(ask(store, "SELECT sum(value) FROM json_each('[1, 2, 3]')"), 6);
        assert_int_equal(ask(store, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c"
                                    " WHERE i < 5) SELECT max(i) FROM c"),
                         5);
        cb_store_close(store);
        store = open_read(f->path);
    }
    cb_store_close(store);
    assert_false(file_exists("/tmp/cellbench-never.db", ""));
}

static void test_query_values(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    const cb_value values[] = {{.type = CB_VALUE_INT, .integer = INT64_MIN},
                               {.type = CB_VALUE_REAL, .real = 0.1},
                               {.type = CB_VALUE_TEXT, .text = "a\0b and more", .length = 3},
                               {.type = CB_VALUE_NULL},
                               {.type = CB_VALUE_TEXT, .text = "", .length = 0}};
    cb_query *query;
    int has_row = 0;
    must(cb_query_open(&query, store, "SELECT ?1 AS a, ?2, ?3, ?4, ?5", values, 5, err));
    assert_int_equal(cb_query_column_count(query), 5);
    assert_string_equal(cb_query_column_name(query, 0), "a");
    assert_string_equal(cb_query_column_name(query, 9), "");
    must(cb_query_next(query, &has_row, err));
    assert_true(has_row);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(cb_query_column(query, i).type, values[i].type);
    assert_int_equal(cb_query_column(query, 0).integer, INT64_MIN);
    assert_true(cb_query_column(query, 1).real == 0.1);
    assert_int_equal(cb_query_column(query, 2).length, 3);
    assert_memory_equal(cb_query_column(query, 2).text, "a\0b", 3);
    assert_int_equal(cb_query_column(query, 4).length, 0);
    assert_int_equal(cb_query_column(query, 9).type, CB_VALUE_NULL);
    must(cb_query_next(query, &has_row, err));
    assert_false(has_row);
    cb_query_close(query);
    assert_int_equal(cb_query_open(&query, store, "SELECT ?1", values, 2, NULL), CB_EARG);
    cb_store_close(store);
}

/* A query left open neither stops commits nor outlives its memory. */
static void test_query_outlives_store(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    cb_query *query;
    int has_row;
    int64_t id = fixture_study(store, "s", "a", 0, 4);
    must(cb_query_open(&query, store, "SELECT trial_id FROM trial", NULL, 0, err));
    must(cb_query_next(query, &has_row, err));
    fixture_run_begin(store);
    assert_int_equal(fixture_work(store, id, 4, CB_ATTEMPT_DONE), 4);
    cb_store_close(store);
    must(cb_query_next(query, &has_row, err));
    assert_true(has_row);
    cb_query_close(query);
    store = open_write(f->path);
    cb_store_close(store);
    expect_no_litter(f->path);
}

/* What a reader is told of a run: alive and paused are locks, and go with the store. */
static void test_run_alive_and_paused(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path), *reader = NULL;
    int alive = -1, paused = -1;
    cb_store_run_pause(store, 1); /* no run yet */
    fixture_run_begin(store);
    must(cb_store_open(&reader, f->path, CB_STORE_READ, err));
    for (int now = 0; now < 2; now++) {
        cb_store_run_pause(store, now);
        cb_store_run_pause(store, now);
        must(cb_store_run_alive(reader, 1, &alive, err));
        must(cb_store_run_paused(reader, 1, &paused, err));
        assert_int_equal(alive, 1);
        assert_int_equal(paused, now);
    }
    cb_store_close(store);
    must(cb_store_run_alive(reader, 1, &alive, err));
    must(cb_store_run_paused(reader, 1, &paused, err));
    assert_int_equal(alive, 0);
    assert_int_equal(paused, 0);
    cb_store_close(reader);
    expect_no_litter(f->path);
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_open_creates),
        CASE(test_open_empty_file),
        CASE(test_open_refuses_text),
        CASE(test_open_refuses_foreign),
        CASE(test_open_damaged),
        CASE(test_open_no_file),
        CASE(test_open_read_only),
        CASE(test_open_odd_names),
        CASE(test_read_changes_nothing),
        CASE(test_read_beside_writer),
        CASE(test_study_again),
        CASE(test_study_shares),
        CASE(test_study_errors),
        CASE(test_hostile_texts),
        CASE(test_claim_order_and_once),
        CASE(test_group_commit),
        CASE(test_finish_twice),
        CASE(test_finish_refuses),
        CASE(test_requeue),
        CASE(test_query_only_reads),
        CASE(test_query_values),
        CASE(test_query_outlives_store),
        CASE(test_run_alive_and_paused),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
