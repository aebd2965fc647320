/* SPDX-License-Identifier: MIT */
/*
 * Normal, t, chi-square and F. Quantiles by Newton's or Halley's method on the tail. Arguments are
 * passed with their complements to 1, so that neither tail loses digits.
 */
#include "cellbench/stats_distribution.h"

#include <float.h>
#include <math.h>

#include "stats/special.h"

enum { STEPS_MOST = 200 };

double cb_stats_normal_cdf(double x) {
    return 0.5 * erfc(-x * 0.70710678118654752440);
}

/* From Hastings' approximation (Abramowitz, Stegun 26.2.23, error below 4.5e-4) by Halley's method,
 * which takes the third power of the error: three steps leave rounding errors. */
double cb_stats_normal_quantile(double p) {
    if (!(p > 0.0) || !(p < 1.0))
        return (double)NAN;
    if (p > 0.5)
        return -cb_stats_normal_quantile(1.0 - p);
    const double t = sqrt(-2.0 * log(p));
    double x = (2.515517 + t * (0.802853 + t * 0.010328)) /
                   (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308))) -
               t;
    for (int i = 0; i < 3; i++) {
        const double density = cbi_normal_density(x);
        if (density < DBL_MIN)
            break;
        const double step = (cb_stats_normal_cdf(x) - p) / density;
        x -= step / (1.0 + 0.5 * x * step);
    }
    return x;
}

/* The probability of a value above t >= 0. */
static double t_upper(double t, double dof) {
    const double square = t * t;
    if (isinf(square))
        return 0.0;
    return 0.5 * cbi_beta(0.5 * dof, 0.5, dof / (dof + square), square / (dof + square));
}

double cb_stats_t_cdf(double t, double dof) {
    if (!(dof > 0.0) || isnan(t))
        return (double)NAN;
    return t < 0.0 ? t_upper(-t, dof) : 1.0 - t_upper(t, dof);
}

static double t_density(double t, double dof) {
    return exp(cbi_log_gamma(0.5 * (dof + 1.0)) - cbi_log_gamma(0.5 * dof) -
               0.5 * log(dof * 3.14159265358979323846) - 0.5 * (dof + 1.0) * log1p(t * t / dof));
}

double cb_stats_t_quantile(double p, double dof) {
    if (!(p > 0.0) || !(p < 1.0) || !(dof > 0.0))
        return (double)NAN;
    if (p < 0.5)
        return -cb_stats_t_quantile(1.0 - p, dof);
    const double tail = 1.0 - p;
    double low = 0.0, high = 1.0;
    while (t_upper(high, dof) > tail && high < DBL_MAX / 4.0) {
        low = high;
        high *= 2.0;
    }
    double t = 0.5 * (low + high);
    for (int i = 0; i < STEPS_MOST; i++) {
        const double excess = t_upper(t, dof) - tail;
        if (excess > 0.0)
            low = t;
        else
            high = t;
        double next = t + excess / t_density(t, dof);
        if (!(next > low && next < high))
            next = 0.5 * (low + high);
        if (fabs(next - t) <= DBL_EPSILON * fabs(next))
            return next;
        t = next;
    }
    return t;
}

double cb_stats_chi_square_upper(double x, double dof) {
    if (!(dof > 0.0) || !(x >= 0.0))
        return (double)NAN;
    return cb_stats_gamma_upper(0.5 * dof, 0.5 * x);
}

double cb_stats_f_upper(double x, double dof_a, double dof_b) {
    if (!(dof_a > 0.0) || !(dof_b > 0.0) || !(x >= 0.0))
        return (double)NAN;
    const double scaled = dof_a * x;
    if (isinf(scaled))
        return 0.0;
    return cbi_beta(0.5 * dof_b, 0.5 * dof_a, dof_b / (dof_b + scaled), scaled / (dof_b + scaled));
}
