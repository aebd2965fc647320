/* SPDX-License-Identifier: MIT */
/*
 * One set of values: its mean with an interval, its quantiles, and what a search found: the best
 * share of its trials, and the best that is to be expected after n of them.
 */
#ifndef CELLBENCH_STATS_SUMMARY_H
#define CELLBENCH_STATS_SUMMARY_H

#include <stddef.h>

#include "cellbench/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cb_stats_mean {
    size_t n;         /* finite values; the others are left out */
    double mean;      /* NaN if n is 0 */
    double sd;        /* with n - 1; NaN if n < 2 */
    double low, high; /* interval of the mean; NaN if n < 2 */
} cb_stats_mean;

/*
 * Mean, standard deviation and the interval mean -+ t(level, n - 1) sd/sqrt(n), which covers the
 * mean of the distribution that the values are drawn from with the probability `level` (0.95, say),
 * if they are independent and that distribution is normal. Values that are all the same have an
 * interval of no width.
 */
CB_API cb_stats_mean cb_stats_mean_of(const double *values, size_t n, double level);

/* exp of the mean of the logarithms: 0 if a value is 0, NaN if one is negative or there is none.
 * Values that are not finite are left out. */
CB_API double cb_stats_geometric_mean(const double *values, size_t n);

/* ---- quantiles, of sorted values ---- */

/* Sorts in place, ascending, -0 equal to 0, and leaves NaN out; returns how many are left. */
CB_API size_t cb_stats_sort(double *values, size_t n);

/*
 * The p-quantile of ascending values, 0 <= p <= 1, between two of them by linear interpolation at
 * (n - 1) p: type 7 of Hyndman and Fan (1996), the default of R, numpy and Excel. NaN if n is 0.
 * Infinite values are values: between a finite and an infinite one lies the infinite one.
 */
CB_API double cb_stats_quantile(const double *sorted, size_t n, double p);
CB_API double cb_stats_median(const double *sorted, size_t n);

/* The median of the absolute deviations from the median, as it is: 1.4826 times it estimates the
 * standard deviation of a normal distribution (R's mad() has that factor in it). NaN if n is 0 or
 * the median is infinite. */
CB_API double cb_stats_mad(const double *sorted, size_t n);

/* ---- the best of a search; lower is better ---- */

/*
 * The numbers of the best `share` of the values, 0 < share <= 1, best first, at least one and
 * rounded up; equal values in their order; NaN never. `best` must hold n. Returns their count.
 * Greff et al. (2017, section IV.C) take the best tenth of each variant's trials by the validation
 * value and compare their test values: less depends on luck than with the single best one. Those
 * are not independent draws: a test between them asks about this search only.
 */
CB_API CB_MUST_USE cb_status cb_stats_best_share(const double *values, size_t n, double share,
                                                 size_t *best, size_t *count, cb_err *err);

/*
 * The lowest value that is to be expected among k trials of a random search, for k = 1..n, from the
 * n >= 1 values that it found: curve[k - 1] is the mean over all choices of k of them without
 * replacement. Dodge et al. (2019) draw with replacement, which promises too little for k near n
 * (their estimate of the mean of the minimum is biased upwards); this is the unbiased form of Tang
 * et al. (2020, "Showing your work doesn't always work"). deviation (may be NULL) gets the standard
 * deviation of the lowest of k over the same choices: 0 for k = n, since only one is left.
 *
 * Values that are NaN are an error (CB_EARG): a trial without a value took its share of the budget,
 * so say what it is worth (the chance level, or INFINITY, which then spreads to each k that could
 * meet nothing else). Meaningful only where the trials are exchangeable: a random search, not a
 * grid or one that learns.
 */
CB_API CB_MUST_USE cb_status cb_stats_expected_best(const double *values, size_t n, double *curve,
                                                    double *deviation, cb_err *err);

#ifdef __cplusplus
}
#endif
#endif
