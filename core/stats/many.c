/* SPDX-License-Identifier: MIT */
/*
 * Adjusted p values: multiplied by what their place among the others asks for, and made monotone.
 */
#include "cellbench/stats_many.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

typedef struct placed {
    double p;
    size_t at;
} placed;

static int by_p(const void *a, const void *b) {
    const placed *x = a, *y = b;
    return x->p != y->p ? (x->p > y->p) - (x->p < y->p) : (x->at > y->at) - (x->at < y->at);
}

/* The p values that are there, ascending. The caller frees *out. */
static cb_status in_order(const double *p, size_t n, double *adjusted, placed **out, size_t *count,
                          cb_err *err) {
    *count = 0;
    placed *order = *out = cbi_calloc(n, sizeof *order);
    if (order == NULL)
        return cb_fail(err, CB_ENOMEM, "adjusting p values: no memory for %zu", n);
    for (size_t i = 0; i < n; i++) {
        if (!isnan(p[i]))
            order[(*count)++] = (placed){p[i], i};
        adjusted[i] = p[i];
    }
    qsort(order, *count, sizeof *order, by_p);
    return CB_OK;
}

cb_status cb_stats_holm(const double *p, size_t n, double *adjusted, cb_err *err) {
    placed *order;
    size_t count;
    double highest = 0.0;
    cb_status st = in_order(p, n, adjusted, &order, &count, err);
    for (size_t i = 0; st == CB_OK && i < count; i++) {
        highest = fmax(highest, fmin(1.0, (double)(count - i) * order[i].p));
        adjusted[order[i].at] = highest;
    }
    cbi_free(order);
    return st;
}

cb_status cb_stats_benjamini_hochberg(const double *p, size_t n, double *adjusted, cb_err *err) {
    placed *order;
    size_t count;
    double lowest = 1.0;
    cb_status st = in_order(p, n, adjusted, &order, &count, err);
    for (size_t i = count; st == CB_OK && i > 0; i--) {
        lowest = fmin(lowest, (double)count / (double)i * order[i - 1].p);
        adjusted[order[i - 1].at] = lowest;
    }
    cbi_free(order);
    return st;
}
