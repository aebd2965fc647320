/* SPDX-License-Identifier: MIT */
/*
 * Power of t tests by the noncentral t distribution, and the least n by bisection: power grows with
 * n.
 */
#include "cellbench/stats_power.h"

#include <math.h>

#include "cellbench/stats_distribution.h"

static const double shift_most = 1e4; /* of cb_stats_noncentral_t_cdf */

enum { SEEDS_MOST = 1000000 };

static double power_of(double shift, double dof, double alpha) {
    const double edge = cb_stats_t_quantile(1.0 - 0.5 * alpha, dof);
    if (shift > shift_most) { /* chance is in the estimated deviation alone */
        const double ratio = shift / edge;
        return 1.0 - cb_stats_gamma_upper(0.5 * dof, fmin(0.5 * dof * ratio * ratio, 1e300));
    }
    return 1.0 - cb_stats_noncentral_t_cdf(edge, dof, shift) +
           cb_stats_noncentral_t_cdf(-edge, dof, shift);
}

static int is_share(double p) {
    return p > 0.0 && p < 1.0;
}

double cb_stats_power_paired(double difference, double sd, size_t n, double alpha) {
    if (isnan(difference) || !(sd > 0.0) || isinf(sd) || !is_share(alpha))
        return (double)NAN;
    return n < 2 ? 0.0 : power_of(fabs(difference) / sd * sqrt((double)n), (double)(n - 1), alpha);
}

double cb_stats_power_welch(double difference, double sd_a, double sd_b, size_t n, double alpha) {
    const double larger = fmax(sd_a, sd_b), u = sd_a / larger, v = sd_b / larger;
    if (isnan(difference) || !(sd_a >= 0.0) || !(sd_b >= 0.0) || !(larger > 0.0) || isinf(larger) ||
        !is_share(alpha))
        return (double)NAN;
    const double both = u * u + v * v;
    const double dof = (double)(n - 1) * both * both / (u * u * u * u + v * v * v * v);
    return n < 2 ? 0.0 : power_of(fabs(difference) / larger * sqrt((double)n / both), dof, alpha);
}

/* One test with all but n given. */
typedef struct t_plan {
    double difference, sd_a, sd_b, alpha;
    int is_paired;
} t_plan;

static double power_with(const t_plan *plan, size_t n) {
    return plan->is_paired
               ? cb_stats_power_paired(plan->difference, plan->sd_a, n, plan->alpha)
               : cb_stats_power_welch(plan->difference, plan->sd_a, plan->sd_b, n, plan->alpha);
}

static size_t least(const t_plan *plan, double power) {
    size_t low = 1, high = 2; /* low is too few */
    if (!is_share(power) || !(power > plan->alpha) || !(fabs(plan->difference) > 0.0) ||
        !(power_with(plan, SEEDS_MOST) >= power))
        return 0;
    while (power_with(plan, high) < power) {
        low = high;
        high = high < SEEDS_MOST / 2 ? 2 * high : SEEDS_MOST;
    }
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (power_with(plan, middle) < power)
            low = middle;
        else
            high = middle;
    }
    return high;
}

size_t cb_stats_seeds_paired(double difference, double sd, double alpha, double power) {
    const t_plan plan = {difference, sd, sd, alpha, 1};
    return least(&plan, power);
}

size_t cb_stats_seeds_welch(double difference, double sd_a, double sd_b, double alpha,
                            double power) {
    const t_plan plan = {difference, sd_a, sd_b, alpha, 0};
    return least(&plan, power);
}
