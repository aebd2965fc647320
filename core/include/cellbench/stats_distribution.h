/* SPDX-License-Identifier: MIT */
/*
 * Distributions: the probability of a value of at most x (cdf), of more than x (upper, which keeps
 * its digits where it is tiny), and the value that is not exceeded with the probability p
 * (quantile). Arguments outside of what is named give NaN. Nothing is allocated.
 *
 * Relative error below 1e-9 for degrees of freedom up to 1e5, unless another bound is named.
 */
#ifndef CELLBENCH_STATS_DISTRIBUTION_H
#define CELLBENCH_STATS_DISTRIBUTION_H

#include <stddef.h>

#include "cellbench/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The regularised incomplete beta function I_x(a, b), for a, b > 0 and 0 <= x <= 1, by its
 * continued fraction (DLMF 8.17.22). */
CB_API double cb_stats_beta(double a, double b, double x);

/* The regularised incomplete gamma function Q(a, x) = Gamma(a, x)/Gamma(a), for a > 0 and x >= 0,
 * by series or continued fraction (DLMF 8.7.1, 8.9.2); P = 1 - Q. */
CB_API double cb_stats_gamma_upper(double a, double x);

/* The standard normal distribution; 0 < p < 1. The quantile is right to the last digits. */
CB_API double cb_stats_normal_cdf(double x);
CB_API double cb_stats_normal_quantile(double p);

/* Student's t with `dof` > 0 degrees of freedom, which need not be whole; 0 < p < 1. */
CB_API double cb_stats_t_cdf(double t, double dof);
CB_API double cb_stats_t_quantile(double p, double dof);

/* Chi-square and F; x >= 0, degrees of freedom > 0. */
CB_API double cb_stats_chi_square_upper(double x, double dof);
CB_API double cb_stats_f_upper(double x, double dof_a, double dof_b);

/*
 * Noncentral t: (Z + shift)/sqrt(V/dof), with Z standard normal and V chi-square with dof >= 1
 * degrees of freedom; |shift| <= 1e4. By integration over V (adaptive Gauss-Kronrod).
 * Absolute error below 1e-10.
 */
CB_API double cb_stats_noncentral_t_cdf(double t, double dof, double shift);

/*
 * The studentised range: the range of `groups` >= 2 standard normal values over an independent
 * estimate of their deviation with dof >= 2 degrees of freedom (INFINITY: the deviation is known).
 * The probability of more than q >= 0, and the value that is exceeded with the probability p,
 * 0 < p < 1. By integration (Copenhaver, Holland 1988, for the formula). groups <= 1000.
 * Absolute error of the probability below 1e-8, relative error of the value below 1e-6 for
 * 1e-4 <= p <= 0.999.
 */
CB_API double cb_stats_range_upper(double q, size_t groups, double dof);
CB_API double cb_stats_range_quantile(double p, size_t groups, double dof);

#ifdef __cplusplus
}
#endif
#endif
