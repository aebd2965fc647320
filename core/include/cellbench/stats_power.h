/* SPDX-License-Identifier: MIT */
/*
 * Planning: the power of a t test, and the number of seeds that a difference takes.
 *
 * Two-sided tests at `alpha`, normal values, by the noncentral t distribution. Exact for pairs and
 * for equal deviations; for others the degrees of freedom are Welch-Satterthwaite's of the true
 * variances. A deviation estimated from five seeds may well be too small by a factor of 1.9 (its
 * one-sided 90 % limit), and the number of seeds by almost 4.
 */
#ifndef CELLBENCH_STATS_POWER_H
#define CELLBENCH_STATS_POWER_H

#include <stddef.h>

#include "cellbench/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The probability that the test finds `difference` with n seeds: with n pairs whose differences
 * have the standard deviation sd > 0; or with n values of a and n of b, of deviations sd_a and
 * sd_b, not both 0. 0 < alpha < 1. n < 2: 0. Other arguments: NaN. Absolute error below 1e-9. */
CB_API double cb_stats_power_paired(double difference, double sd, size_t n, double alpha);
CB_API double cb_stats_power_welch(double difference, double sd_a, double sd_b, size_t n,
                                   double alpha);

/* The least number of seeds (for Welch: of each) with which that probability is at least `power`,
 * alpha < power < 1. 0: more than 1e6, or a difference of 0, or arguments that make no sense. */
CB_API size_t cb_stats_seeds_paired(double difference, double sd, double alpha, double power);
CB_API size_t cb_stats_seeds_welch(double difference, double sd_a, double sd_b, double alpha,
                                   double power);

#ifdef __cplusplus
}
#endif
#endif
