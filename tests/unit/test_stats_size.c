/* SPDX-License-Identifier: MIT */
/*
 * What tests and intervals promise, over many simulated data sets from fixed Philox streams: where
 * there is no difference, none is found more often than alpha says; an interval covers as often as
 * its level says at n = 30, and what it does at 5, 10 and 20 is printed. The headers quote these
 * figures. CELLBENCH_LONG: all of it; else the slow intervals are looked at for n = 30 alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cellbench/random.h"
#include "cellbench/stats.h"

enum { NULLS = 10000, COVERED = 4000, RESAMPLES = 499, MOST = 40 };

static const double alpha = 0.05;

typedef double distribution(cb_random *stream);

static double exponential(cb_random *stream) {
    return -log(1.0 - cb_random_uniform(stream));
}

/* With many ties, as error rates of a small test set have. */
static double coarse(cb_random *stream) {
    return floor(4.0 * cb_random_normal(stream));
}

static void draw(cb_random *stream, distribution *from, double *to, size_t n) {
    for (size_t i = 0; i < n; i++)
        to[i] = from(stream);
}

/* ---- size ---- */

/* p of one test of two sets without a difference. */
typedef double null_test(const double *a, const double *b, size_t n_a, size_t n_b);

static double welch(const double *a, const double *b, size_t n_a, size_t n_b) {
    return cb_stats_welch(a, n_a, b, n_b, 0.95).p;
}

static double paired(const double *a, const double *b, size_t n_a, size_t n_b) {
    (void)n_b;
    return cb_stats_paired(a, b, n_a, 0.95).p;
}

static double mann_whitney(const double *a, const double *b, size_t n_a, size_t n_b) {
    cb_stats_test t;
    assert_int_equal(cb_stats_mann_whitney(a, n_a, b, n_b, &t, NULL), CB_OK);
    return t.p;
}

static double wilcoxon(const double *a, const double *b, size_t n_a, size_t n_b) {
    cb_stats_test t;
    (void)n_b;
    assert_int_equal(cb_stats_wilcoxon(a, b, n_a, CB_STATS_ZEROS_DROP, &t, NULL), CB_OK);
    return t.p;
}

static double pratt(const double *a, const double *b, size_t n_a, size_t n_b) {
    cb_stats_test t;
    (void)n_b;
    assert_int_equal(cb_stats_wilcoxon(a, b, n_a, CB_STATS_ZEROS_PRATT, &t, NULL), CB_OK);
    return t.p;
}

static double permutation(const double *a, const double *b, size_t n_a, size_t n_b) {
    cb_stats_test t;
    assert_int_equal(cb_stats_permutation(a, n_a, b, n_b, 252, 3, &t, NULL), CB_OK);
    return t.p;
}

static double sign_flip(const double *a, const double *b, size_t n_a, size_t n_b) {
    cb_stats_test t;
    (void)n_b;
    assert_int_equal(cb_stats_sign_flip(a, b, n_a, 256, 3, &t, NULL), CB_OK);
    return t.p;
}

/* b lies exactly at the margin: no equivalence there. */
static double equivalence(const double *a, const double *b, size_t n_a, size_t n_b) {
    double moved[MOST];
    for (size_t i = 0; i < n_b; i++)
        moved[i] = b[i] + 2.0;
    const cb_stats_difference d = cb_stats_welch(a, n_a, moved, n_b, 0.95);
    return cb_stats_equivalent(&d, 2.0, alpha).p;
}

/* The least of four adjusted p values. */
static double corrected(const double *a, const double *b, size_t n, int is_holm) {
    double p[4], least = 1.0;
    for (size_t i = 0; i < 4; i++)
        p[i] = cb_stats_welch(a + i * n, n, b + i * n, n, 0.95).p;
    assert_int_equal((is_holm ? cb_stats_holm : cb_stats_benjamini_hochberg)(p, 4, p, NULL), CB_OK);
    for (size_t i = 0; i < 4; i++)
        least = fmin(least, p[i]);
    return least;
}

static double holm(const double *a, const double *b, size_t n_a, size_t n_b) {
    (void)n_b;
    return corrected(a, b, n_a / 4, 1);
}

static double benjamini_hochberg(const double *a, const double *b, size_t n_a, size_t n_b) {
    (void)n_b;
    return corrected(a, b, n_a / 4, 0);
}

static const struct {
    const char *name;
    null_test *p;
    distribution *from;
    size_t n_a, n_b;
} nulls[] = {
    {"Welch", welch, cb_random_normal, 3, 3},
    {"Welch", welch, cb_random_normal, 5, 5},
    {"Welch", welch, cb_random_normal, 10, 20},
    {"Welch", welch, cb_random_normal, 30, 30},
    {"paired t", paired, cb_random_normal, 5, 5},
    {"paired t", paired, cb_random_normal, 30, 30},
    {"Mann-Whitney", mann_whitney, exponential, 5, 5},
    {"Mann-Whitney", mann_whitney, exponential, 12, 7},
    {"Mann-Whitney, ties", mann_whitney, coarse, 8, 8},
    {"Wilcoxon", wilcoxon, cb_random_normal, 6, 6},
    {"Wilcoxon", wilcoxon, cb_random_normal, 30, 30},
    {"Wilcoxon, ties", wilcoxon, coarse, 12, 12},
    {"Pratt, ties", pratt, coarse, 12, 12},
    {"permutation", permutation, exponential, 5, 5},
    {"permutation, drawn", permutation, exponential, 8, 8},
    {"sign flip", sign_flip, cb_random_normal, 8, 8},
    {"sign flip, drawn", sign_flip, cb_random_normal, 12, 12},
    {"equivalence", equivalence, cb_random_normal, 10, 10},
    {"Holm of 4", holm, cb_random_normal, 20, 20},
    {"Benjamini-Hochberg of 4", benjamini_hochberg, cb_random_normal, 20, 20},
};

/* Not more than 3 standard deviations of the count above what alpha allows. */
static void check_size(const char *name, size_t n_a, size_t n_b, int found) {
    const double share = (double)found / NULLS;
    print_message("size %-24s n = %2zu, %2zu: %.4f\n", name, n_a, n_b, share);
    if (share > alpha + 3.0 * sqrt(alpha * (1.0 - alpha) / NULLS))
        fail_msg("%s, n = %zu: %.4f of the nulls rejected at %g", name, n_a, share, alpha);
}

static void test_size(void **state) {
    (void)state;
    double a[MOST], b[MOST];
    for (size_t t = 0; t < sizeof nulls / sizeof nulls[0]; t++) {
        int found = 0;
        for (int i = 0; i < NULLS; i++) {
            cb_random stream = cb_random_stream(t, "test/null", (uint64_t)i);
            draw(&stream, nulls[t].from, a, nulls[t].n_a);
            draw(&stream, nulls[t].from, b, nulls[t].n_b);
            found += nulls[t].p(a, b, nulls[t].n_a, nulls[t].n_b) <= alpha;
        }
        check_size(nulls[t].name, nulls[t].n_a, nulls[t].n_b, found);
    }
}

/* Four cells on twelve tasks: Friedman's test, and whether any pair of mean ranks
 * lies farther apart than Nemenyi's critical difference. */
static void test_friedman_size(void **state) {
    (void)state;
    enum { TASKS = 12, CELLS = 4 };
    double values[TASKS * CELLS], ranks[CELLS];
    int by_chi_square = 0, by_pairs = 0;
    for (int i = 0; i < NULLS; i++) {
        cb_stats_friedman f;
        cb_random stream = cb_random_stream(0, "test/friedman", (uint64_t)i);
        draw(&stream, cb_random_normal, values, TASKS * CELLS);
        assert_int_equal(cb_stats_friedman_test(values, TASKS, CELLS, alpha, ranks, NULL, &f, NULL),
                         CB_OK);
        const size_t n = cb_stats_sort(ranks, CELLS);
        by_chi_square += f.p <= alpha;
        by_pairs += ranks[n - 1] - ranks[0] > f.critical_difference;
    }
    check_size("Friedman", TASKS, CELLS, by_chi_square);
    check_size("Nemenyi", TASKS, CELLS, by_pairs);
}

/* ---- coverage ---- */

typedef enum interval {
    T_MEAN,
    WELCH,
    BCA,
    PERCENTILE,
    BCA_EXPANDED,
    MEDIAN,
    CLIFF,
    HEDGES
} interval;

static const struct {
    const char *name;
    interval kind;
    double truth;     /* of normal values; of b with 1 added */
    double low, high; /* coverage allowed at n = 30, 0: any */
} intervals[] = {
    {"mean, t", T_MEAN, 0.0, 0.94, 0.96},
    {"difference of means, Welch", WELCH, -1.0, 0.94, 0.96},
    {"mean, BCa expanded", BCA_EXPANDED, 0.0, 0.94, 0.96},
    {"mean, BCa", BCA, 0.0, 0.0, 0.0},
    {"mean, percentile", PERCENTILE, 0.0, 0.0, 0.0},
    {"median, BCa expanded", MEDIAN, 0.0, 0.94, 0.97}, /* discrete: never below the level */
    {"Cliff's delta", CLIFF, -0.52049987781304674, 0.94, 0.96}, /* 1 - 2 Phi(1/sqrt(2)) */
    {"Hedges' g", HEDGES, -1.0, 0.94, 0.96},
};

static cb_stats_interval bootstrap_of(const double *a, size_t n, interval kind) {
    cb_stats_interval out;
    const cb_stats_bootstrap how = {.statistic = kind == MEDIAN ? cb_stats_function_median
                                                                : cb_stats_function_mean,
                                    .kind = kind == PERCENTILE ? CB_STATS_PERCENTILE : CB_STATS_BCA,
                                    .expand = kind == BCA_EXPANDED || kind == MEDIAN,
                                    .resamples = RESAMPLES};
    assert_int_equal(cb_stats_bootstrap_interval(a, n, NULL, 0, &how, &out, NULL), CB_OK);
    return out;
}

static void interval_of(const double *a, const double *b, size_t n, interval kind, double *low,
                        double *high) {
    cb_stats_effect e = {0};
    if (kind == T_MEAN) {
        const cb_stats_mean m = cb_stats_mean_of(a, n, 0.95);
        *low = m.low;
        *high = m.high;
    } else if (kind == WELCH) {
        const cb_stats_difference d = cb_stats_welch(a, n, b, n, 0.95);
        *low = d.low;
        *high = d.high;
    } else if (kind == CLIFF || kind == HEDGES) {
        if (kind == HEDGES)
            e = cb_stats_hedges(a, n, b, n, 0.95);
        else
            assert_int_equal(cb_stats_cliff(a, n, b, n, 0.95, &e, NULL), CB_OK);
        *low = e.low;
        *high = e.high;
    } else {
        const cb_stats_interval i = bootstrap_of(a, n, kind);
        *low = i.low;
        *high = i.high;
    }
}

static double coverage(size_t t, size_t n, int sets) {
    double a[MOST], b[MOST], low, high;
    int covered = 0;
    for (int i = 0; i < sets; i++) {
        cb_random stream = cb_random_stream(n, "test/coverage", (uint64_t)i);
        draw(&stream, cb_random_normal, a, n);
        draw(&stream, cb_random_normal, b, n);
        for (size_t k = 0; k < n; k++)
            b[k] += 1.0;
        interval_of(a, b, n, intervals[t].kind, &low, &high);
        covered += low <= intervals[t].truth && intervals[t].truth <= high;
    }
    return (double)covered / sets;
}

static void test_coverage(void **state) {
    (void)state;
    static const size_t sizes[] = {5, 10, 20, 30};
    for (size_t t = 0; t < sizeof intervals / sizeof intervals[0]; t++) {
        const interval kind = intervals[t].kind;
        const int is_slow = kind != T_MEAN && kind != WELCH && kind != CLIFF;
        const int is_long = getenv("CELLBENCH_LONG") != NULL;
        const int fewer = kind == HEDGES ? 10 : is_slow && !is_long ? 2 : 1;
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            if (is_slow && !is_long && (sizes[i] < 30 || intervals[t].high <= 0.0))
                continue;
            const double share = coverage(t, sizes[i], COVERED / fewer);
            print_message("coverage %-26s n = %2zu: %.3f\n", intervals[t].name, sizes[i], share);
            if (sizes[i] == 30 && intervals[t].high > 0.0)
                assert_true(share >= intervals[t].low && share <= intervals[t].high);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_friedman_size),
        cmocka_unit_test(test_coverage),
    };
    return cmocka_run_group_tests_name("stats_size", tests, NULL, NULL);
}
