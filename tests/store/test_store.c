/* SPDX-License-Identifier: MIT */
/*
 * The store by its public header: studies, queries and runs. (Opening: test_store_open; claims:
 * test_store_claims.)
 */
#include "store/store_fixture.h"

#include "store/store_internal.h"

/* ---- studies ---- */

static void test_study_again(void **state) {
    const fixture *f = *state;
    cb_store *store = open_write(f->path);
    int64_t id = fixture_study(store, "s", "a", 0, 12);
    assert_int_equal(fixture_count(store, id).total, 12);
    assert_int_equal(fixture_count(store, id).pending, 12);
    fixture_run_begin(store);
    assert_int_equal(fixture_work(store, id, 6, CB_ATTEMPT_DONE), 6);
    assert_int_equal(fixture_study(store, "s", "a", 0, 12), id);
    cb_study_counts c = fixture_count(store, id);
    assert_int_equal(c.total, 12);
    assert_int_equal(c.done, 6);
    assert_int_equal(c.pending, 6);
    assert_int_equal(ask(store, "SELECT edition FROM study"), 2);
    assert_int_equal(ask(store, "SELECT count(*) FROM setting"), 36);
    assert_int_equal(ask(store, "SELECT count(*) FROM cell"), 2);
    assert_int_equal(ask(store, "SELECT count(*) FROM task"), 1);

    /* Another list: 0..3 are retired, 12..13 are new, and the results stay. */
    fixture_study(store, "s", "a", 4, 10);
    c = fixture_count(store, id);
    assert_int_equal(c.total, 10);
    assert_int_equal(c.done, 2);
    assert_int_equal(ask(store, "SELECT count(*) FROM study_trial WHERE retired"), 4);
    assert_int_equal(ask(store, "SELECT count(*) FROM attempt WHERE state = 'done'"), 6);
    assert_int_equal(ask(store, "SELECT min(position) FROM study_trial WHERE NOT retired"), 0);

    /* And back again. */
    fixture_study(store, "s", "a", 0, 12);
    c = fixture_count(store, id);
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
    assert_int_equal(fixture_count(store, two).done, 3);
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
    assert_int_equal(fixture_count(store, id).total, 2);
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
        CASE(test_study_again),          CASE(test_study_shares),         CASE(test_study_errors),
        CASE(test_hostile_texts),        CASE(test_query_only_reads),     CASE(test_query_values),
        CASE(test_query_outlives_store), CASE(test_run_alive_and_paused),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
