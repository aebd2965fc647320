/* SPDX-License-Identifier: MIT */
/*
 * Bootstrap intervals with given resamples, corrections for many tests, Friedman's test, and what a
 * search found, against the figures of R and scipy and complete enumerations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "faults.h"
#include "unit/stats_figures.h"

#include "cellbench/stats.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void assert_near(double got, double expected, double tolerance, const char *what) {
    if (isnan(expected) ? !isnan(got) : !(fabs(got - expected) <= tolerance * fabs(expected)))
        fail_msg("%s: expected %.17g, got %.17g", what, expected, got);
}

/* ---- bootstrap ---- */

static const double seven[] = {0.5, 2.25, 1.0, 4.0, 3.5, 0.75, 6.0};
static const double others[] = {1.25, 2.0, 0.25, 5.0, 2.5};

enum { SEVEN = 7, OTHERS = 5, RESAMPLES = 199 };

/* As given_indices() of fixtures/stats_figures.py. */
static void give_indices(uint32_t *indices, size_t n_a, size_t n_b) {
    for (uint32_t r = 0; r < RESAMPLES; r++)
        for (uint32_t i = 0; i < n_a + n_b; i++) {
            const uint32_t j = i < n_a ? i : i - (uint32_t)n_a;
            indices[r * (n_a + n_b) + i] =
                (7 * r + 3 * j + r * j * j) % (uint32_t)(i < n_a ? n_a : n_b);
        }
}

static void test_given_resamples(void **state) {
    (void)state;
    cb_err err;
    cb_stats_interval got;
    uint32_t indices[RESAMPLES * (SEVEN + OTHERS)];
    for (size_t i = 0; i < COUNT(bootstraps); i++) {
        const int is_two = strcmp(bootstraps[i].statistic, "two") == 0;
        const size_t n_b = is_two ? OTHERS : 0;
        give_indices(indices, SEVEN, n_b);
        const cb_stats_bootstrap how = {
            .statistic =
                strcmp(bootstraps[i].statistic, "median") == 0 ? cb_stats_function_median : NULL,
            .kind = strcmp(bootstraps[i].kind, "BCa") == 0 ? CB_STATS_BCA : CB_STATS_PERCENTILE,
            .resamples = RESAMPLES,
            .indices = indices};
        assert_int_equal(cb_stats_bootstrap_interval(seven, SEVEN, others, n_b, &how, &got, &err),
                         CB_OK);
        assert_near(got.low, bootstraps[i].low, 1e-12, bootstraps[i].statistic);
        assert_near(got.high, bootstraps[i].high, 1e-12, bootstraps[i].statistic);
    }
    indices[3] = SEVEN;
    const cb_stats_bootstrap how = {.resamples = RESAMPLES, .indices = indices};
    assert_int_equal(cb_stats_bootstrap_interval(seven, SEVEN, NULL, 0, &how, &got, &err), CB_EARG);
}

static void test_drawn_resamples(void **state) {
    (void)state;
    cb_err err;
    cb_stats_interval first, second, wide, other, shuffled;
    cb_stats_bootstrap how = {0};
    assert_int_equal(cb_stats_bootstrap_interval(seven, SEVEN, NULL, 0, &how, &first, &err), CB_OK);
    assert_int_equal(cb_stats_bootstrap_interval(seven, SEVEN, NULL, 0, &how, &second, &err),
                     CB_OK);
    assert_memory_equal(&first, &second, sizeof first);
    assert_true(first.low < first.estimate && first.estimate < first.high);
    assert_near(first.estimate, 18.0 / 7.0, 1e-15, "mean");
    how.expand = 1;
    assert_int_equal(cb_stats_bootstrap_interval(seven, SEVEN, NULL, 0, &how, &wide, &err), CB_OK);
    assert_true(wide.low < first.low && wide.high > first.high);
    how.seed = 1;
    assert_int_equal(cb_stats_bootstrap_interval(seven, SEVEN, NULL, 0, &how, &other, &err), CB_OK);
    assert_true(other.low != wide.low || other.high != wide.high);
    assert_true(fabs(other.low - wide.low) < 0.2 && fabs(other.high - wide.high) < 0.2);
    how.level = 0.8;
    assert_int_equal(
        cb_stats_bootstrap_interval(seven, SEVEN, others, OTHERS, &how, &shuffled, &err), CB_OK);
    assert_true(shuffled.n_a == SEVEN && shuffled.n_b == OTHERS);
    how.level = 1.5;
    assert_int_equal(cb_stats_bootstrap_interval(seven, SEVEN, NULL, 0, &how, &other, &err),
                     CB_EARG);
}

static void test_bootstrap_edges(void **state) {
    (void)state;
    cb_err err;
    cb_stats_interval got;
    const cb_stats_bootstrap how = {.resamples = 50};
    const double values[] = {3, (double)NAN, (double)INFINITY, 3, 3};
    assert_int_equal(cb_stats_bootstrap_interval(values, 0, NULL, 0, &how, &got, &err), CB_OK);
    assert_true(got.n_a == 0 && isnan(got.estimate) && isnan(got.low));
    assert_int_equal(cb_stats_bootstrap_interval(values, 3, NULL, 0, &how, &got, &err), CB_OK);
    assert_true(got.n_a == 1 && got.estimate == 3.0 && isnan(got.low));
    assert_int_equal(cb_stats_bootstrap_interval(values, 5, NULL, 0, &how, &got, &err), CB_OK);
    assert_true(got.n_a == 3 && got.low == 3.0 && got.high == 3.0);
    assert_int_equal(cb_stats_bootstrap_interval(seven, SEVEN, values + 1, 2, &how, &got, &err),
                     CB_OK);
    assert_true(got.n_b == 0 && isnan(got.estimate));
    assert_int_equal(cb_stats_bootstrap_interval(seven, SEVEN, values, 1, &how, &got, &err), CB_OK);
    assert_true(got.n_b == 1 && fabs(got.estimate - 18.0 / 7.0 + 3.0) < 1e-12 && isnan(got.low));
}

/* ---- many ---- */

static void test_corrections(void **state) {
    (void)state;
    enum { N = COUNT(unadjusted) };
    double p[N + 1], adjusted[N + 1];
    memcpy(p, unadjusted, sizeof unadjusted);
    p[N] = (double)NAN;
    assert_int_equal(cb_stats_holm(p, N + 1, adjusted, NULL), CB_OK);
    for (size_t i = 0; i < N; i++)
        assert_near(adjusted[i], holm[i], 1e-14, "Holm");
    assert_true(isnan(adjusted[N]));
    assert_int_equal(cb_stats_benjamini_hochberg(p, N + 1, p, NULL), CB_OK); /* in place */
    for (size_t i = 0; i < N; i++)
        assert_near(p[i], benjamini_hochberg[i], 1e-14, "Benjamini-Hochberg");
    assert_true(isnan(p[N]));
    assert_int_equal(cb_stats_holm(NULL, 0, NULL, NULL), CB_OK);
}

static void test_friedman(void **state) {
    (void)state;
    double ranks[SCORE_CELLS], pairs[SCORE_CELLS * SCORE_CELLS];
    double values[(SCORE_TASKS + 1) * SCORE_CELLS];
    cb_stats_friedman f;
    memcpy(values, scores, sizeof scores);
    for (size_t i = 0; i < SCORE_CELLS; i++) /* a task with a hole is left out */
        values[SCORE_TASKS * SCORE_CELLS + i] = i == 2 ? (double)NAN : 1.0;
    assert_int_equal(
        cb_stats_friedman_test(values, SCORE_TASKS + 1, SCORE_CELLS, 0.05, ranks, pairs, &f, NULL),
        CB_OK);
    assert_true(f.tasks == SCORE_TASKS && f.cells == SCORE_CELLS);
    assert_near(f.chi_square, score_test[0], 1e-12, "chi-square");
    assert_near(f.p, score_test[1], 1e-9, "p of chi-square");
    assert_near(f.f, score_test[2], 1e-12, "F");
    assert_near(f.p_f, score_test[3], 1e-9, "p of F");
    assert_near(f.critical_difference, score_difference, 1e-6, "critical difference");
    for (size_t i = 0; i < SCORE_CELLS; i++)
        assert_near(ranks[i], score_ranks[i], 1e-14, "mean rank");
    for (size_t i = 0; i < COUNT(pairs); i++)
        assert_near(pairs[i], score_pairs[i], 1e-6, "pair");
}

static void test_friedman_edges(void **state) {
    (void)state;
    cb_err err;
    double ranks[3], pairs[9];
    cb_stats_friedman f;
    const double same[] = {1, 1, 1, 2, 2, 2}, ordered[] = {1, 2, 3, 4, 5, (double)INFINITY};
    assert_int_equal(cb_stats_friedman_test(same, 2, 3, 0.05, ranks, pairs, &f, NULL), CB_OK);
    assert_true(f.chi_square == 0.0 && f.p == 1.0 && ranks[0] == 2.0 && pairs[1] == 1.0);
    assert_int_equal(cb_stats_friedman_test(ordered, 2, 3, 0.05, ranks, NULL, &f, NULL), CB_OK);
    assert_true(isinf(f.f) && f.p_f == 0.0 && fabs(f.chi_square - 4.0) < 1e-12 && ranks[2] == 3.0);
    assert_int_equal(cb_stats_friedman_test(ordered, 1, 3, 0.05, ranks, pairs, &f, NULL), CB_OK);
    assert_true(isnan(f.p) && f.tasks == 1 && ranks[0] == 1.0 && isnan(pairs[1]));
    assert_int_equal(cb_stats_friedman_test(ordered, 0, 3, 0.05, ranks, pairs, &f, NULL), CB_OK);
    assert_true(isnan(f.p) && isnan(ranks[0]));
    assert_int_equal(cb_stats_friedman_test(ordered, 2, 1, 0.05, ranks, pairs, &f, NULL), CB_OK);
    assert_true(isnan(f.p));
    assert_int_equal(cb_stats_friedman_test(ordered, 2, 0, 0.05, ranks, pairs, &f, &err), CB_EARG);
    assert_int_equal(cb_stats_friedman_test(ordered, 2, 3, 0.0, ranks, pairs, &f, &err), CB_EARG);
}

/* ---- searches ---- */

static void test_expected_best(void **state) {
    (void)state;
    enum { N = COUNT(searched), MANY = 20000 };
    cb_err err;
    double curve[N], deviation[N];
    assert_int_equal(cb_stats_expected_best(searched, N, curve, deviation, &err), CB_OK);
    for (size_t k = 0; k < N; k++) {
        assert_near(curve[k], expected_best[k], 1e-13, "expected best");
        assert_true(fabs(deviation[k] - best_deviation[k]) < 1e-12);
    }
    /* Diverged trials: with two of them, two can meet nothing else, three cannot. */
    double some[] = {3, (double)INFINITY, 1, (double)INFINITY};
    assert_int_equal(cb_stats_expected_best(some, 4, curve, NULL, &err), CB_OK);
    assert_true(isinf(curve[0]) && isinf(curve[1]));
    assert_near(curve[2], 1.5, 1e-14, "three of four");
    assert_true(curve[3] == 1.0);
    some[0] = (double)NAN;
    assert_int_equal(cb_stats_expected_best(some, 4, curve, NULL, &err), CB_EARG);
    assert_int_equal(cb_stats_expected_best(some, 0, curve, NULL, &err), CB_EARG);
    /* Of 0..n-1 the least of k is (n + 1)/(k + 1) - 1 on average. */
    static double whole[MANY], least[MANY];
    for (size_t i = 0; i < MANY; i++)
        whole[i] = (double)((i * 7919) % MANY);
    assert_int_equal(cb_stats_expected_best(whole, MANY, least, NULL, &err), CB_OK);
    for (size_t k = 1; k <= MANY; k += 37)
        assert_true(fabs(least[k - 1] - ((MANY + 1.0) / ((double)k + 1.0) - 1.0)) < 1e-9 * MANY);
}

static void test_best_share(void **state) {
    (void)state;
    cb_err err;
    size_t best[30], count;
    double values[30];
    for (size_t i = 0; i < 30; i++)
        values[i] = (double)((i * 7) % 30 / 2);
    assert_int_equal(cb_stats_best_share(values, 30, 0.1, best, &count, &err), CB_OK);
    assert_true(count == 3 && best[0] == 0 && best[1] == 13 && best[2] == 9); /* 0, 0, 1 */
    values[0] = (double)NAN;
    assert_int_equal(cb_stats_best_share(values, 5, 0.1, best, &count, &err), CB_OK);
    assert_true(count == 1 && best[0] == 1);
    assert_int_equal(cb_stats_best_share(values, 1, 0.1, best, &count, &err), CB_OK);
    assert_int_equal(count, 0);
    assert_int_equal(cb_stats_best_share(values, 5, 0.0, best, &count, &err), CB_EARG);
}

static cb_status everything(void *context) {
    (void)context;
    size_t best[3], count;
    double curve[3], ranks[3];
    cb_stats_interval interval;
    cb_stats_friedman f;
    const double values[] = {1, 3, 2, 2, 3, 5};
    const cb_stats_bootstrap how = {.resamples = 20};
    cb_status st = cb_stats_bootstrap_interval(values, 6, NULL, 0, &how, &interval, NULL);
    if (st == CB_OK)
        st = cb_stats_holm(values, 3, curve, NULL);
    if (st == CB_OK)
        st = cb_stats_benjamini_hochberg(values, 3, curve, NULL);
    if (st == CB_OK)
        st = cb_stats_friedman_test(values, 2, 3, 0.05, ranks, NULL, &f, NULL);
    if (st == CB_OK)
        st = cb_stats_expected_best(values, 3, curve, NULL, NULL);
    return st == CB_OK ? cb_stats_best_share(values, 3, 0.5, best, &count, NULL) : st;
}

static void test_no_memory(void **state) {
    (void)state;
    assert_true(faults_run(everything, NULL) >= 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_resamples), cmocka_unit_test(test_drawn_resamples),
        cmocka_unit_test(test_bootstrap_edges), cmocka_unit_test(test_corrections),
        cmocka_unit_test(test_friedman),        cmocka_unit_test(test_friedman_edges),
        cmocka_unit_test(test_expected_best),   cmocka_unit_test(test_best_share),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("stats_resampling", tests, NULL, NULL);
}
