/* SPDX-License-Identifier: MIT */
/*
 * Tests of differences, and effect sizes, against the figures of R and scipy, and where there is
 * little or nothing to test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "faults.h"
#include "unit/stats_figures.h"

#include "cellbench/stats.h"

enum { FIGURES = sizeof figures / sizeof figures[0] };

/* A figure that was not made is not compared. */
static void assert_near(double got, double expected, double tolerance, const char *pair,
                        const char *what) {
    if (isnan(expected))
        return;
    if (!(fabs(got - expected) <= tolerance * fmax(fabs(expected), 1e-290)))
        fail_msg("%s, %s: expected %.17g, got %.17g", pair, what, expected, got);
}

#define NEAR(got, expected, what) assert_near(got, expected, 1e-9, figures[i].name, what)

static void test_means(void **state) {
    (void)state;
    for (size_t i = 0; i < FIGURES; i++) {
        const cb_stats_difference w =
            cb_stats_welch(figures[i].a, figures[i].n_a, figures[i].b, figures[i].n_b, 0.95);
        NEAR(w.t, figures[i].welch.t, "Welch t");
        NEAR(w.dof, figures[i].welch.dof, "Welch dof");
        NEAR(w.p, figures[i].welch.p, "Welch p");
        NEAR(w.p_less, figures[i].welch.less, "Welch p, less");
        NEAR(w.p_greater, figures[i].welch.greater, "Welch p, greater");
        NEAR(w.low, figures[i].welch.low, "Welch low");
        NEAR(w.high, figures[i].welch.high, "Welch high");
        if (figures[i].n_a != figures[i].n_b)
            continue;
        const cb_stats_difference p =
            cb_stats_paired(figures[i].a, figures[i].b, figures[i].n_a, 0.95);
        NEAR(p.t, figures[i].paired.t, "paired t");
        NEAR(p.p, figures[i].paired.p, "paired p");
        NEAR(p.p_less, figures[i].paired.less, "paired p, less");
        NEAR(p.low, figures[i].paired.low, "paired low");
        NEAR(p.high, figures[i].paired.high, "paired high");
        assert_true(p.difference == w.difference || fabs(p.difference - w.difference) < 1e-9);
    }
}

static void test_ranks(void **state) {
    (void)state;
    cb_err err;
    cb_stats_test t;
    for (size_t i = 0; i < FIGURES; i++) {
        const double *a = figures[i].a, *b = figures[i].b;
        const size_t n_a = figures[i].n_a, n_b = figures[i].n_b;
        assert_int_equal(cb_stats_mann_whitney(a, n_a, b, n_b, &t, &err), CB_OK);
        assert_int_equal(t.method, n_a < 100 ? CB_STATS_EXACT : CB_STATS_NORMAL);
        NEAR(t.statistic, figures[i].mann_whitney.statistic, "U");
        NEAR(t.p, figures[i].mann_whitney.p, "Mann-Whitney p");
        NEAR(t.p_less, figures[i].mann_whitney.less, "Mann-Whitney p, less");
        NEAR(t.p_greater, figures[i].mann_whitney.greater, "Mann-Whitney p, greater");
        if (n_a != n_b)
            continue;
        assert_int_equal(cb_stats_wilcoxon(a, b, n_a, CB_STATS_ZEROS_DROP, &t, &err), CB_OK);
        assert_int_equal(t.method, n_a < 100 ? CB_STATS_EXACT : CB_STATS_NORMAL);
        NEAR(t.statistic, figures[i].wilcoxon.statistic, "W+");
        NEAR(t.p, figures[i].wilcoxon.p, "Wilcoxon p");
        NEAR(t.p_less, figures[i].wilcoxon.less, "Wilcoxon p, less");
        NEAR(t.p_greater, figures[i].wilcoxon.greater, "Wilcoxon p, greater");
        assert_int_equal(cb_stats_wilcoxon(a, b, n_a, CB_STATS_ZEROS_PRATT, &t, &err), CB_OK);
        NEAR(t.statistic, figures[i].pratt.statistic, "W+ by Pratt");
        NEAR(t.p, figures[i].pratt.p, "Pratt p");
        NEAR(t.p_less, figures[i].pratt.less, "Pratt p, less");
        NEAR(t.p_greater, figures[i].pratt.greater, "Pratt p, greater");
    }
}

static void test_permutations(void **state) {
    (void)state;
    cb_err err;
    cb_stats_test t;
    for (size_t i = 0; i < FIGURES; i++) {
        const double *a = figures[i].a, *b = figures[i].b;
        const size_t n_a = figures[i].n_a, n_b = figures[i].n_b;
        if (isnan(figures[i].permutation.p) && isnan(figures[i].sign_flip.p))
            continue;
        assert_int_equal(cb_stats_permutation(a, n_a, b, n_b, 20000, 1, &t, &err), CB_OK);
        assert_true(t.method == CB_STATS_EXACT || n_a + n_b > 14);
        NEAR(t.p, figures[i].permutation.p, "permutation p");
        NEAR(t.p_less, figures[i].permutation.less, "permutation p, less");
        NEAR(t.p_greater, figures[i].permutation.greater, "permutation p, greater");
        if (n_a != n_b)
            continue;
        assert_int_equal(cb_stats_sign_flip(a, b, n_a, 20000, 1, &t, &err), CB_OK);
        assert_int_equal(t.method, CB_STATS_EXACT);
        NEAR(t.p, figures[i].sign_flip.p, "sign flip p");
        NEAR(t.p_less, figures[i].sign_flip.less, "sign flip p, less");
        NEAR(t.p_greater, figures[i].sign_flip.greater, "sign flip p, greater");
    }
}

/* What is drawn comes near to what is counted, the same each time, and is never 0. */
static void test_drawn(void **state) {
    (void)state;
    cb_err err;
    cb_stats_test exact, drawn, again;
    const double a[] = {1.0, 2.5, 3.0, 4.5, 5.0, 6.5, 7.0},
                 b[] = {2.0, 4.0, 5.5, 6.0, 7.5, 9.0, 9.5};
    enum { N = 7, DRAWS = 3000 };
    assert_int_equal(cb_stats_permutation(a, N, b, N, 3432, 1, &exact, &err), CB_OK);
    assert_int_equal(exact.method, CB_STATS_EXACT);
    assert_int_equal(cb_stats_permutation(a, N, b, N, DRAWS, 1, &drawn, &err), CB_OK);
    assert_int_equal(cb_stats_permutation(a, N, b, N, DRAWS, 1, &again, &err), CB_OK);
    assert_int_equal(drawn.method, CB_STATS_MONTE_CARLO);
    assert_memory_equal(&drawn, &again, sizeof drawn);
    assert_true(fabs(drawn.p - exact.p) < 4.0 * sqrt(exact.p / DRAWS));
    assert_true(drawn.p_least == 1.0 / (DRAWS + 1.0));
    assert_int_equal(cb_stats_permutation(a, N, b, N, DRAWS, 2, &again, &err), CB_OK);
    assert_true(again.p != drawn.p);
    assert_int_equal(cb_stats_sign_flip(a, b, N, 128, 1, &exact, &err), CB_OK);
    assert_int_equal(exact.method, CB_STATS_EXACT);
    assert_true(exact.p == 2.0 / 128 && exact.p_least == 2.0 / 128);
    assert_int_equal(cb_stats_sign_flip(a, b, N, 127, 1, &drawn, &err), CB_OK);
    assert_int_equal(drawn.method, CB_STATS_MONTE_CARLO);
    assert_true(drawn.p >= 1.0 / 128);
    const double far[] = {1e300, 1.7e308, -1.7e308};
    assert_int_equal(cb_stats_permutation(far, 3, a, 4, 3432, 1, &exact, &err), CB_OK);
    assert_true(exact.p > 0.0 && exact.p <= 1.0);
    assert_int_equal(cb_stats_permutation(a, N, b, N, 0, 1, &drawn, &err), CB_EARG);
    assert_int_equal(cb_stats_sign_flip(a, b, N, 0, 1, &drawn, &err), CB_EARG);
}

static void test_effects(void **state) {
    (void)state;
    cb_err err;
    cb_stats_effect e;
    for (size_t i = 0; i < FIGURES; i++) {
        const double *a = figures[i].a, *b = figures[i].b;
        const size_t n_a = figures[i].n_a, n_b = figures[i].n_b;
        assert_int_equal(cb_stats_cliff(a, n_a, b, n_b, 0.95, &e, &err), CB_OK);
        NEAR(e.value, figures[i].cliff.value, "Cliff's delta");
        NEAR(e.low, figures[i].cliff.low, "Cliff's delta, low");
        NEAR(e.high, figures[i].cliff.high, "Cliff's delta, high");
        e = cb_stats_hedges(a, n_a, b, n_b, 0.95);
        NEAR(e.value, figures[i].hedges.value, "Hedges' g");
        assert_near(e.low, figures[i].hedges.low, 1e-7, figures[i].name, "Hedges' g, low");
        assert_near(e.high, figures[i].hedges.high, 1e-7, figures[i].name, "Hedges' g, high");
    }
}

/* By hand, from the t distribution: the interval at 1 - 2 alpha touches the margin at p = alpha. */
static void test_equivalence(void **state) {
    (void)state;
    const cb_stats_difference d = cb_stats_welch(five_a, 5, five_b, 5, 0.95);
    const cb_stats_equivalence wide = cb_stats_equivalent(&d, 0.1, 0.05);
    assert_true(wide.p < 0.05 && wide.low > -0.1 && wide.high < 0.1);
    const cb_stats_equivalence edge = cb_stats_equivalent(&d, -wide.low, 0.05);
    assert_true(fabs(edge.p - 0.05) < 1e-12 && edge.p == edge.p_low);
    assert_near(edge.p_low, cb_stats_t_cdf((-d.difference + wide.low) / d.standard_error, d.dof),
                1e-12, "five", "p low");
    assert_true(isnan(cb_stats_equivalent(&d, 0.0, 0.05).p));
    assert_true(isnan(cb_stats_equivalent(&d, 0.1, 0.5).p));
    const double same[] = {1, 1, 1};
    const cb_stats_difference none = cb_stats_welch(same, 3, same, 3, 0.95);
    assert_true(isnan(cb_stats_equivalent(&none, 0.1, 0.05).p));
}

/* ---- little, nothing, and no numbers ---- */

static const double ones[] = {1, 1, 1, 1}, twos[] = {2, 2, 2, 2};

static void test_nothing(void **state) {
    (void)state;
    cb_err err;
    cb_stats_test t;
    cb_stats_effect e;
    const double nan[] = {(double)NAN, (double)NAN};
    for (size_t n = 0; n <= 2; n++) { /* 0, or only values that are missing */
        assert_int_equal(cb_stats_mann_whitney(nan, n, ones, 3, &t, &err), CB_OK);
        assert_true(t.method == CB_STATS_NONE && isnan(t.p) && t.n_a == 0 && t.n_b == 3);
        assert_int_equal(cb_stats_wilcoxon(nan, ones, n, CB_STATS_ZEROS_DROP, &t, &err), CB_OK);
        assert_true(t.method == CB_STATS_NONE && isnan(t.p) && t.n_a == 0);
        assert_int_equal(cb_stats_permutation(ones, 3, nan, n, 10, 1, &t, &err), CB_OK);
        assert_true(t.method == CB_STATS_NONE && isnan(t.p) && t.n_b == 0);
        assert_int_equal(cb_stats_sign_flip(nan, ones, n, 10, 1, &t, &err), CB_OK);
        assert_true(t.method == CB_STATS_NONE && isnan(t.p));
        assert_int_equal(cb_stats_cliff(nan, n, ones, 3, 0.95, &e, &err), CB_OK);
        assert_true(isnan(e.value) && isnan(e.low));
        assert_true(isnan(cb_stats_welch(nan, n, ones, 3, 0.95).p));
        assert_true(isnan(cb_stats_paired(nan, ones, n, 0.95).p));
        assert_true(isnan(cb_stats_hedges(nan, n, ones, 3, 0.95).value));
    }
    assert_int_equal(cb_stats_mann_whitney(ones, 1, twos, 1, &t, &err), CB_OK);
    assert_true(t.p == 1.0 && t.p_least == 1.0 && t.p_less == 0.5 && t.statistic == 0.0);
}

/* Nothing varies: means say nothing of chance, ranks and permutations do. */
static void test_constant(void **state) {
    (void)state;
    cb_err err;
    cb_stats_test t;
    cb_stats_effect e;
    const cb_stats_difference d = cb_stats_welch(ones, 4, twos, 4, 0.95);
    assert_true(d.difference == -1.0 && d.standard_error == 0.0);
    assert_true(isnan(d.t) && isnan(d.p) && isnan(d.low));
    assert_true(isnan(cb_stats_paired(ones, twos, 4, 0.95).p));
    const double third[] = {0.3, 0.2, 0.1}, second[] = {0.2, 0.1, 0.0}; /* but for rounding */
    assert_true(isnan(cb_stats_paired(third, second, 3, 0.95).p));
    const double tenths[] = {0.1, 0.1, 0.1};
    assert_true(cb_stats_welch(tenths, 3, twos, 3, 0.95).standard_error == 0.0);
    assert_int_equal(cb_stats_mann_whitney(ones, 4, twos, 4, &t, &err), CB_OK);
    assert_true(t.has_ties && fabs(t.p - 2.0 / 70) < 1e-15 && t.p == t.p_least);
    assert_int_equal(cb_stats_mann_whitney(ones, 4, ones, 4, &t, &err), CB_OK);
    assert_true(t.p == 1.0 && t.p_less == 1.0 && t.statistic == 8.0);
    assert_int_equal(cb_stats_wilcoxon(ones, twos, 4, CB_STATS_ZEROS_DROP, &t, &err), CB_OK);
    assert_true(t.has_ties && fabs(t.p - 2.0 / 16) < 1e-15 && t.p == t.p_least);
    for (int zeros = 0; zeros < 2; zeros++) {
        assert_int_equal(cb_stats_wilcoxon(ones, ones, 4, (cb_stats_zeros)zeros, &t, &err), CB_OK);
        assert_true(t.p == 1.0 && t.zeros == 4 && t.n_a == 4 && t.statistic == 0.0);
    }
    assert_int_equal(cb_stats_permutation(ones, 4, ones, 4, 100, 1, &t, &err), CB_OK);
    assert_true(t.p == 1.0);
    assert_int_equal(cb_stats_cliff(ones, 4, ones, 4, 0.95, &e, &err), CB_OK);
    assert_true(e.value == 0.0 && e.low < 0.0 && e.high > 0.0);
    assert_true(isnan(cb_stats_hedges(ones, 4, twos, 4, 0.95).value));
}

/* Values that are not finite: NaN is missing; an infinity is the largest, and equal to another. */
static void test_not_finite(void **state) {
    (void)state;
    cb_err err;
    cb_stats_test t;
    cb_stats_effect e;
    const double inf = (double)INFINITY, nan = (double)NAN;
    const double a[] = {1, nan, 2, inf, 3, inf}, b[] = {4, 1, nan, inf, 5, 6};
    assert_int_equal(cb_stats_mann_whitney(a, 6, b, 6, &t, &err), CB_OK);
    assert_true(t.n_a == 5 && t.n_b == 5 && t.has_ties);
    /* Pairs a > b: inf over 4, 1, 5, 6 twice, 2 and 3 over 1; ties: 1, and inf twice. */
    assert_true(t.statistic == 10.0 + 1.5);
    assert_int_equal(cb_stats_wilcoxon(a, b, 6, CB_STATS_ZEROS_DROP, &t, &err), CB_OK);
    assert_true(t.n_a == 4 && t.zeros == 1);
    /* -3, 0, -2, inf: ranks 2, 1, 3. */
    assert_true(t.statistic == 3.0);
    assert_int_equal(cb_stats_cliff(a, 6, b, 6, 0.95, &e, &err), CB_OK);
    assert_true(fabs(e.value - (2.0 * 11.5 / 25.0 - 1.0)) < 1e-15);
    const cb_stats_difference w = cb_stats_welch(a, 6, b, 6, 0.95);
    assert_true(w.n_a == 3 && w.n_b == 4 && w.mean_a == 2.0 && w.mean_b == 4.0);
    const cb_stats_difference p = cb_stats_paired(a, b, 6, 0.95);
    assert_true(p.n_a == 2 && p.mean_a == 2.0 && p.difference == -2.5);
    assert_int_equal(cb_stats_permutation(a, 6, b, 6, 100, 1, &t, &err), CB_OK);
    assert_true(t.n_a == 3 && t.n_b == 4);
    assert_int_equal(cb_stats_sign_flip(a, b, 6, 100, 1, &t, &err), CB_OK);
    assert_true(t.n_a == 2);
}

/* The exact distributions go on where tables end: symmetric data at the limit, and beyond it the
 * approximation is close. */
static void test_exact_limit(void **state) {
    (void)state;
    cb_err err;
    cb_stats_test t, beyond;
    double a[60], b[60], d[201], zero[201] = {0};
    for (int i = 0; i < 60; i++) {
        a[i] = 2.0 * i;
        b[i] = 2.0 * i + 9.0;
    }
    assert_int_equal(cb_stats_mann_whitney(a, 50, b, 50, &t, &err), CB_OK);
    assert_int_equal(t.method, CB_STATS_EXACT);
    /* R: wilcox.test(2*(0:49), 2*(0:49) + 9, exact = TRUE)$p.value */
    assert_near(t.p, 0.13970580825435394, 1e-9, "limit", "p");
    assert_int_equal(cb_stats_mann_whitney(a, 60, b, 60, &beyond, &err), CB_OK);
    assert_true(beyond.method == CB_STATS_NORMAL || beyond.p_least > 0.0);
    for (int i = 0; i < 201; i++)
        d[i] = i % 5 < 2 ? -1.0 * i - 1.0 : 1.0 * i + 0.25;
    assert_int_equal(cb_stats_wilcoxon(d, zero, 200, CB_STATS_ZEROS_DROP, &t, &err), CB_OK);
    assert_int_equal(t.method, CB_STATS_EXACT);
    assert_int_equal(cb_stats_wilcoxon(d, zero, 201, CB_STATS_ZEROS_DROP, &beyond, &err), CB_OK);
    assert_int_equal(beyond.method, CB_STATS_NORMAL);
    /* R: i <- 0:200; d <- ifelse(i %% 5 < 2, -i - 1, i + 0.25); wilcox.test(d[1:200], exact =
     * TRUE), wilcox.test(d, exact = FALSE) */
    assert_near(t.p, 0.0091662924518360559, 1e-9, "limit", "exact");
    assert_near(beyond.p, 0.013997856464420174, 1e-9, "limit", "approximation");
    /* Very unequal sizes stay exact. */
    double many[1000];
    for (int i = 0; i < 1000; i++)
        many[i] = i;
    const double three[] = {-1, -2, -3};
    assert_int_equal(cb_stats_mann_whitney(three, 3, many, 1000, &t, &err), CB_OK);
    assert_int_equal(t.method, CB_STATS_EXACT);
    assert_near(t.p, 2.0 * 6.0 / (1003.0 * 1002.0 * 1001.0), 1e-12, "three", "p");
    assert_string_equal(cb_stats_method_name(t.method), "exact");
}

static cb_status everything(void *context) {
    cb_stats_test t;
    cb_stats_effect e;
    (void)context;
    cb_status st = cb_stats_mann_whitney(tied_a, 8, tied_b, 8, &t, NULL);
    if (st == CB_OK)
        st = cb_stats_wilcoxon(tied_a, tied_b, 8, CB_STATS_ZEROS_DROP, &t, NULL);
    if (st == CB_OK)
        st = cb_stats_permutation(tied_a, 8, tied_b, 8, 10, 1, &t, NULL);
    if (st == CB_OK)
        st = cb_stats_sign_flip(tied_a, tied_b, 8, 10, 1, &t, NULL);
    if (st == CB_OK)
        st = cb_stats_cliff(tied_a, 8, tied_b, 8, 0.95, &e, NULL);
    return st;
}

static void test_no_memory(void **state) {
    (void)state;
    assert_true(faults_run(everything, NULL) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_means),        cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_permutations), cmocka_unit_test(test_drawn),
        cmocka_unit_test(test_effects),      cmocka_unit_test(test_equivalence),
        cmocka_unit_test(test_nothing),      cmocka_unit_test(test_constant),
        cmocka_unit_test(test_not_finite),   cmocka_unit_test(test_exact_limit),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("stats_tests", tests, NULL, NULL);
}
