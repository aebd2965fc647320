/* SPDX-License-Identifier: MIT */
/*
 * Friedman's test with Iman's and Davenport's F, and Nemenyi's comparison of all pairs.
 */
#include "cellbench/stats_many.h"

#include <math.h>
#include <stdint.h>

#include "base/alloc.h"
#include "cellbench/stats_distribution.h"
#include "stats/sample.h"

enum { CELLS_MOST = 1000 }; /* of the studentised range */

/* Adds the ranks of each whole row to `sums`, counts such rows, and sums up t^3 - t over ties. */
static cb_status sum_ranks(const double *values, size_t tasks, size_t cells, double *sums,
                           size_t *whole, double *ties, cb_err *err) {
    cb_status st = CB_OK;
    double tied;
    uint64_t *twice = cbi_calloc(cells, sizeof *twice);
    if (twice == NULL)
        return cb_fail(err, CB_ENOMEM, "Friedman: no memory for %zu cells", cells);
    for (size_t t = 0; st == CB_OK && t < tasks; t++) {
        const double *row = values + t * cells;
        size_t there = 0;
        while (there < cells && !isnan(row[there]))
            there++;
        if (there < cells)
            continue;
        if ((st = cbi_rank(row, cells, twice, &tied, err)) != CB_OK)
            break;
        for (size_t c = 0; c < cells; c++)
            sums[c] += 0.5 * (double)twice[c];
        *ties += tied;
        ++*whole;
    }
    cbi_free(twice);
    return st;
}

/* From the mean ranks. With ties (Conover 1999, 5.8): the squares of the ranks are less by ties/12.
 */
static void test_ranks(const double *mean_ranks, double ties, cb_stats_friedman *out) {
    const double n = (double)out->tasks, k = (double)out->cells;
    const double squares =
        n * k * (k * k - 1.0) / 12.0 - ties / 12.0; /* of ranks, around (k+1)/2 */
    double between = 0.0;
    for (size_t c = 0; c < out->cells; c++) {
        const double excess = mean_ranks[c] - 0.5 * (k + 1.0);
        between += n * excess * excess;
    }
    if (!(squares > 0.0) || !(between > 0.0)) {
        out->chi_square = out->f = 0.0;
        out->p = out->p_f = 1.0;
        return;
    }
    out->chi_square = n * (k - 1.0) * between / squares;
    out->p = cb_stats_chi_square_upper(out->chi_square, k - 1.0);
    const double rest = n * (k - 1.0) - out->chi_square;
    out->f = rest > 1e-12 * n * k ? (n - 1.0) * out->chi_square / rest : (double)INFINITY;
    out->p_f = cb_stats_f_upper(out->f, k - 1.0, (k - 1.0) * (n - 1.0));
}

static void compare_pairs(const double *mean_ranks, double unit, size_t cells, double *pairwise) {
    for (size_t i = 0; i < cells; i++) {
        pairwise[i * cells + i] = 1.0;
        for (size_t j = 0; j < i; j++) {
            const double q = fabs(mean_ranks[i] - mean_ranks[j]) / unit;
            const double p = cb_stats_range_upper(q, cells, (double)INFINITY);
            pairwise[i * cells + j] = pairwise[j * cells + i] = p;
        }
    }
}

cb_status cb_stats_friedman_test(const double *values, size_t tasks, size_t cells, double alpha,
                                 double *mean_ranks, double *pairwise, cb_stats_friedman *out,
                                 cb_err *err) {
    double ties = 0.0;
    const double undefined = (double)NAN;
    *out = (cb_stats_friedman){0, cells, undefined, undefined, undefined, undefined, undefined};
    if (cells < 1 || cells > CELLS_MOST)
        return cb_fail(err, CB_EARG, "Friedman: expected 1 to %d cells, got %zu", CELLS_MOST,
                       cells);
    if (!(alpha > 0.0) || !(alpha < 1.0))
        return cb_fail(err, CB_EARG, "Friedman: expected 0 < alpha < 1, got %g", alpha);
    for (size_t c = 0; c < cells; c++)
        mean_ranks[c] = 0.0;
    cb_status st = sum_ranks(values, tasks, cells, mean_ranks, &out->tasks, &ties, err);
    for (size_t c = 0; c < cells; c++)
        mean_ranks[c] = out->tasks > 0 ? mean_ranks[c] / (double)out->tasks : undefined;
    if (st != CB_OK || cells < 2 || out->tasks < 2) {
        for (size_t i = 0; pairwise != NULL && i < cells * cells; i++)
            pairwise[i] = undefined;
        return st;
    }
    test_ranks(mean_ranks, ties, out);
    /* The deviation of a mean rank; that of a difference is sqrt(2) times as large, as the
     * studentised range expects. */
    const double k = (double)cells, unit = sqrt(k * (k + 1.0) / (12.0 * (double)out->tasks));
    out->critical_difference = unit * cb_stats_range_quantile(alpha, cells, (double)INFINITY);
    if (pairwise != NULL)
        compare_pairs(mean_ranks, unit, cells, pairwise);
    return CB_OK;
}
