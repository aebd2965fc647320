/* SPDX-License-Identifier: MIT */
/*
 * Percentile and BCa intervals of one statistic of one or two samples.
 */
#include "cellbench/stats_bootstrap.h"

#include <math.h>

#include "base/alloc.h"
#include "cellbench/random.h"
#include "cellbench/stats_distribution.h"
#include "cellbench/stats_summary.h"
#include "stats/sample.h"

double cb_stats_function_mean(double *values, size_t n, void *context) {
    (void)context;
    return cbi_moments_of(values, n).mean;
}

double cb_stats_function_median(double *values, size_t n, void *context) {
    (void)context;
    return cb_stats_median(values, cb_stats_sort(values, n));
}

/* One interval in the making. */
typedef struct work {
    cb_stats_bootstrap how; /* with its defaults filled in */
    const double *pool;     /* n_a values, then n_b */
    size_t n_a, n_b;
    double *resample; /* as many */
    double *results;  /* of each resample */
} work;

/* The statistic of what `resample` holds: of a, less that of b if there is one. Only here is it
 * called, always with values that it may reorder. */
static double statistic(const work *w, size_t n_a, size_t n_b) {
    const double first = w->how.statistic(w->resample, n_a, w->how.context);
    return n_b > 0 ? first - w->how.statistic(w->resample + n_a, n_b, w->how.context) : first;
}

static double estimate(const work *w) {
    for (size_t i = 0; i < w->n_a + w->n_b; i++)
        w->resample[i] = w->pool[i];
    return statistic(w, w->n_a, w->n_b);
}

static cb_status resample_given(const work *w, uint32_t r, cb_err *err) {
    const size_t n = w->n_a + w->n_b;
    const uint32_t *indices = w->how.indices + (size_t)r * n;
    for (size_t i = 0; i < n; i++) {
        const size_t most = i < w->n_a ? w->n_a : w->n_b;
        if (indices[i] >= most)
            return cb_fail(err, CB_EARG,
                           "bootstrap: resample %u: expected indices below %zu, got %u",
                           (unsigned)r, most, (unsigned)indices[i]);
        w->resample[i] = w->pool[(i < w->n_a ? 0 : w->n_a) + indices[i]];
    }
    return CB_OK;
}

static void resample_drawn(const work *w, uint32_t r) {
    cb_random stream = cb_random_stream(w->how.seed, "stats/bootstrap", r);
    for (size_t i = 0; i < w->n_a; i++)
        w->resample[i] = w->pool[cb_random_below(&stream, w->n_a)];
    for (size_t i = 0; i < w->n_b; i++)
        w->resample[w->n_a + i] = w->pool[w->n_a + cb_random_below(&stream, w->n_b)];
}

static cb_status run_resamples(const work *w, cb_err *err) {
    cb_status st = CB_OK;
    for (uint32_t r = 0; st == CB_OK && r < w->how.resamples; r++) {
        if (w->how.indices != NULL)
            st = resample_given(w, r, err);
        else
            resample_drawn(w, r);
        w->results[r] = statistic(w, w->n_a, w->n_b);
    }
    return st;
}

/* ---- levels of the two quantiles ---- */

/* The share of results below the estimate, those equal to it half. */
static double bias(const work *w, double at) {
    double below = 0.0;
    for (uint32_t r = 0; r < w->how.resamples; r++)
        below += w->results[r] < at ? 1.0 : w->results[r] == at ? 0.5 : 0.0;
    return cb_stats_normal_quantile(below / (double)w->how.resamples);
}

/* Adds to the sums of squares and cubes the influence of leaving out each of a's values (or b's).
 */
static void jackknife(const work *w, int is_b, double *squares, double *cubes) {
    const size_t n = is_b ? w->n_b : w->n_a, all = w->n_a + w->n_b, from = is_b ? w->n_a : 0;
    double mean = 0.0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t out = 0; out < n; out++) {
            size_t to = 0;
            for (size_t i = 0; i < all; i++)
                if (i != from + out)
                    w->resample[to++] = w->pool[i];
            const double without = statistic(w, w->n_a - (is_b ? 0 : 1), w->n_b - (is_b ? 1 : 0));
            const double influence = (double)(n - 1) / (double)n * (mean - without);
            if (pass == 0) {
                mean += without / (double)n;
                continue;
            }
            *squares += influence * influence;
            *cubes += influence * influence * influence;
        }
}

static double acceleration(const work *w) {
    double squares = 0.0, cubes = 0.0;
    jackknife(w, 0, &squares, &cubes);
    if (w->n_b > 0)
        jackknife(w, 1, &squares, &cubes);
    return squares > 0.0 ? cubes / (6.0 * squares * sqrt(squares)) : 0.0;
}

/* The normal quantile of half of 1 - level (below 0); for few values further out, see the header.
 */
static double edge(const work *w) {
    const double tail = 0.5 - 0.5 * w->how.level;
    size_t n = w->n_a;
    if (!w->how.expand)
        return cb_stats_normal_quantile(tail);
    if (w->n_b > 0 && w->n_b < n)
        n = w->n_b;
    return cb_stats_t_quantile(tail, (double)(n - 1)) * sqrt((double)n / (double)(n - 1));
}

static void find_interval(const work *w, cb_stats_interval *out) {
    const double z = edge(w);
    double levels[2] = {cb_stats_normal_cdf(z), cb_stats_normal_cdf(-z)};
    if (w->how.kind == CB_STATS_BCA) {
        const double z0 = bias(w, out->estimate), a = acceleration(w);
        for (int i = 0; i < 2; i++) {
            const double shifted = z0 + (i == 0 ? z : -z);
            levels[i] = cb_stats_normal_cdf(z0 + shifted / (1.0 - a * shifted));
        }
    }
    const size_t n = cb_stats_sort(w->results, w->how.resamples);
    if (n < w->how.resamples)
        return;
    out->low = cb_stats_quantile(w->results, n, levels[0]);
    out->high = cb_stats_quantile(w->results, n, levels[1]);
}

static cb_status fill_in(cb_stats_bootstrap *how, cb_err *err) {
    if (how->statistic == NULL)
        how->statistic = cb_stats_function_mean;
    if (how->level == 0.0)
        how->level = 0.95;
    if (how->resamples == 0)
        how->resamples = 9999;
    if (!(how->level > 0.0) || !(how->level < 1.0))
        return cb_fail(err, CB_EARG, "bootstrap: expected a level between 0 and 1, got %g",
                       how->level);
    return CB_OK;
}

/* Values that are all the same leave nothing to chance. */
static int is_constant(const double *values, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (values[i] != values[0])
            return 0;
    return 1;
}

static cb_status interval_of(work *w, cb_stats_interval *out, cb_err *err) {
    cb_status st = CB_OK;
    w->resample = cbi_calloc(w->n_a + w->n_b, sizeof *w->resample);
    w->results = cbi_calloc(w->how.resamples, sizeof *w->results);
    if (w->resample == NULL || w->results == NULL) {
        st = cb_fail(err, CB_ENOMEM, "bootstrap: no memory for %u resamples of %zu values",
                     (unsigned)w->how.resamples, w->n_a + w->n_b);
        goto out;
    }
    out->estimate = estimate(w);
    if (w->n_a < 2 || w->n_b == 1)
        goto out;
    if (is_constant(w->pool, w->n_a) && is_constant(w->pool + w->n_a, w->n_b)) {
        out->low = out->high = out->estimate;
        goto out;
    }
    if ((st = run_resamples(w, err)) == CB_OK)
        find_interval(w, out);
out:
    cbi_free(w->resample);
    cbi_free(w->results);
    return st;
}

cb_status cb_stats_bootstrap_interval(const double *a, size_t n_a, const double *b, size_t n_b,
                                      const cb_stats_bootstrap *how, cb_stats_interval *out,
                                      cb_err *err) {
    double *pool = NULL;
    work w = {.how = *how};
    const int has_b = b != NULL && n_b > 0;
    *out = (cb_stats_interval){0, 0, (double)NAN, (double)NAN, (double)NAN};
    cb_status st = fill_in(&w.how, err);
    if (st == CB_OK)
        st = cbi_pool(a, &n_a, b, &n_b, 1, &pool, err);
    if (st != CB_OK)
        return st;
    w.pool = pool;
    w.n_a = out->n_a = n_a;
    w.n_b = out->n_b = n_b;
    if (n_a > 0 && (n_b > 0 || !has_b))
        st = interval_of(&w, out, err);
    cbi_free(pool);
    return st;
}
