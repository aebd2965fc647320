/* SPDX-License-Identifier: MIT */
/*
 * What the tests share: values without those that are missing, differences of pairs, moments,
 * ranks.
 */
#ifndef CB_STATS_SAMPLE_H
#define CB_STATS_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/status.h"

/* Count, mean and variance (with n - 1) of the finite values; NaN where not defined. Sums are of
 * the machine's long double: exact enough for values that differ in their last digits only, and
 * without overflow. */
typedef struct cbi_moments {
    size_t n;
    double mean, variance;
} cbi_moments;
cbi_moments cbi_moments_of(const double *values, size_t n);

/* Those of a[i] - b[i], where both are finite. `first` and `second` (may be NULL) get those of a
 * and b over the same pairs. */
cbi_moments cbi_paired_moments(const double *a, const double *b, size_t n, cbi_moments *first,
                               cbi_moments *second);

/* a's values and behind them b's, without NaN (finite_only: without infinities). The caller frees
 * *out; n_a and n_b are cut to what is left. */
CB_MUST_USE cb_status cbi_pool(const double *a, size_t *n_a, const double *b, size_t *n_b,
                               int finite_only, double **out, cb_err *err);

/* The differences a[i] - b[i] of the pairs without NaN (finite_only: without infinities), two equal
 * infinities differing by 0. The caller frees *out. */
CB_MUST_USE cb_status cbi_differences(const double *a, const double *b, size_t n, int finite_only,
                                      double **out, size_t *count, cb_err *err);

/* Twice the midrank of each value, from 2: whole numbers with ties too. `ties` gets the sum of
 * t^3 - t over groups of t equal values: 0 if there are none. */
CB_MUST_USE cb_status cbi_rank(const double *values, size_t n, uint64_t *twice, double *ties,
                               cb_err *err);

#endif
