/* SPDX-License-Identifier: MIT */
/*
 * Many comparisons: p values corrected for their number, and many cells over many tasks.
 */
#ifndef CELLBENCH_STATS_MANY_H
#define CELLBENCH_STATS_MANY_H

#include <stddef.h>

#include "cellbench/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Adjusted p values, to be compared with alpha as they are: adjusted[i] belongs to p[i]; the two
 * may be one array. NaN stays NaN and does not count. As R's p.adjust(, "holm") and (, "BH"). Holm
 * (1979): the probability of even one false discovery is at most alpha, whatever the dependence
 * between the tests. Benjamini, Hochberg (1995): of the discoveries at most the share alpha is
 * false on average, if the tests are independent or positively dependent.
 */
CB_API CB_MUST_USE cb_status cb_stats_holm(const double *p, size_t n, double *adjusted,
                                           cb_err *err);
CB_API CB_MUST_USE cb_status cb_stats_benjamini_hochberg(const double *p, size_t n,
                                                         double *adjusted, cb_err *err);

typedef struct cb_stats_friedman {
    size_t tasks, cells;
    double chi_square; /* corrected for ties, cells - 1 degrees of freedom */
    double p;          /* that of chi_square */
    double f;          /* Iman and Davenport (1980): cells - 1, (cells - 1)(tasks - 1) degrees */
    double p_f;        /* that of f: finds more, also where there is nothing, see below */
    double critical_difference; /* Nemenyi: mean ranks that differ by more do so at alpha */
} cb_stats_friedman;

/*
 * Friedman's test (1937): do the cells rank alike over the tasks? values[task * cells + cell],
 * lower is better and ranks first; equal values share their rank; infinite values are values. A
 * task in which a cell has no value (NaN) is left out whole. mean_ranks[cells] gets the mean ranks,
 * pairwise [cells * cells] (may be NULL) Nemenyi's p of each pair by the studentised range, on the
 * scale of alpha. As Demsar (2006), "Statistical comparisons of classifiers over multiple data
 * sets", who recommends more than 10 tasks and 5 cells for the approximations; Nemenyi's test is
 * cautious, Holm over Wilcoxon tests against one cell finds more. Fewer than 2 cells or 2 tasks: p
 * is NaN. All ranks equal: chi_square 0, p 1. Every task in the same order: f infinite, p_f 0.
 *
 * Demsar prefers F. Measured on 10,000 cases without a difference, alpha 0.05, it finds one in (and
 * chi-square in): 3 tasks, 3 cells 0.195 (0.027); 5, 5 0.062 (0.037); 8, 6 0.055 (0.042); 12, 4
 * 0.060 (0.049); 20, 5 0.053 (0.048); 30, 4 0.050 (0.046). So chi-square it is, unless tasks are
 * many.
 *
 * CB_EARG: cells is 0 or above 1000, or not 0 < alpha < 1.
 */
CB_API CB_MUST_USE cb_status cb_stats_friedman_test(const double *values, size_t tasks,
                                                    size_t cells, double alpha, double *mean_ranks,
                                                    double *pairwise, cb_stats_friedman *out,
                                                    cb_err *err);

#ifdef __cplusplus
}
#endif
#endif
