/* SPDX-License-Identifier: MIT */
/*
 * Timings: what is written stands in the table, what cannot be is refused whole, and the views give
 * medians, quartiles and ratios that were worked out by hand.
 */
#include "store/store_fixture.h"

#include "base/alloc.h"
#include "faults.h"

static cb_timing sample_of(const char *cell, const char *engine, int64_t round, int64_t ns) {
    return (cb_timing){.cell = cell,
                       .cell_text = "state h",
                       .cell_source = "",
                       .engine = engine,
                       .version = "1",
                       .kernel = "k",
                       .inputs = "normal",
                       .phase = "train",
                       .part = "all",
                       .clock = "cpu",
                       .steps = 10,
                       .batch = 2,
                       .input = 3,
                       .hidden = 4,
                       .layers = 1,
                       .frames = 20,
                       .jobs = 1,
                       .sample = round,
                       .repeats = 2,
                       .duration_ns = ns,
                       .flop = 1e6,
                       .peak_flop_per_s = 2e9};
}

static cb_store *open_with_run(const fixture *f) {
    cb_store *store = NULL;
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    fixture_run_begin(store);
    return store;
}

static double real(cb_store *store, const char *sql) {
    cb_query *query = NULL;
    int has_row = 0;
    must(cb_query_open(&query, store, sql, NULL, 0, err));
    must(cb_query_next(query, &has_row, err));
    assert_true(has_row);
    const double value = cb_query_column(query, 0).real;
    cb_query_close(query);
    return value;
}

static void test_write(void **state) {
    const cb_timing rows[] = {sample_of("gru", "cellbench", 0, 1000),
                              sample_of("gru", "cellbench", 1, 1200),
                              sample_of("lstm", "torch", 0, 900)};
    cb_store *store = open_with_run(*state);
    must(cb_store_timing(store, rows, 3, err));
    must(cb_store_timing(store, NULL, 0, err));
    assert_int_equal(ask(store, "SELECT count(*) FROM timing WHERE run_id = 1"), 3);
    assert_int_equal(ask(store, "SELECT count(*) FROM cell"), 2);
    assert_int_equal(
        ask(store, "SELECT count(*) FROM timing AS t JOIN cell AS c ON c.cell_id = t.cell_id WHERE"
                   " c.name = 'gru' AND engine = 'cellbench' AND version = '1' AND kernel = 'k' AND"
                   " steps = 10 AND batch = 2 AND input = 3 AND hidden = 4 AND layers = 1 AND"
                   " frames = 20 AND inputs = 'normal' AND phase = 'train' AND part = 'all' AND"
                   " jobs = 1 AND clock = 'cpu' AND sample = 1 AND repeats = 2 AND"
                   " duration_ns = 1200 AND flop = 1e6 AND peak_flop_per_s = 2e9"),
        1);
    cb_store_close(store);
}

/* One of several that cannot be: none is written. */
static void test_refused(void **state) {
    const fixture *f = *state;
    const cb_timing good = sample_of("gru", "cellbench", 0, 1000);
    cb_store *store = open_with_run(f);
    cb_timing bad[7];
    cb_err error = {0};
    must(cb_store_timing(store, &good, 1, err));
    for (size_t i = 0; i < 7; i++)
        bad[i] = sample_of("gru", "cellbench", 1, 1000);
    bad[0].sample = 0; /* there already */
    bad[1].repeats = 0;
    bad[2].inputs = "large";
    bad[3].part = "half";
    bad[4].clock = "sun";
    bad[5].phase = NULL;
    bad[6].cell = "";
    for (size_t i = 0; i < 7; i++) {
        const cb_timing rows[] = {sample_of("gru", "cellbench", 5, 1000), bad[i]};
        assert_int_equal(cb_store_timing(store, rows, 2, &error), CB_EARG);
        assert_non_null(strstr(error.text, "timing"));
        assert_int_equal(ask(store, "SELECT count(*) FROM timing"), 1);
    }
    cb_store_close(store);
    must(cb_store_open(&store, f->path, CB_STORE_WRITE, err));
    assert_int_equal(cb_store_timing(store, &good, 1, &error), CB_EARG);
    assert_non_null(strstr(error.text, "run"));
    cb_store_close(store);
}

/* 1 to 4 ms an execution in another order, and the other program's 4, 4, 12, 16: type 7 quartiles
 * of 1 2 3 4 are 1.75, 2.5, 3.25; the ratios by round are 4, 2, 4, 4. */
static void test_views(void **state) {
    static const int64_t own[] = {1, 2, 3, 4}, other[] = {4, 4, 12, 16};
    cb_store *store = open_with_run(*state);
    for (int64_t i = 3; i >= 0; i--) {
        cb_timing rows[] = {sample_of("gru", "cellbench", i, own[i] * 2000000),
                            sample_of("gru", "torch", i, other[i] * 2000000)};
        rows[1].peak_flop_per_s = NAN;
        must(cb_store_timing(store, rows, 2, err));
    }
    assert_int_equal(ask(store, "SELECT count(*) FROM speed"), 2);
    assert_true(real(store, "SELECT low_ms FROM speed WHERE engine = 'cellbench'") == 1.75);
    assert_true(real(store, "SELECT ms FROM speed WHERE engine = 'cellbench'") == 2.5);
    assert_true(real(store, "SELECT high_ms FROM speed WHERE engine = 'cellbench'") == 3.25);
    assert_true(real(store, "SELECT gflops FROM speed WHERE engine = 'cellbench'") == 0.4);
    /* 1e6 operations in 1, 2, 3, 4 ms of 2e9 a second: 1/2, 1/4, 1/6, 1/8. */
    const double share = real(store, "SELECT share FROM speed WHERE engine = 'cellbench'");
    assert_true(fabs(share - (0.25 + 1.0 / 6) / 2) < 1e-15);
    assert_int_equal(ask(store, "SELECT count(*) FROM speed WHERE engine = 'torch' AND n = 4 AND"
                                " share IS NULL AND cpu = 'cpu' AND git_commit = 'abc'"),
                     1);
    assert_int_equal(ask(store, "SELECT count(*) FROM speed_ratio WHERE cell = 'gru' AND n = 4"
                                " AND faster = 4.0 AND low = 3.5 AND high = 4.0"),
                     1);
    assert_int_equal(ask(store, "SELECT count(*) FROM speed_ratio"), 1);
    cb_store_close(store);
}

/* Samples of another kind are a series of their own, and no ratio is formed over them. */
static void test_series(void **state) {
    cb_store *store = open_with_run(*state);
    cb_timing rows[8];
    for (size_t i = 0; i < 8; i++)
        rows[i] = sample_of("gru", i < 7 ? "cellbench" : "torch", 0, 1000);
    rows[1].frames = 15;
    rows[2].inputs = "denormal";
    rows[3].jobs = 2;
    rows[4].clock = "wall";
    rows[5].phase = "forward";
    rows[6].kernel = "portable";
    rows[7].batch = 3;
    must(cb_store_timing(store, rows, 8, err));
    assert_int_equal(ask(store, "SELECT count(*) FROM speed WHERE n = 1"), 8);
    assert_int_equal(ask(store, "SELECT count(*) FROM speed_ratio"), 0);
    cb_store_close(store);
}

static void test_parts(void **state) {
    static const struct {
        const char *part;
        int64_t ns;
    } parts[] = {
        {"products", 500}, {"gradients", 250}, {"pointwise", 150}, {"packing", 25}, {"rest", 75}};
    cb_store *store = open_with_run(*state);
    /* The second sample took longer, in all parts but one. */
    for (size_t i = 0; i < 10; i++) {
        const int64_t longer = i < 5 || i % 5 == 2 ? 0 : 100;
        cb_timing row = sample_of("gru", "cellbench", (int64_t)i / 5, parts[i % 5].ns + longer);
        row.part = parts[i % 5].part;
        must(cb_store_timing(store, &row, 1, err));
    }
    assert_int_equal(ask(store, "SELECT count(*) FROM speed"), 0);
    assert_int_equal(
        ask(store, "SELECT count(*) FROM speed_part WHERE n = 2 AND products = 0.5 AND gradients ="
                   " 0.25 AND pointwise = 0.15 AND packing = 0.025 AND rest = 0.075"),
        1);
    cb_store_close(store);
}

static cb_status write_once(void *context) {
    const cb_timing row = sample_of("gru", "cellbench", 0, 1000);
    const cb_run_info run = fixture_run(1, "avx2");
    cb_store *store = NULL;
    cb_status st = cb_store_open(&store, context, CB_STORE_WRITE, NULL);
    if (st == CB_OK && (st = cb_store_run_begin(store, &run, NULL)) == CB_OK)
        st = cb_store_timing(store, &row, 1, NULL);
    cb_store_close(store);
    return st;
}

static void test_memory(void **state) {
    const fixture *f = *state;
    assert_true(faults_run(write_once, (void *)(uintptr_t)f->path) > 3);
    cb_store *store = NULL;
    must(cb_store_open(&store, f->path, CB_STORE_READ, err));
    assert_true(ask(store, "SELECT count(*) FROM timing") >= 1);
    cb_store_close(store);
}

int main(void) {
#define CASE(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_write),  CASE(test_refused), CASE(test_views),
        CASE(test_series), CASE(test_parts),   CASE(test_memory),
    };
    return cmocka_run_group_tests_name("store_timing", tests, NULL, NULL);
}
