/* SPDX-License-Identifier: MIT */
/*
 * Effect sizes. Cliff's delta looks at all n_a n_b pairs; counts by bisection in the sorted other
 * set need only n log n steps.
 */
#include "cellbench/stats_effect.h"

#include <math.h>

#include "base/alloc.h"
#include "cellbench/stats_distribution.h"
#include "cellbench/stats_summary.h"
#include "stats/sample.h"
#include "stats/special.h"

static const double undefined = (double)NAN;

/* ---- Cliff's delta ---- */

/* How many of the sorted values are below x (or, or_equal: at most x). */
static size_t count_below(const double *sorted, size_t n, double x, int or_equal) {
    size_t low = 0, high = n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (sorted[middle] < x || (or_equal && sorted[middle] == x))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The dominance of each value of `own` over the sorted `other`: (lower - higher)/m. Returns the sum
 * of squares around `delta` (which may have the other sign), the pairs that are no ties in *pairs.
 */
static double dominance(const double *own, size_t n, const double *other, size_t m, double delta,
                        double *mean, double *pairs) {
    double sum = 0.0, squares = 0.0;
    *pairs = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double lower = (double)count_below(other, m, own[i], 0);
        const double higher = (double)m - (double)count_below(other, m, own[i], 1);
        const double d = (lower - higher) / (double)m;
        sum += lower - higher;
        squares += (d - delta) * (d - delta);
        *pairs += lower + higher;
    }
    *mean = sum / ((double)n * (double)m);
    return squares;
}

/* Cliff's interval around d with the variance v, for a normal quantile z. */
static void asymmetric(cb_stats_effect *out, double v, double z) {
    const double d = out->value, rest = 1.0 - d * d;
    const double spread = z * sqrt(v) * sqrt(rest * rest + z * z * v);
    const double scale = rest + z * z * v;
    out->low = fmax(-1.0, (d - d * d * d - spread) / scale);
    out->high = fmin(1.0, (d - d * d * d + spread) / scale);
}

static void cliff(const double *a, const double *b, double level, cb_stats_effect *out) {
    const double n = (double)out->n_a, m = (double)out->n_b;
    const double z = cb_stats_normal_quantile(0.5 + 0.5 * level);
    double pairs, mean;
    dominance(a, out->n_a, b, out->n_b, 0.0, &out->value, &pairs);
    if (out->n_a < 2 || out->n_b < 2 || isnan(z))
        return;
    const double d = out->value;
    if (fabs(d) >= 1.0) {
        const double fewer = fmin(n, m), inner = (fewer - z * z) / (fewer + z * z);
        out->low = d > 0.0 ? inner : -1.0;
        out->high = d > 0.0 ? 1.0 : -inner;
        return;
    }
    const double rows = dominance(a, out->n_a, b, out->n_b, d, &mean, &pairs);
    const double columns = dominance(b, out->n_b, a, out->n_a, -d, &mean, &pairs);
    const double all = pairs - n * m * d * d;
    const double v = (m * m * rows + n * n * columns - all) / (n * m * (n - 1.0) * (m - 1.0));
    asymmetric(out, fmax(v, (1.0 - d * d) / (n * m - 1.0)), z);
}

cb_status cb_stats_cliff(const double *a, size_t n_a, const double *b, size_t n_b, double level,
                         cb_stats_effect *out, cb_err *err) {
    double *pool;
    *out = (cb_stats_effect){0, 0, undefined, undefined, undefined};
    cb_status st = cbi_pool(a, &n_a, b, &n_b, 0, &pool, err);
    if (st != CB_OK)
        return st;
    out->n_a = cb_stats_sort(pool, n_a);
    out->n_b = cb_stats_sort(pool + n_a, n_b);
    if (n_a > 0 && n_b > 0)
        cliff(pool, pool + n_a, level, out);
    cbi_free(pool);
    return CB_OK;
}

/* ---- Hedges' g ---- */

/* The shift with which a noncentral t is at most t with the probability p: it falls with the
 * shift. */
static double shift_of(double t, double dof, double p) {
    double low = t - 1.0, high = t + 1.0;
    for (double step = 1.0; cb_stats_noncentral_t_cdf(t, dof, low) < p; step *= 2.0)
        low -= step;
    for (double step = 1.0; cb_stats_noncentral_t_cdf(t, dof, high) > p; step *= 2.0)
        high += step;
    if (isnan(cb_stats_noncentral_t_cdf(t, dof, low)) ||
        isnan(cb_stats_noncentral_t_cdf(t, dof, high)))
        return undefined;
    while (high - low > 1e-10 * (1.0 + fabs(low) + fabs(high))) {
        const double middle = 0.5 * (low + high);
        if (cb_stats_noncentral_t_cdf(t, dof, middle) > p)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}

cb_stats_effect cb_stats_hedges(const double *a, size_t n_a, const double *b, size_t n_b,
                                double level) {
    const cbi_moments first = cbi_moments_of(a, n_a), second = cbi_moments_of(b, n_b);
    cb_stats_effect out = {first.n, second.n, undefined, undefined, undefined};
    const double n = (double)first.n, m = (double)second.n, dof = n + m - 2.0;
    if (first.n < 1 || second.n < 1 || dof < 2.0)
        return out;
    const double squares = (first.n > 1 ? (n - 1.0) * first.variance : 0.0) +
                           (second.n > 1 ? (m - 1.0) * second.variance : 0.0);
    const double sd = sqrt(squares / dof), root = sqrt(n * m / (n + m));
    if (!(sd > 0.0))
        return out;
    const double d = (first.mean - second.mean) / sd;
    out.value =
        d * exp(cbi_log_gamma(0.5 * dof) - cbi_log_gamma(0.5 * (dof - 1.0))) / sqrt(0.5 * dof);
    if (!(level > 0.0) || !(level < 1.0))
        return out;
    out.low = shift_of(d * root, dof, 0.5 + 0.5 * level) / root;
    out.high = shift_of(d * root, dof, 0.5 - 0.5 * level) / root;
    return out;
}
