/* SPDX-License-Identifier: MIT */
/*
 * What a search found: its best share, and the best that is to be expected after k trials.
 */
#include "cellbench/stats_summary.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

/* ---- best share ---- */

typedef struct placed {
    double value;
    size_t at;
} placed;

static int best_first(const void *a, const void *b) {
    const placed *x = a, *y = b;
    if (x->value != y->value)
        return (x->value > y->value) - (x->value < y->value);
    return (x->at > y->at) - (x->at < y->at);
}

cb_status cb_stats_best_share(const double *values, size_t n, double share, size_t *best,
                              size_t *count, cb_err *err) {
    size_t there = 0;
    *count = 0;
    if (!(share > 0.0) || !(share <= 1.0))
        return cb_fail(err, CB_EARG, "best share: expected 0 < share <= 1, got %g", share);
    placed *order = cbi_calloc(n, sizeof *order);
    if (order == NULL)
        return cb_fail(err, CB_ENOMEM, "best share: no memory for %zu values", n);
    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i]))
            order[there++] = (placed){values[i], i};
    qsort(order, there, sizeof *order, best_first);
    /* A tenth of 30 is 3, though 0.1 is a little more than a tenth. */
    *count = (size_t)ceil(share * (double)there * (1.0 - 1e-12));
    if (*count == 0 && there > 0)
        *count = 1;
    for (size_t i = 0; i < *count; i++)
        best[i] = order[i].at;
    cbi_free(order);
    return CB_OK;
}

/* ---- expected best ---- */

/*
 * Of the choices of k out of n, the share whose lowest is the i-th value (from 0) is w_i =
 * C(n - 1 - i, k - 1)/C(n, k): w_0 = k/n and w_{i+1} = w_i (n - k - i)/(n - 1 - i). Shares fall at
 * least by the factor 1 - k/n each, so that for all k together about n log n of them count; the
 * loop ends where the rest cannot change the sum. Summed above the lowest value: all terms are
 * positive.
 */
static double mean_of_least(const double *sorted, size_t n, size_t k, int power, double centre) {
    const double spread = pow(fabs(sorted[n - 1] - centre) + fabs(centre - sorted[0]), power);
    double share = (double)k / (double)n, sum = 0.0;
    for (size_t i = 0; i + k <= n; i++) {
        const double d = sorted[i] - centre;
        sum += share * (power == 2 ? d * d : d);
        share *= (double)(n - k - i) / (double)(n > 1 + i ? n - 1 - i : 1);
        if (share * (double)(n - i) * spread <= 1e-18 * sum)
            break;
    }
    return sum;
}

cb_status cb_stats_expected_best(const double *values, size_t n, double *curve, double *deviation,
                                 cb_err *err) {
    size_t finite = 0;
    if (n == 0)
        return cb_fail(err, CB_EARG, "expected best: expected at least 1 value, got 0");
    double *sorted = cbi_calloc(n, sizeof *sorted);
    if (sorted == NULL)
        return cb_fail(err, CB_ENOMEM, "expected best: no memory for %zu values", n);
    for (size_t i = 0; i < n; i++)
        sorted[i] = values[i];
    if (cb_stats_sort(sorted, n) < n) {
        cbi_free(sorted);
        return cb_fail(err, CB_EARG, "expected best: expected a number for each trial, got NaN");
    }
    while (finite < n && sorted[finite] < (double)INFINITY)
        finite++;
    for (size_t k = 1; k <= n; k++) {
        const double low = sorted[0];
        const int met = n - finite < k && isfinite(low); /* always a finite one among k */
        curve[k - 1] = met ? low + mean_of_least(sorted, n, k, 1, low)
                           : (isfinite(low) ? (double)INFINITY : low);
        if (deviation != NULL)
            deviation[k - 1] =
                met ? sqrt(mean_of_least(sorted, n, k, 2, curve[k - 1])) : (double)NAN;
    }
    cbi_free(sorted);
    return CB_OK;
}
