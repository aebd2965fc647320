/* SPDX-License-Identifier: MIT */
/*
 * Effect sizes: how large a difference is, in units that do not depend on the metric's.
 */
#ifndef CELLBENCH_STATS_EFFECT_H
#define CELLBENCH_STATS_EFFECT_H

#include <stddef.h>

#include "cellbench/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cb_stats_effect {
    size_t n_a, n_b; /* values used */
    double value;
    double low, high; /* its interval */
} cb_stats_effect;

/*
 * Cliff's delta (1993): P(a > b) - P(a < b) over all pairs of values, from -1 (every a is lower) to
 * 1; P(a > b) with ties shared is (1 + delta)/2 (Vargha and Delaney's A). Infinite values count.
 * Words in use for |delta| (Romano et al. 2006): negligible < 0.147 <= small < 0.33 <= medium <
 * 0.474 <= large.
 *
 * The interval is Cliff's asymmetric one from the unbiased variance s^2 (Cliff 1996; Feng, Cliff
 * 2004): (d - d^3 -+ z s sqrt((1 - d^2)^2 + z^2 s^2))/(1 - d^2 + z^2 s^2), z the normal quantile,
 * s^2 at least (1 - d^2)/(n_a n_b - 1); where |delta| is 1, to (n - z^2)/(n + z^2), n the smaller
 * size. Approximate. n_a or n_b < 2: NaN. Assumes independent values.
 */
CB_API CB_MUST_USE cb_status cb_stats_cliff(const double *a, size_t n_a, const double *b,
                                            size_t n_b, double level, cb_stats_effect *out,
                                            cb_err *err);

/*
 * Hedges' g (1981): (mean_a - mean_b)/s J, s^2 the pooled variance, J = Gamma(m/2)/(sqrt(m/2)
 * Gamma((m - 1)/2)) with m = n_a + n_b - 2, which takes the bias out. The interval by the
 * noncentral t (pivot). Assumes independent normal values of equal variance. n_a + n_b < 4 or no
 * spread: NaN.
 */
CB_API cb_stats_effect cb_stats_hedges(const double *a, size_t n_a, const double *b, size_t n_b,
                                       double level);

#ifdef __cplusplus
}
#endif
#endif
