/* SPDX-License-Identifier: MIT */
/*
 * Statistics of results: the mean of a few values with its interval, and the distribution that it
 * takes. Plain functions of numbers: they allocate nothing and know no database.
 */
#ifndef CELLBENCH_STATS_H
#define CELLBENCH_STATS_H

#include <stddef.h>

#include "cellbench/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The regularised incomplete beta function I_x(a, b), for a, b > 0 and 0 <= x <= 1 (else NaN).
 * Relative error below 1e-9 for a, b <= 1e5. */
CB_API double cb_stats_beta(double a, double b, double x);

/* Student's t with `dof` > 0 degrees of freedom, which need not be whole: the probability of a
 * value of at most t, and the value that is not exceeded with the probability p, 0 < p < 1 (else
 * NaN). Relative error of the quantile below 1e-9 for dof <= 1e5. */
CB_API double cb_stats_t_cdf(double t, double dof);
CB_API double cb_stats_t_quantile(double p, double dof);

typedef struct cb_stats_mean {
    size_t n;         /* finite values; the others are left out */
    double mean;      /* NaN if n is 0 */
    double sd;        /* with n - 1; NaN if n < 2 */
    double low, high; /* interval of the mean; NaN if n < 2 */
} cb_stats_mean;

/*
 * Mean, standard deviation and the interval mean -+ t(level, n - 1) sd/sqrt(n), which covers the
 * mean of the distribution that the values are drawn from with the probability `level` (0.95, say),
 * if they are independent and that distribution is normal. The values are added in their order.
 */
CB_API cb_stats_mean cb_stats_mean_of(const double *values, size_t n, double level);

#ifdef __cplusplus
}
#endif
#endif
