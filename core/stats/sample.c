/* SPDX-License-Identifier: MIT */
/*
 * Values without those that are missing, moments and ranks. Sums are long double (80 bits here), in
 * two passes: squares around the mean keep their digits, and values near the largest number do not
 * overflow. That nothing varies is told from the values, not from a variance that rounding left.
 */
#include "stats/sample.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

cb_status cbi_pool(const double *a, size_t *n_a, const double *b, size_t *n_b, int finite_only,
                   double **out, cb_err *err) {
    size_t most;
    *out = NULL;
    cb_status st = cb_size_add(*n_a, *n_b, &most);
    double *pool = st == CB_OK ? cbi_calloc(most, sizeof *pool) : NULL;
    if (pool == NULL)
        return cb_fail(err, CB_ENOMEM, "statistics: no memory for %zu and %zu values", *n_a, *n_b);
    size_t n = 0, first;
    for (size_t i = 0; i < *n_a; i++)
        if (!isnan(a[i]) && !(finite_only && isinf(a[i])))
            pool[n++] = a[i];
    first = n;
    for (size_t i = 0; i < *n_b; i++)
        if (!isnan(b[i]) && !(finite_only && isinf(b[i])))
            pool[n++] = b[i];
    *n_a = first;
    *n_b = n - first;
    *out = pool;
    return CB_OK;
}

cb_status cbi_differences(const double *a, const double *b, size_t n, int finite_only, double **out,
                          size_t *count, cb_err *err) {
    *count = 0;
    double *d = *out = cbi_calloc(n, sizeof *d);
    if (d == NULL)
        return cb_fail(err, CB_ENOMEM, "statistics: no memory for %zu differences", n);
    for (size_t i = 0; i < n; i++) {
        const double difference = a[i] == b[i] ? 0.0 : a[i] - b[i];
        if (!isnan(difference) && !(finite_only && (!isfinite(difference) || isinf(a[i]))))
            d[(*count)++] = difference;
    }
    return CB_OK;
}

/* ---- moments ---- */

static cbi_moments moments_end(size_t n, long double sum) {
    const cbi_moments none = {n, (double)NAN, (double)NAN};
    return n == 0 ? none : (cbi_moments){n, (double)(sum / (long double)n), (double)NAN};
}

/* Values that are all the same have the variance 0, whatever rounding made of their mean. */
static void set_variance(cbi_moments *m, long double squares, int is_constant) {
    if (m->n >= 2)
        m->variance = is_constant ? 0.0 : (double)(squares / (long double)(m->n - 1));
}

cbi_moments cbi_moments_of(const double *values, size_t n) {
    size_t count = 0;
    long double sum = 0.0L, squares = 0.0L;
    double low = (double)INFINITY, high = -(double)INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            continue;
        count++;
        sum += (long double)values[i];
        low = fmin(low, values[i]);
        high = fmax(high, values[i]);
    }
    cbi_moments m = moments_end(count, sum);
    const long double mean = count > 0 ? sum / (long double)count : 0.0L;
    for (size_t i = 0; i < n; i++)
        if (isfinite(values[i]))
            squares += ((long double)values[i] - mean) * ((long double)values[i] - mean);
    set_variance(&m, squares, low >= high);
    if (low == high)
        m.mean = low;
    return m;
}

cbi_moments cbi_paired_moments(const double *a, const double *b, size_t n, cbi_moments *first,
                               cbi_moments *second) {
    size_t count = 0;
    long double sum = 0.0L, sum_a = 0.0L, sum_b = 0.0L, squares = 0.0L;
    long double low = (long double)INFINITY, high = -(long double)INFINITY, largest = 0.0L;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(a[i]) || !isfinite(b[i]))
            continue;
        const long double d = (long double)a[i] - (long double)b[i];
        count++;
        sum += d;
        sum_a += (long double)a[i];
        sum_b += (long double)b[i];
        low = d < low ? d : low;
        high = d > high ? d : high;
        largest = fmaxl(largest, fmaxl(fabsl((long double)a[i]), fabsl((long double)b[i])));
    }
    cbi_moments m = moments_end(count, sum);
    const long double mean = count > 0 ? sum / (long double)count : 0.0L;
    for (size_t i = 0; i < n; i++)
        if (isfinite(a[i]) && isfinite(b[i])) {
            const long double d = (long double)a[i] - (long double)b[i] - mean;
            squares += d * d;
        }
    /* 0.3 - 0.2 and 0.2 - 0.1 are the same difference. */
    set_variance(&m, squares, !(high - low > 2.0L * (long double)DBL_EPSILON * largest));
    if (first != NULL)
        *first = moments_end(count, sum_a);
    if (second != NULL)
        *second = moments_end(count, sum_b);
    return m;
}

/* ---- ranks ---- */

typedef struct placed {
    double value;
    size_t at;
} placed;

static int by_value(const void *a, const void *b) {
    const double x = ((const placed *)a)->value, y = ((const placed *)b)->value;
    return (x > y) - (x < y);
}

cb_status cbi_rank(const double *values, size_t n, uint64_t *twice, double *ties, cb_err *err) {
    *ties = 0.0;
    placed *order = cbi_calloc(n, sizeof *order);
    if (order == NULL)
        return cb_fail(err, CB_ENOMEM, "statistics: no memory for the ranks of %zu values", n);
    for (size_t i = 0; i < n; i++)
        order[i] = (placed){values[i], i};
    qsort(order, n, sizeof *order, by_value);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && order[to].value == order[from].value; to++)
            ;
        const double t = (double)(to - from);
        *ties += t * t * t - t;
        for (size_t i = from; i < to; i++) /* (from + 1 + to)/2 is their mean rank */
            twice[order[i].at] = from + 1 + to;
    }
    cbi_free(order);
    return CB_OK;
}
