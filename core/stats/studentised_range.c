/* SPDX-License-Identifier: MIT */
/*
 * The studentised range. The range of k normal values is at most w if, whichever is the largest, z,
 * the others lie between z - w and z: k times the integral over z. With an estimated deviation s, w
 * is q s, and that is integrated over the distribution of s.
 */
#include "cellbench/stats_distribution.h"

#include <math.h>

#include "stats/special.h"

static const double inner_tolerance = 1e-12, outer_tolerance = 1e-10;

enum { GROUPS_MOST = 1000, STEPS_MOST = 100 };

typedef struct range {
    double q, groups, dof, width;
} range;

static double given_largest(double z, const void *context) {
    const range *of = context;
    const double between = cb_stats_normal_cdf(z) - cb_stats_normal_cdf(z - of->width);
    return of->groups * cbi_normal_density(z) * pow(between, of->groups - 1.0);
}

/* The probability of a range of at most `width`. The density is below 1e-17 beyond 8.5. */
static double range_cdf(double width, double groups) {
    const range of = {.groups = groups, .width = width};
    return cbi_integrate(given_largest, &of, -8.5, 0.5 * width, inner_tolerance) +
           cbi_integrate(given_largest, &of, 0.5 * width, 8.5, inner_tolerance);
}

static double given_deviation(double s, const void *context) {
    const range *of = context;
    return range_cdf(of->q * s, of->groups) * cbi_chi_density(s, of->dof);
}

double cb_stats_range_upper(double q, size_t groups, double dof) {
    if (!(q >= 0.0) || groups < 2 || groups > GROUPS_MOST || !(dof >= 2.0))
        return (double)NAN;
    if (q <= 0.0 || isinf(q))
        return q <= 0.0 ? 1.0 : 0.0;
    const range of = {.q = q, .groups = (double)groups, .dof = dof};
    double cdf, low, high;
    if (isinf(dof)) {
        cdf = range_cdf(q, of.groups);
    } else {
        cbi_chi_range(dof, &low, &high);
        cdf = cbi_integrate(given_deviation, &of, low, 1.0, outer_tolerance) +
              cbi_integrate(given_deviation, &of, 1.0, high, outer_tolerance);
    }
    return fmin(fmax(1.0 - cdf, 0.0), 1.0);
}

/* Regula falsi, where an end that stays twice counts half (Illinois): few integrals, and the
 * bracket stays. */
double cb_stats_range_quantile(double p, size_t groups, double dof) {
    if (!(p > 0.0) || !(p < 1.0) || isnan(cb_stats_range_upper(0.0, groups, dof)))
        return (double)NAN;
    double low = 0.0, high = 4.0, at_low = 1.0 - p, at_high, q = high, last = 0.0;
    while ((at_high = cb_stats_range_upper(high, groups, dof) - p) > 0.0 && high < 1e9) {
        low = high;
        at_low = at_high;
        high *= 2.0;
    }
    for (int i = 0, stayed = 0; i < STEPS_MOST && fabs(q - last) > 1e-10 * q; i++) {
        last = q;
        q = low + (high - low) * at_low / (at_low - at_high);
        const double at = cb_stats_range_upper(q, groups, dof) - p;
        if (at > 0.0) {
            low = q;
            at_low = at;
            at_high *= stayed == 1 ? 0.5 : 1.0;
            stayed = 1;
        } else {
            high = q;
            at_high = at;
            at_low *= stayed == -1 ? 0.5 : 1.0;
            stayed = -1;
        }
    }
    return q;
}
