/* SPDX-License-Identifier: MIT */
/*
 * Noncentral t: given the estimated deviation s, the statistic is at most t if a normal value is at
 * most t s - shift; the integral of that probability over the distribution of s. It is smooth, and
 * where it falls from 1 to 0 quickly (at s = shift/t) the interval is cut.
 */
#include "cellbench/stats_distribution.h"

#include <math.h>

#include "stats/special.h"

static const double tolerance = 1e-12;

typedef struct statistic {
    double t, dof, shift;
} statistic;

static double given_deviation(double s, const void *context) {
    const statistic *of = context;
    return cb_stats_normal_cdf(of->t * s - of->shift) * cbi_chi_density(s, of->dof);
}

double cb_stats_noncentral_t_cdf(double t, double dof, double shift) {
    if (!(dof >= 1.0) || isinf(dof) || isnan(t) || !(fabs(shift) <= 1e4))
        return (double)NAN;
    if (isinf(t))
        return t > 0.0 ? 1.0 : 0.0;
    const statistic of = {t, dof, shift};
    double low, high;
    cbi_chi_range(dof, &low, &high);
    const double edge = t != 0.0 ? fmin(fmax(shift / t, low), high) : low;
    const double sum = cbi_integrate(given_deviation, &of, low, edge, tolerance) +
                       cbi_integrate(given_deviation, &of, edge, high, tolerance);
    return fmin(fmax(sum, 0.0), 1.0);
}
