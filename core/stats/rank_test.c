/* SPDX-License-Identifier: MIT */
/*
 * Mann-Whitney and Wilcoxon signed rank. Exact distributions come from the shift algorithm of
 * Streitberg and Roehmel (1986): one rank after the other is or is not in the sum, so the counts of
 * all sums are shifted by it and added. It does not mind ties; with them, ranks are doubled to stay
 * whole. Only sums of positive numbers are formed, so that small tails keep their digits.
 */
#include "cellbench/stats_test.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "cellbench/stats_distribution.h"
#include "stats/sample.h"

static const double additions_most = 0x1p26, sums_most = 0x1p22;

enum { SIGNED_MOST = 200 };

const char *cb_stats_method_name(cb_stats_method method) {
    static const char *const names[] = {"none", "exact", "normal approximation", "Monte Carlo"};
    return (unsigned)method < sizeof names / sizeof names[0] ? names[method] : names[0];
}

static double no_more_than_one(double p) {
    return p < 1.0 ? p : 1.0;
}

/* Tails and the smallest p possible, from the weights of the sums 0..most. */
static void read_tails(const double *weights, size_t most, size_t at, cb_stats_test *out) {
    double below = 0.0, above = 0.0;
    for (size_t s = 0; s < at; s++)
        below += weights[s];
    for (size_t s = most; s > at; s--)
        above += weights[s];
    const double total = below + weights[at] + above;
    size_t low = 0, high = most;
    while (low < most && weights[low] <= 0.0)
        low++;
    while (high > 0 && weights[high] <= 0.0)
        high--;
    out->p_less = (below + weights[at]) / total;
    out->p_greater = (above + weights[at]) / total;
    out->p = no_more_than_one(2.0 * fmin(out->p_less, out->p_greater));
    out->p_least = no_more_than_one(2.0 * fmin(weights[low], weights[high]) / total);
    out->method = CB_STATS_EXACT;
}

/* The normal approximation: a sum that is `excess` above its mean. */
static void approximate(double excess, double deviation, cb_stats_test *out) {
    out->method = CB_STATS_NORMAL;
    out->p = out->p_less = out->p_greater = 1.0;
    if (!(deviation > 0.0))
        return;
    out->p_less = cb_stats_normal_cdf((excess + 0.5) / deviation);
    out->p_greater = cb_stats_normal_cdf(-(excess - 0.5) / deviation);
    out->p = no_more_than_one(2.0 * fmin(out->p_less, out->p_greater));
}

/* ---- Mann-Whitney ---- */

/* What a subset of k of the n ranks can sum up to; ranks start at 0 here. */
typedef struct subset {
    const uint64_t *ranks;
    size_t n, k, most; /* most: sum of the k largest */
} subset;

/* counts[k][s]: how many subsets of k ranks have the sum s. Returns the row of k; the caller frees
 * *table. */
static const double *count_subsets(const subset *of, double **table) {
    const size_t width = of->most + 1;
    double *counts = *table = cbi_calloc((of->k + 1) * width, sizeof *counts);
    if (counts == NULL)
        return NULL;
    counts[0] = 1.0;
    for (size_t i = 0; i < of->n; i++) {
        const size_t rank = (size_t)of->ranks[i];
        for (size_t j = i + 1 < of->k ? i + 1 : of->k; j > 0; j--) {
            double *restrict to = counts + j * width + rank;
            const double *restrict from = counts + (j - 1) * width;
            for (size_t s = 0; s + rank < width; s++)
                to[s] += from[s];
        }
    }
    return counts + of->k * width;
}

static int ascending(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Exact tails of the sum of a's ranks, if they can be had; else nothing is done. `twice` is
 * changed: the smaller set is looked at, with ranks from 0, halved where that leaves them whole. */
static cb_status count_exactly(uint64_t *twice, cb_stats_test *out, cb_err *err) {
    const size_t n_a = out->n_a, n_b = out->n_b, n = n_a + n_b;
    const int is_b = n_b < n_a;
    const size_t k = is_b ? n_b : n_a;
    const uint64_t unit = out->has_ties ? 1 : 2;
    uint64_t least = UINT64_MAX, observed = 0, most = 0;
    for (size_t i = 0; i < n; i++)
        least = twice[i] < least ? twice[i] : least;
    for (size_t i = 0; i < n; i++) {
        twice[i] = (twice[i] - least) / unit;
        observed += (i >= n_a) == is_b ? twice[i] : 0;
    }
    qsort(twice, n, sizeof *twice, ascending);
    for (size_t i = n - k; i < n; i++)
        most += twice[i];
    if ((double)n * (double)k * (double)(most + 1) > additions_most && n > 100)
        return CB_OK;
    double *table;
    const subset of = {twice, n, k, (size_t)most};
    const double *counts = count_subsets(&of, &table);
    if (counts == NULL)
        return cb_fail(err, CB_ENOMEM, "Mann-Whitney: no memory for the counts of %zu values", n);
    read_tails(counts, of.most, (size_t)observed, out);
    cbi_free(table);
    if (is_b) { /* many in b's sum: few in a's */
        const double less = out->p_less;
        out->p_less = out->p_greater;
        out->p_greater = less;
    }
    return CB_OK;
}

static cb_status mann_whitney(const double *pool, cb_stats_test *out, cb_err *err) {
    const double n_a = (double)out->n_a, n_b = (double)out->n_b, n = n_a + n_b;
    double ties, sum = 0.0;
    uint64_t *twice = cbi_calloc(out->n_a + out->n_b, sizeof *twice);
    if (twice == NULL)
        return cb_fail(err, CB_ENOMEM, "Mann-Whitney: no memory for %g ranks", n);
    cb_status st = cbi_rank(pool, out->n_a + out->n_b, twice, &ties, err);
    if (st == CB_OK) {
        for (size_t i = 0; i < out->n_a; i++)
            sum += 0.5 * (double)twice[i];
        out->has_ties = ties > 0.0;
        out->statistic = sum - 0.5 * n_a * (n_a + 1.0);
        st = count_exactly(twice, out, err);
    }
    if (st == CB_OK && out->method == CB_STATS_NONE)
        approximate(out->statistic - 0.5 * n_a * n_b,
                    sqrt(n_a * n_b / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)))), out);
    cbi_free(twice);
    return st;
}

static const cb_stats_test nothing = {
    .statistic = (double)NAN, .p = (double)NAN, .p_less = (double)NAN, .p_greater = (double)NAN};

cb_status cb_stats_mann_whitney(const double *a, size_t n_a, const double *b, size_t n_b,
                                cb_stats_test *out, cb_err *err) {
    double *pool;
    *out = nothing;
    cb_status st = cbi_pool(a, &n_a, b, &n_b, 0, &pool, err);
    out->n_a = n_a;
    out->n_b = n_b;
    if (st == CB_OK && n_a > 0 && n_b > 0)
        st = mann_whitney(pool, out, err);
    cbi_free(pool);
    return st;
}

/* ---- Wilcoxon ---- */

/* The distribution of a sum in which each rank is with the probability 1/2, unless there are too
 * many of them. */
static cb_status sum_exactly(const uint64_t *ranks, size_t n, size_t at, cb_stats_test *out,
                             cb_err *err) {
    size_t most = 0, reached = 0;
    for (size_t i = 0; i < n; i++)
        most += (size_t)ranks[i];
    if (n > SIGNED_MOST || (double)most > sums_most)
        return CB_OK;
    double *weights = cbi_calloc(most + 1, sizeof *weights);
    if (weights == NULL)
        return cb_fail(err, CB_ENOMEM, "Wilcoxon: no memory for the counts of %zu pairs", n);
    weights[0] = 1.0;
    for (size_t i = 0; i < n; i++) {
        const size_t rank = (size_t)ranks[i];
        for (size_t s = reached + 1; s-- > 0;)
            weights[s + rank] += weights[s];
        reached += rank;
    }
    read_tails(weights, most, at, out);
    cbi_free(weights);
    return CB_OK;
}

/* Ranks of |d| over zeros and others (Pratt), or of the others alone; `kept` gets the ranks of the
 * others, and `up` the sum of those with d > 0. */
static cb_status signed_ranks(double *d, size_t n, uint64_t *kept, uint64_t *up, cb_stats_test *out,
                              cb_err *err) {
    double ties;
    size_t others = 0;
    uint64_t *twice = cbi_calloc(n, sizeof *twice);
    double *absolute = cbi_calloc(n, sizeof *absolute);
    cb_status st = CB_OK;
    if (twice == NULL || absolute == NULL)
        st = cb_fail(err, CB_ENOMEM, "Wilcoxon: no memory for the ranks of %zu pairs", n);
    for (size_t i = 0; st == CB_OK && i < n; i++)
        absolute[i] = fabs(d[i]);
    if (st == CB_OK)
        st = cbi_rank(absolute, n, twice, &ties, err);
    for (size_t i = 0; st == CB_OK && i < n; i++) {
        if (d[i] == 0.0)
            continue;
        *up += d[i] > 0.0 ? twice[i] : 0;
        kept[others++] = twice[i];
    }
    if (st == CB_OK) {
        const double zeros = (double)(n - others);
        out->has_ties = ties > zeros * zeros * zeros - zeros;
    }
    cbi_free(twice);
    cbi_free(absolute);
    return st;
}

static cb_status wilcoxon(double *d, size_t n, size_t others, cb_stats_test *out, cb_err *err) {
    uint64_t up = 0;
    double mean = 0.0, squares = 0.0;
    uint64_t *kept = cbi_calloc(others, sizeof *kept);
    if (kept == NULL)
        return cb_fail(err, CB_ENOMEM, "Wilcoxon: no memory for %zu pairs", n);
    cb_status st = signed_ranks(d, n, kept, &up, out, err);
    if (st == CB_OK) {
        out->statistic = 0.5 * (double)up;
        for (size_t i = 0; i < others; i++) {
            mean += 0.25 * (double)kept[i];
            squares += 0.0625 * (double)kept[i] * (double)kept[i];
        }
        st = sum_exactly(kept, others, (size_t)up, out, err);
    }
    if (st == CB_OK && out->method == CB_STATS_NONE)
        approximate(out->statistic - mean, sqrt(squares), out);
    cbi_free(kept);
    return st;
}

cb_status cb_stats_wilcoxon(const double *a, const double *b, size_t n, cb_stats_zeros zeros,
                            cb_stats_test *out, cb_err *err) {
    double *d;
    size_t count, others = 0;
    *out = nothing;
    cb_status st = cbi_differences(a, b, n, 0, &d, &count, err);
    for (size_t i = 0; i < count; i++)
        others += d[i] != 0.0;
    out->n_a = out->n_b = count;
    out->zeros = count - others;
    if (st == CB_OK && zeros == CB_STATS_ZEROS_DROP && others < count) {
        size_t to = 0;
        for (size_t i = 0; i < count; i++)
            if (d[i] != 0.0)
                d[to++] = d[i];
        count = to;
    }
    if (st == CB_OK && others > 0) {
        st = wilcoxon(d, count, others, out, err);
    } else if (st == CB_OK && out->n_a > 0) {
        out->statistic = 0.0;
        out->p = out->p_less = out->p_greater = out->p_least = 1.0;
        out->method = CB_STATS_EXACT;
    }
    cbi_free(d);
    return st;
}
