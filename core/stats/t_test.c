/* SPDX-License-Identifier: MIT */
/*
 * Tests by means: Welch's, the paired t, and two one-sided tests for equivalence.
 */
#include "cellbench/stats_test.h"

#include <math.h>

#include "cellbench/stats_distribution.h"
#include "stats/sample.h"

static const double undefined = (double)NAN;

/* t, probabilities and interval of a difference with its error; all NaN where nothing tells how
 * much chance there is. */
static void test_difference(cb_stats_difference *d, double level) {
    d->t = d->p = d->p_less = d->p_greater = d->low = d->high = undefined;
    if (!(d->standard_error > 0.0) || !(d->dof > 0.0))
        return;
    d->t = d->difference / d->standard_error;
    d->p_less = cb_stats_t_cdf(d->t, d->dof);
    d->p_greater = cb_stats_t_cdf(-d->t, d->dof);
    d->p = fmin(1.0, 2.0 * fmin(d->p_less, d->p_greater));
    const double half = cb_stats_t_quantile(0.5 + 0.5 * level, d->dof) * d->standard_error;
    d->low = d->difference - half;
    d->high = d->difference + half;
}

cb_stats_difference cb_stats_welch(const double *a, size_t n_a, const double *b, size_t n_b,
                                   double level) {
    const cbi_moments first = cbi_moments_of(a, n_a), second = cbi_moments_of(b, n_b);
    cb_stats_difference out = {.n_a = first.n,
                               .n_b = second.n,
                               .mean_a = first.mean,
                               .mean_b = second.mean,
                               .difference = first.mean - second.mean,
                               .sd = sqrt(0.5 * first.variance + 0.5 * second.variance)};
    const double part_a = first.variance / (double)first.n;
    const double part_b = second.variance / (double)second.n;
    out.standard_error = sqrt(part_a + part_b);
    /* Of shares of the larger, so that no square is lost to under- or overflow. */
    const double scale = fmax(part_a, part_b), u = part_a / scale, v = part_b / scale;
    out.dof =
        (u + v) * (u + v) / (u * u / ((double)first.n - 1.0) + v * v / ((double)second.n - 1.0));
    test_difference(&out, level);
    return out;
}

cb_stats_difference cb_stats_paired(const double *a, const double *b, size_t n, double level) {
    cbi_moments first, second;
    const cbi_moments d = cbi_paired_moments(a, b, n, &first, &second);
    cb_stats_difference out = {.n_a = d.n,
                               .n_b = d.n,
                               .mean_a = first.mean,
                               .mean_b = second.mean,
                               .difference = d.mean,
                               .sd = sqrt(d.variance),
                               .standard_error = sqrt(d.variance / (double)d.n),
                               .dof = d.n > 0 ? (double)(d.n - 1) : undefined};
    test_difference(&out, level);
    return out;
}

cb_stats_equivalence cb_stats_equivalent(const cb_stats_difference *difference, double margin,
                                         double alpha) {
    cb_stats_equivalence out = {undefined, undefined, undefined, undefined, undefined};
    const double error = difference->standard_error, dof = difference->dof;
    if (!(margin > 0.0) || !(alpha > 0.0) || !(alpha < 0.5) || isnan(difference->t))
        return out;
    out.p_low = cb_stats_t_cdf(-(difference->difference + margin) / error, dof);
    out.p_high = cb_stats_t_cdf((difference->difference - margin) / error, dof);
    out.p = fmax(out.p_low, out.p_high);
    const double half = cb_stats_t_quantile(1.0 - alpha, dof) * error;
    out.low = difference->difference - half;
    out.high = difference->difference + half;
    return out;
}
