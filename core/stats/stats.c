/* SPDX-License-Identifier: MIT */
/*
 * The incomplete beta function by its continued fraction (modified Lentz, DLMF 8.17.22), on the
 * side where it converges fast; the t quantile by Newton's method on the tail, kept within a
 * bracket. Arguments are passed with their complements to 1, so that neither tail loses digits.
 */
#include "cellbench/stats.h"

#include <float.h>
#include <math.h>

enum { FRACTION_MOST = 20000, STEPS_MOST = 200 };

static double log_gamma(double x) {
    int sign; /* lgamma() has it in a global variable */
    return lgamma_r(x, &sign);
}

static double away_from_zero(double x) {
    return fabs(x) < DBL_MIN ? DBL_MIN : x;
}

/* Converges in about sqrt(max(a, b)) steps for x < (a + 1)/(a + b + 2). */
static double fraction(double a, double b, double x) {
    double c = 1.0, d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0)), value = d;
    for (int m = 1; m <= FRACTION_MOST; m++) {
        const double k = m, twice = a + 2.0 * k;
        const double terms[2] = {k * (b - k) * x / ((twice - 1.0) * twice),
                                 -(a + k) * (a + b + k) * x / (twice * (twice + 1.0))};
        double factor = 1.0;
        for (int i = 0; i < 2; i++) {
            d = 1.0 / away_from_zero(1.0 + terms[i] * d);
            c = away_from_zero(1.0 + terms[i] / c);
            factor = c * d;
            value *= factor;
        }
        if (fabs(factor - 1.0) < 4.0 * DBL_EPSILON)
            break;
    }
    return value;
}

/* I_x(a, b) with y = 1 - x given. */
static double beta(double a, double b, double x, double y) {
    if (x <= 0.0 || y <= 0.0)
        return x <= 0.0 ? 0.0 : 1.0;
    const double front =
        exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log(y));
    if (x < (a + 1.0) / (a + b + 2.0))
        return front * fraction(a, b, x) / a;
    return 1.0 - front * fraction(b, a, y) / b;
}

double cb_stats_beta(double a, double b, double x) {
    if (!(a > 0.0) || !(b > 0.0) || !(x >= 0.0) || !(x <= 1.0))
        return (double)NAN;
    return beta(a, b, x, 1.0 - x);
}

/* The probability of a value above t >= 0. */
static double upper_tail(double t, double dof) {
    const double square = t * t;
    if (isinf(square))
        return 0.0;
    return 0.5 * beta(0.5 * dof, 0.5, dof / (dof + square), square / (dof + square));
}

double cb_stats_t_cdf(double t, double dof) {
    if (!(dof > 0.0) || isnan(t))
        return (double)NAN;
    return t < 0.0 ? upper_tail(-t, dof) : 1.0 - upper_tail(t, dof);
}

static double t_density(double t, double dof) {
    return exp(log_gamma(0.5 * (dof + 1.0)) - log_gamma(0.5 * dof) -
               0.5 * log(dof * 3.14159265358979323846) - 0.5 * (dof + 1.0) * log1p(t * t / dof));
}

double cb_stats_t_quantile(double p, double dof) {
    if (!(p > 0.0) || !(p < 1.0) || !(dof > 0.0))
        return (double)NAN;
    if (p < 0.5)
        return -cb_stats_t_quantile(1.0 - p, dof);
    const double tail = 1.0 - p;
    double low = 0.0, high = 1.0;
    while (upper_tail(high, dof) > tail && high < DBL_MAX / 4.0) {
        low = high;
        high *= 2.0;
    }
    double t = 0.5 * (low + high);
    for (int i = 0; i < STEPS_MOST; i++) {
        const double excess = upper_tail(t, dof) - tail;
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

cb_stats_mean cb_stats_mean_of(const double *values, size_t n, double level) {
    cb_stats_mean out = {0, (double)NAN, (double)NAN, (double)NAN, (double)NAN};
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(values[i])) {
            sum += values[i];
            out.n++;
        }
    if (out.n == 0)
        return out;
    out.mean = sum / (double)out.n;
    if (out.n < 2)
        return out;
    for (size_t i = 0; i < n; i++)
        if (isfinite(values[i]))
            squares += (values[i] - out.mean) * (values[i] - out.mean);
    const double dof = (double)(out.n - 1);
    out.sd = sqrt(squares / dof);
    const double half = cb_stats_t_quantile(0.5 + 0.5 * level, dof) * out.sd / sqrt((double)out.n);
    out.low = out.mean - half;
    out.high = out.mean + half;
    return out;
}
