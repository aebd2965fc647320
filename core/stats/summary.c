/* SPDX-License-Identifier: MIT */
/*
 * One set of values: mean and quantiles.
 */
#include "cellbench/stats_summary.h"

#include <math.h>
#include <stdlib.h>

#include "cellbench/stats_distribution.h"
#include "stats/sample.h"

static const double undefined = (double)NAN;

cb_stats_mean cb_stats_mean_of(const double *values, size_t n, double level) {
    const cbi_moments m = cbi_moments_of(values, n);
    cb_stats_mean out = {m.n, m.mean, sqrt(m.variance), undefined, undefined};
    if (m.n < 2)
        return out;
    const double half =
        cb_stats_t_quantile(0.5 + 0.5 * level, (double)(m.n - 1)) * out.sd / sqrt((double)m.n);
    out.low = out.mean - half;
    out.high = out.mean + half;
    return out;
}

double cb_stats_geometric_mean(const double *values, size_t n) {
    long double sum = 0.0L;
    size_t count = 0;
    int has_zero = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            continue;
        if (values[i] < 0.0)
            return undefined;
        count++;
        if (values[i] > 0.0)
            sum += logl((long double)values[i]);
        else
            has_zero = 1;
    }
    if (count == 0 || has_zero)
        return count == 0 ? undefined : 0.0;
    return (double)expl(sum / (long double)count);
}

/* ---- quantiles ---- */

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

size_t cb_stats_sort(double *values, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i]))
            values[count++] = values[i];
    if (count > 1)
        qsort(values, count, sizeof *values, ascending);
    return count;
}

/* Between two values, `part` of the way. Not by their difference: that of the largest numbers
 * overflows, and that of two infinities is no number. */
static double between(double low, double high, double part) {
    if (part <= 0.0 || low == high)
        return low;
    if (isinf(low) || isinf(high))
        return isinf(low) && isinf(high) ? undefined : isinf(low) ? low : high;
    const double step = high - low;
    return isinf(step) ? (1.0 - part) * low + part * high : low + part * step;
}

double cb_stats_quantile(const double *sorted, size_t n, double p) {
    if (n == 0 || !(p >= 0.0) || !(p <= 1.0))
        return undefined;
    const double at = (double)(n - 1) * p;
    const size_t below = (size_t)at;
    if (below + 1 >= n)
        return sorted[n - 1];
    return between(sorted[below], sorted[below + 1], at - (double)below);
}

double cb_stats_median(const double *sorted, size_t n) {
    return cb_stats_quantile(sorted, n, 0.5);
}

/* The deviations ascend from the median to both sides: the middle of their merged order is reached
 * without a copy. */
double cb_stats_mad(const double *sorted, size_t n) {
    const double median = cb_stats_median(sorted, n);
    if (!isfinite(median))
        return undefined;
    size_t left = 0; /* values below the median, taken from left - 1 downwards */
    while (left < n && sorted[left] < median)
        left++;
    size_t right = left;
    double last = 0.0, before = 0.0;
    for (size_t taken = 0; taken <= n / 2; taken++) {
        before = last;
        if (right == n || (left > 0 && median - sorted[left - 1] <= sorted[right] - median))
            last = median - sorted[--left];
        else
            last = sorted[right++] - median;
    }
    return n % 2 == 1 ? last : between(before, last, 0.5);
}
