/* SPDX-License-Identifier: MIT */
/*
 * What people read: the comments of the schema, the views leaderboard and paired against values
 * worked out by hand, and the wide view of a study.
 */
#include "store/store_fixture.h"

/* ---- comments ---- */

static int is_in(const char *from, const char *to, const char *piece) {
    const char *at = strstr(from, piece);
    return at != NULL && at < to;
}

/* The text of a column in its CREATE TABLE: from its name to the next column, constraint or the
 * end. */
static void expect_column_comment(const char *schema, const char *table, const char *column) {
    char start[160];
    snprintf(start, sizeof start, "\nCREATE TABLE %s (\n", table);
    const char *from = strstr(schema, start);
    if (from == NULL)
        fail_msg("no table %s in the schema's text", table);
    const char *end = strstr(from, "\n)");
    assert_non_null(end);
    snprintf(start, sizeof start, "\n    %s ", column);
    from = strstr(from, start);
    if (from == NULL || from > end)
        fail_msg("no column %s.%s in the schema's text", table, column);
    const char *next = from + 1;
    do
        next = strchr(next, '\n') + 1;
    while (next < end && strncmp(next, "     ", 5) == 0);
    if (!is_in(from, next, "-- "))
        fail_msg("%s.%s has no comment", table, column);
}

static void expect_object_comment(const char *schema, const char *kind, const char *name) {
    char start[160];
    snprintf(start, sizeof start, "\nCREATE %s %s ", kind, name);
    const char *at = strstr(schema, start);
    if (at == NULL)
        fail_msg("no %s %s in the schema's text", kind, name);
    while (at > schema && at[-1] != '\n')
        at--;
    if (strncmp(at, "-- ", 3) != 0)
        fail_msg("%s %s has no comment before it", kind, name);
}

static char *copy_text(cb_query *query, size_t column) {
    cb_value value = cb_query_column(query, column);
    assert_int_equal(value.type, CB_VALUE_TEXT);
    char *text = calloc(1, value.length + 1);
    assert_non_null(text);
    memcpy(text, value.text, value.length);
    return text;
}

static void test_schema_comments(void **state) {
    const fixture *f = *state;
    cb_store *store = NULL;
    cb_query *query;
    int has_row, columns = 0, objects = 0;
    const char *schema = cb_store_schema();
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    must(
        cb_query_open(&query, store,
                      "SELECT m.name, p.name FROM sqlite_master AS m JOIN pragma_table_info(m.name)"
                      " AS p WHERE m.type = 'table'",
                      NULL, 0, err));
    for (;; columns++) {
        must(cb_query_next(query, &has_row, err));
        if (!has_row)
            break;
        char *table = copy_text(query, 0), *column = copy_text(query, 1);
        expect_column_comment(schema, table, column);
        free(table);
        free(column);
    }
    cb_query_close(query);
    must(
        cb_query_open(&query, store,
                      "SELECT upper(type), name FROM sqlite_master WHERE type IN ('table', 'view')",
                      NULL, 0, err));
    for (;; objects++) {
        must(cb_query_next(query, &has_row, err));
        if (!has_row)
            break;
        char *kind = copy_text(query, 0), *name = copy_text(query, 1);
        expect_object_comment(schema, kind, name);
        free(kind);
        free(name);
    }
    cb_query_close(query);
    assert_true(columns > 80);
    assert_int_equal(objects, 25);
    /* All tables are strict. */
    assert_int_equal(
        ask(store, "SELECT count(*) FROM pragma_table_list WHERE type = 'table' AND NOT strict AND"
                   " name NOT LIKE 'sqlite_%'"),
        0);
    cb_store_close(store);
}

/* ---- results by hand ---- */

typedef struct outcome {
    int trial;
    cb_attempt_end end;
    double valid, test;
} outcome;

/* Trials of the fixture: cell = i % 2 (gru, lstm), seed = i / 2 % 3, config = i / 6. */
static void finish_outcomes(cb_store *store, int64_t study_id, const outcome *outcomes, int n) {
    cb_claim claim;
    for (int i = 0; i < n; i++) {
        fixture_trial t;
        fixture_trial_make(&t, "v", outcomes[i].trial);
        assert_true(fixture_claim(store, study_id, &claim));
        assert_string_equal(claim.key, t.key);
        cb_attempt_result result = fixture_result(&claim, outcomes[i].end);
        result.valid = outcomes[i].valid;
        result.test = outcomes[i].test;
        must(cb_store_finish(store, &claim, &result, NULL, 0, err));
        cb_claim_fini(&claim);
    }
    must(cb_store_commit(store, 1, err));
}

static const outcome by_hand[] = {
    {0, CB_ATTEMPT_DONE, 3.0, 3.5},     {1, CB_ATTEMPT_DONE, 2.0, 2.2},     /* config 0, seed 1 */
    {2, CB_ATTEMPT_DONE, 3.1, 3.25},    {3, CB_ATTEMPT_DONE, 2.5, 2.7},     /* seed 2 */
    {4, CB_ATTEMPT_DIVERGED, NAN, NAN}, {5, CB_ATTEMPT_DONE, 2.4, 2.3},     /* seed 3 */
    {6, CB_ATTEMPT_DONE, 2.8, 2.9},     {7, CB_ATTEMPT_DONE, 2.1, 2.0},     /* config 1, seed 1 */
    {8, CB_ATTEMPT_FAILED, 0.1, 0.1},   {9, CB_ATTEMPT_DIVERGED, 0.2, 0.2}, /* seed 2 */
};
enum { BY_HAND = sizeof by_hand / sizeof by_hand[0] };

/* One row of a query as text, columns separated by '|'. */
static void expect_row(cb_store *store, const char *sql, int row, const char *expected) {
    char text[1024] = "";
    cb_query *query;
    int has_row = 0;
    must(cb_query_open(&query, store, sql, NULL, 0, err));
    for (int i = 0; i <= row; i++)
        must(cb_query_next(query, &has_row, err));
    for (size_t i = 0; has_row && i < cb_query_column_count(query); i++) {
        cb_value v = cb_query_column(query, i);
        size_t n = strlen(text);
        char *to = text + n;
        size_t room = sizeof text - n;
        const char *bar = i > 0 ? "|" : "";
        if (v.type == CB_VALUE_INT)
            snprintf(to, room, "%s%lld", bar, (long long)v.integer);
        else if (v.type == CB_VALUE_REAL)
            snprintf(to, room, "%s%.10g", bar, v.real);
        else
            snprintf(to, room, "%s%.*s", bar, (int)v.length, v.type == CB_VALUE_TEXT ? v.text : "");
    }
    cb_query_close(query);
    assert_string_equal(text, expected);
}

static void test_leaderboard(void **state) {
    const fixture *f = *state;
    cb_store *store = NULL;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    int64_t id = fixture_study(store, "s", "v", 0, 12);
    fixture_run_begin(store);
    /* Before any result every cell is there, with nothing done. */
    expect_row(store, "SELECT * FROM leaderboard", 0, "s|adding|gru|0|0|mse||||||||||");
    expect_row(store, "SELECT count(*) FROM leaderboard", 0, "2");
    finish_outcomes(store, id, by_hand, BY_HAND);
    /* lstm: config 0 finished with all seeds; validation 2.0, 2.5, 2.4 has the mean 2.3, and the
     * best of them tested 2.2; tests 2.2, 2.7, 2.3 have the mean 2.4, sd sqrt((0.04 + 0.09 + 0.01)
     * / 2) = 0.2646. gru: config 1 has the better value, but with one seed, where config 0 finished
     * with two: 3.0 and 3.1; tests 3.5, 3.25: sd 0.25/sqrt(2). 2 seconds for 10 epochs. */
    expect_row(store, "SELECT * FROM leaderboard", 0,
               "s|adding|lstm|4|1|mse|2.3|2.2|3|study|2.4|0.26|16|1000|0.2|");
    expect_row(store, "SELECT * FROM leaderboard", 1,
               "s|adding|gru|3|1|mse|3.05|3.5|2|study|3.375|0.18|16|1000|0.2|");
    expect_row(store,
               "SELECT config, place, seeds, done, open, valid FROM ranking"
               " WHERE cell = 'gru' ORDER BY place",
               1, "1|2|3|1|1|2.8");
    cb_store_close(store);

    /* Results of another instruction set beside these are marked. */
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    cb_run_info run = fixture_run(1, "avx512");
    must(cb_store_run_begin(store, &run, err));
    cb_claim claim;
    assert_true(fixture_claim(store, id, &claim));
    fixture_finish(store, &claim, CB_ATTEMPT_DONE);
    cb_claim_fini(&claim);
    must(cb_store_commit(store, 1, err));
    expect_row(store, "SELECT cell, mixed FROM leaderboard WHERE mixed <> ''", 0, "gru|yes");
    /* Retired trials are out of it. */
    fixture_study(store, "s", "v", 6, 6);
    expect_row(store, "SELECT cell, done, valid, test FROM leaderboard WHERE cell = 'lstm'", 0,
               "lstm|1|2.1|2");
    cb_store_close(store);
}

/* Confirmation trials count where they stand and choose nothing. */
static void test_confirmed(void **state) {
    enum { FRESH = 2 };
    const fixture *f = *state;
    cb_store *store = NULL;
    fixture_trial t[FRESH];
    cb_trial_info infos[FRESH];
    cb_claim claim;
    cb_added added;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    int64_t id = fixture_study(store, "s", "v", 0, 12);
    fixture_run_begin(store);
    finish_outcomes(store, id, by_hand, BY_HAND);
    for (int i = 0; i < FRESH; i++) {
        fixture_trial_make(&t[i], "fresh", 6 + 2 * i); /* gru, config 1 */
        infos[i] = t[i].info;
        infos[i].config = 0;
        infos[i].seed = 4 + i;
    }
    for (int again = 0; again < 2; again++) {
        must(cb_store_study_confirm(store, id, 12, infos, FRESH, CB_AGAIN_MACHINE, &added, err));
        assert_int_equal(added.linked, again ? 0 : FRESH);
    }
    expect_row(store, "SELECT role, config, seed, state FROM study_1", 13, "confirm|0|5|pending");
    /* Behind the list: two of it are still to be claimed. */
    for (int i = 0; i < 2 + FRESH; i++) {
        assert_true(fixture_claim(store, id, &claim));
        assert_int_equal(strcmp(claim.key, t[0].key) == 0, i == 2);
        cb_attempt_result result =
            fixture_result(&claim, i < 2 ? CB_ATTEMPT_DIVERGED : CB_ATTEMPT_DONE);
        result.valid = i; /* better than all */
        result.test = 10.0 + i;
        must(cb_store_finish(store, &claim, &result, NULL, 0, err));
        cb_claim_fini(&claim);
    }
    must(cb_store_commit(store, 1, err));
    expect_row(store,
               "SELECT cell, done, valid, test, seeds, over, test_mean, test_sd FROM"
               " leaderboard",
               1, "gru|5|3.05|3.5|2|confirm|12.5|0.71");
    expect_row(store, "SELECT over FROM leaderboard", 0, "study");
    expect_row(store, "SELECT place, seeds, done, open, valid FROM ranking WHERE cell = 'gru'", 0,
               "1|3|2|0|3.05");
    /* Another edition retires them, until they are asked for again; their results stay. */
    fixture_study(store, "s", "v", 0, 12);
    expect_row(store, "SELECT sum(role = 'confirm') FROM study_1", 0, "0");
    must(cb_store_study_confirm(store, id, 12, infos, FRESH, CB_AGAIN_FAILED, &added, err));
    assert_int_equal(added.linked, FRESH);
    expect_row(store, "SELECT over FROM leaderboard", 1, "confirm");
    cb_store_close(store);
}

static void test_paired(void **state) {
    const fixture *f = *state;
    cb_store *store = NULL;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    int64_t id = fixture_study(store, "s", "v", 0, 12);
    fixture_run_begin(store);
    finish_outcomes(store, id, by_hand, BY_HAND);
    static const char sql[] = "SELECT cell_a, cell_b, config, seed, test_a, test_b,"
                              " round(difference, 9) FROM paired ORDER BY config, seed";
    expect_row(store, sql, 0, "gru|lstm|0|1|3.5|2.2|1.3");
    expect_row(store, sql, 1, "gru|lstm|0|2|3.25|2.7|0.55");
    expect_row(store, sql, 2, "gru|lstm|1|1|2.9|2|0.9");
    expect_row(store, sql, 3, "");
    cb_store_close(store);
}

/* ---- what reports read ---- */

static void test_variant(void **state) {
    const fixture *f = *state;
    cb_store *store = NULL;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    int64_t id = fixture_study(store, "s", "v", 0, 12);
    expect_row(store, "SELECT count(*) FROM chosen", 0, "0");
    expect_row(store, "SELECT * FROM variant", 0, "");
    fixture_run_begin(store);
    finish_outcomes(store, id, by_hand, BY_HAND);
    /* As in the leaderboard, in full digits: sd sqrt(0.14/2) and sqrt(0.03125); 3.375/2.4. */
    expect_row(store, "SELECT * FROM variant", 0, "s|adding|lstm|mse|3|study|2.4|0.2645751311|1|0");
    expect_row(store, "SELECT * FROM variant", 1,
               "s|adding|gru|mse|2|study|3.375|0.1767766953|2|0.40625");
    expect_row(store, "SELECT * FROM variant", 2, "");
    expect_row(store, "SELECT * FROM chosen WHERE cell = 'gru'", 0,
               "1|1|gru|0|mse|3.05|1|3.5|study|2|3.375|0.1767766953|3.25|3.5|16|1000|1000000000|2"
               "|0.2");
    cb_store_close(store);
}

static void test_cost(void **state) {
    const fixture *f = *state;
    cb_store *store = NULL;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    int64_t id = fixture_study(store, "s", "v", 0, 12);
    fixture_run_begin(store);
    finish_outcomes(store, id, by_hand, BY_HAND);
    static const char sql[] = "SELECT cell, config, seeds, hidden, params, flop, seconds,"
                              " round(valid, 9), round(test, 9), front_params, front_flop"
                              " FROM cost ORDER BY valid";
    /* Setting 1 has one parameter more; operations are the same: the best one is the whole front.
     */
    expect_row(store, sql, 0, "lstm|1|1|17|1001|1000000000|2|2.1|2|yes|yes");
    expect_row(store, sql, 1, "lstm|0|3|16|1000|1000000000|2|2.3|2.4|yes|");
    expect_row(store, sql, 2, "gru|1|1|17|1001|1000000000|2|2.8|2.9||");
    expect_row(store, sql, 3, "gru|0|2|16|1000|1000000000|2|3.05|3.375||");
    expect_row(store, sql, 4, "");
    cb_store_close(store);
}

static void test_failure(void **state) {
    const fixture *f = *state;
    cb_store *store = NULL;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    int64_t id = fixture_study(store, "s", "v", 0, 12);
    expect_row(store, "SELECT * FROM failure", 0, "");
    fixture_run_begin(store);
    finish_outcomes(store, id, by_hand, BY_HAND);
    static const char sql[] = "SELECT study, task, cell, config, seed, trial, state, error_text,"
                              " attempts, epochs FROM failure ORDER BY trial";
    expect_row(store, sql, 0, "s|adding|gru|0|3|5|diverged||1|10");
    expect_row(store, sql, 1, "s|adding|gru|1|2|9|failed|it broke|1|10");
    expect_row(store, sql, 2, "s|adding|lstm|1|2|10|diverged||1|10");
    expect_row(store, sql, 3, "");
    cb_store_close(store);
}

static void test_search_progress(void **state) {
    const fixture *f = *state;
    cb_store *store = NULL;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    int64_t id = fixture_study(store, "s", "v", 0, 12);
    fixture_run_begin(store);
    finish_outcomes(store, id, by_hand, BY_HAND);
    static const char sql[] = "SELECT number, trial, config, seed, state, valid, test, best, flop"
                              " FROM search_progress WHERE cell = 'gru' ORDER BY number";
    expect_row(store, sql, 0, "1|1|0|1|done|3|3.5|3|1000000000");
    expect_row(store, sql, 1, "2|3|0|2|done|3.1|3.25|3|2000000000");
    expect_row(store, sql, 2, "3|5|0|3|diverged|||3|3000000000");
    expect_row(store, sql, 3, "4|7|1|1|done|2.8|2.9|2.8|4000000000");
    expect_row(store, sql, 4, "5|9|1|2|failed|||2.8|5000000000");
    expect_row(store, sql, 5, ""); /* what is pending is not there yet */
    cb_store_close(store);
}

/* Three trials of one setting: each a curve of another length and height. */
static void test_learning_curve(void **state) {
    const fixture *f = *state;
    cb_store *store = NULL;
    cb_claim claim;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    int64_t id = fixture_study(store, "s", "v", 0, 6);
    fixture_run_begin(store);
    for (int i = 0; i < 6; i++) {
        cb_epoch_record epochs[3];
        assert_true(fixture_claim(store, id, &claim));
        cb_attempt_result result = fixture_result(&claim, CB_ATTEMPT_DONE);
        const int n = 1 + i / 2;
        for (int e = 0; e < n; e++)
            epochs[e] = (cb_epoch_record){.epoch = e + 1,
                                          .split = "valid",
                                          .metric = "mse",
                                          .value = i == 5 && e == 2 ? (double)NAN : i + 10.0 * e,
                                          .seconds = 1.0};
        must(cb_store_finish(store, &claim, &result, epochs, (size_t)n, err));
        cb_claim_fini(&claim);
    }
    must(cb_store_commit(store, 1, err));
    static const char sql[] = "SELECT cell, config, over, split, metric, epoch, n, mean, low, high"
                              " FROM learning_curve ORDER BY cell, epoch";
    expect_row(store, sql, 0, "gru|0|study|valid|mse|1|3|2|0|4");
    expect_row(store, sql, 1, "gru|0|study|valid|mse|2|2|13|12|14");
    expect_row(store, sql, 2, "gru|0|study|valid|mse|3|1|24|24|24");
    expect_row(store, sql, 5, "lstm|0|study|valid|mse|3|0|||"); /* not finite */
    cb_store_close(store);
}

/* The statistics are there in our own connections. */
static void test_functions(void **state) {
    const fixture *f = *state;
    cb_store *store = NULL;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    int64_t id = fixture_study(store, "s", "v", 0, 12);
    fixture_run_begin(store);
    finish_outcomes(store, id, by_hand, BY_HAND);
    static const char sql[] = "SELECT median(test), count(*) FROM study_1 WHERE cell = 'lstm'"
                              " AND state = 'done'";
    expect_row(store, sql, 0, "2.25|4");
    cb_store_close(store);
    must(cb_store_open(&store, f->path, CB_STORE_READ, err));
    expect_row(store, sql, 0, "2.25|4");
    expect_row(store, "SELECT wilcoxon_p(test_a, test_b) FROM paired", 0, "0.25");
    cb_store_close(store);
}

/* ---- the wide view ---- */

static void test_study_view(void **state) {
    const fixture *f = *state;
    cb_store *store = NULL;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    int64_t id = fixture_study(store, "s", "v", 0, 12);
    fixture_run_begin(store);
    finish_outcomes(store, id, by_hand, BY_HAND);
    expect_row(store,
               "SELECT trial, cell, config, seed, state, optimiser, rate, hidden,"
               " valid, test, epochs, wall_seconds, attempts, instruction_set FROM study_1",
               6, "7|gru|1|1|done|adam|0.002|17|2.8|2.9|10|2|1|avx2");
    expect_row(store, "SELECT trial, state, valid, error_text FROM study_1 WHERE state = 'failed'",
               0, "9|failed|0.1|it broke");
    expect_row(store, "SELECT count(*), sum(state = 'pending') FROM study_1", 0, "12|2");
    /* Settings are columns of their own type: a comparison with a text converts it. */
    expect_row(store, "SELECT count(*) FROM study_1 WHERE rate = '0.002'", 0, "6");
    expect_row(store, "SELECT typeof(rate), typeof(hidden), typeof(optimiser) FROM study_1", 0,
               "real|integer|text");
    /* The setting "hidden" says what the fixed column of that name says: one column for both. */
    assert_int_equal(
        ask(store, "SELECT count(*) FROM pragma_table_info('study_1') WHERE name LIKE '%hidden'"),
        1);
    cb_store_close(store);
}

/* Names that collide with fixed columns, mixed types, keywords, null, and values that are not
 * finite. */
static void test_study_view_names(void **state) {
    const fixture *f = *state;
    cb_store *store = NULL;
    int64_t id = 0;
    cb_study_info info = {.name = "s", .trial_count = 3};
    fixture_trial t[3];
    cb_trial_info infos[3];
    cb_trial_setting settings[3][7] = {{{.name = "select"},
                                        {.name = "seed"},
                                        {.name = "setting_seed"},
                                        {.name = "mixed"},
                                        {.name = "number"},
                                        {.name = "a"},
                                        {.name = "hidden"}}};
    memcpy(settings[1], settings[0], sizeof settings[0]);
    memcpy(settings[2], settings[0], sizeof settings[0]);
    for (int i = 0; i < 3; i++) {
        fixture_trial_make(&t[i], "v", i);
        for (int k = 0; k < 3; k++)
            settings[i][k].value = (cb_value){.type = CB_VALUE_INT, .integer = 10 * k + i};
        settings[i][4].value =
            (cb_value){.type = CB_VALUE_REAL, .real = i == 2 ? (double)NAN : 0.5 + i};
        settings[i][6].value = (cb_value){.type = CB_VALUE_INT, .integer = 15 + i}; /* is 16 */
        infos[i] = t[i].info;
        infos[i].settings = settings[i];
        infos[i].setting_count = 7;
    }
    settings[0][3].value = (cb_value){.type = CB_VALUE_TEXT, .text = "word", .length = 4};
    settings[1][3].value = (cb_value){.type = CB_VALUE_INT, .integer = 3};
    settings[1][4].value = (cb_value){.type = CB_VALUE_INT, .integer = 4};
    settings[2][5].name = "b";
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    must(cb_store_study_begin(store, &info, &id, err));
    must(cb_store_study_add(store, id, 0, infos, 3, CB_AGAIN_NONE, NULL, err));
    static const char sql[] = "SELECT \"select\", seed, setting_seed, setting_setting_seed, mixed,"
                              " number, a, setting_hidden, hidden FROM study_1";
    expect_row(store, sql, 0, "0|1|10|20|word|0.5||15|16");
    expect_row(store, sql, 1, "1|1|11|21|3|4||16|16");
    expect_row(store, sql, 2, "2|2|12|22||||17|16");
    expect_row(store, "SELECT typeof(number) FROM study_1", 1, "real");

    /* Another edition with fewer settings: what is not given any more is gone. */
    for (int i = 0; i < 3; i++)
        infos[i].setting_count = 2;
    must(cb_store_study_begin(store, &info, &id, err));
    must(cb_store_study_add(store, id, 0, infos, 3, CB_AGAIN_NONE, NULL, err));
    assert_int_equal(ask(store, "SELECT count(*) FROM setting"), 6);
    assert_int_equal(
        ask(store, "SELECT count(*) FROM pragma_table_info('study_1') WHERE name = 'mixed'"), 0);
    cb_store_close(store);
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_schema_comments), CASE(test_leaderboard),     CASE(test_confirmed),
        CASE(test_paired),          CASE(test_variant),         CASE(test_cost),
        CASE(test_failure),         CASE(test_search_progress), CASE(test_learning_curve),
        CASE(test_functions),       CASE(test_study_view),      CASE(test_study_view_names),
    };
    return cmocka_run_group_tests_name("store_views", tests, NULL, NULL);
}
