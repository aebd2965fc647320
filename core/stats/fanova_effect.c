/* SPDX-License-Identifier: MIT */
/*
 * Effects: from the trees of a forest to shares of variance.
 *
 * A tree says v_L on each box L. The boxes are products of sets of bins, one set for each axis, and
 * the measure is a product too, so the weight of a box is P_L = prod_a w_La. The marginal mean of
 * axis a at bin b is sum of v_L P_L/w_La over the boxes that hold b: a walk through the tree adds
 * each box to the differences between neighbouring bins, for the axes that its path has divided,
 * and a running sum gives the curve. Pairs do the same in two dimensions. The curve of the forest
 * is the mean of those of its trees.
 *
 * The variance of the whole forest has no such sum over boxes, for those of different trees
 * overlap. What the single effects leave of it is estimated: from points drawn from the measure.
 */
#include "stats/fanova_internal.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "cellbench/random.h"
#include "cellbench/stats.h"

enum { POINTS = 1 << 14 };

/* ---- single effects ---- */

static void leaf_single(cbi_fanova_walk *w, double value, double weight) {
    w->mean += value * weight;
    w->square += value * value * weight;
    for (size_t i = 0; i < w->path_count; i++) {
        const size_t number = w->path[i];
        const cbi_fanova_side *s = &w->sides[number];
        const double share = value * weight / s->share;
        double *slope = w->slope[number];
        size_t at = 0, begin, end;
        slope[w->f->bins[number] + 1] += value * weight; /* see take_curve */
        while (cbi_fanova_next_run(&w->f->axes[number], s, &at, &begin, &end)) {
            slope[begin] += share;
            slope[end] -= share;
        }
    }
}

/* The curve of one axis of one tree from its slope, whose last place holds the sum of the boxes
 * that divide the axis: the others lift the whole curve by what is left of the mean. */
static void take_curve(cbi_fanova_axis *a, size_t tree, const double *slope, double mean) {
    double *curve = a->curve + tree * a->bins, sum = mean - slope[a->bins + 1], variance = 0.0;
    for (size_t b = 0; b < a->bins; b++) {
        sum += slope[b];
        curve[b] = sum;
        variance += (a->reach[b + 1] - a->reach[b]) * (sum - mean) * (sum - mean);
    }
    a->variance[tree] = variance;
}

/* ---- summaries over the trees ---- */

static double within(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}

/* The share of `variance` in that of the forest, with the percentiles of the shares that single
 * trees give it (values[trees]: variances, changed). Single trees are rougher than their mean, and
 * so are their shares: they are moved so that their mean is the forest's. */
static cb_fanova_share summary(const cb_fanova *f, double variance, double *values) {
    const double tail = 0.5 * (1.0 - f->level);
    cb_fanova_share out = {(double)NAN, (double)NAN, (double)NAN};
    double sum = 0.0;
    size_t n = 0;
    for (size_t t = 0; t < f->trees; t++)
        if (f->variance[t] > 0.0) {
            values[n] = values[t] / f->variance[t];
            sum += values[n++];
        }
    if (n == 0 || !(f->forest_variance > 0.0))
        return out;
    cb_stats_sort(values, n);
    out.share = variance / f->forest_variance;
    const double shift = out.share - sum / (double)n;
    out.low = within(cb_stats_quantile(values, n, tail) + shift, 0.0, out.share);
    out.high = within(cb_stats_quantile(values, n, 1.0 - tail) + shift, out.share, 1.0);
    return out;
}

static void summarize_curve(const cb_fanova *f, cbi_fanova_axis *a) {
    a->forest_variance = 0.0;
    for (size_t b = 0; b < a->bins; b++) {
        double sum = 0.0, squares = 0.0;
        for (size_t t = 0; t < f->trees; t++)
            sum += a->curve[t * a->bins + b];
        const double mean = sum / (double)f->trees;
        for (size_t t = 0; t < f->trees; t++) {
            const double d = a->curve[t * a->bins + b] - mean;
            squares += d * d;
        }
        a->forest_variance +=
            (a->reach[b + 1] - a->reach[b]) * (mean - f->forest_mean) * (mean - f->forest_mean);
        a->points[b].mean = mean + f->centre;
        a->points[b].sd = f->trees > 1 ? sqrt(squares / (double)(f->trees - 1)) : (double)NAN;
    }
}

/* 1 if the trees do not tell a bin apart from the best one. */
static int is_as_good(const cb_fanova *f, const cbi_fanova_axis *a, size_t bin, size_t best,
                      double *values) {
    for (size_t t = 0; t < f->trees; t++)
        values[t] = a->curve[t * a->bins + bin] - a->curve[t * a->bins + best];
    cb_stats_sort(values, f->trees);
    return cb_stats_quantile(values, f->trees, 0.5 * (1.0 - f->level)) <= 0.0;
}

static void mark_best(const cb_fanova *f, cbi_fanova_axis *a, double *values) {
    size_t best = 0;
    for (size_t b = 0; b < a->bins; b++)
        if (a->points[b].rows > 0 &&
            (a->points[best].rows == 0 || a->points[b].mean < a->points[best].mean))
            best = b;
    const int is_category = a->kind == CB_FANOVA_CATEGORY;
    for (size_t b = best; b < a->bins; b++) {
        a->points[b].best = a->points[b].rows > 0 && is_as_good(f, a, b, best, values);
        if (!a->points[b].best && !is_category)
            break;
    }
    for (size_t b = best; b-- > 0;) {
        a->points[b].best = a->points[b].rows > 0 && is_as_good(f, a, b, best, values);
        if (!a->points[b].best && !is_category)
            break;
    }
}

static cb_status walk_slopes(cbi_fanova_walk *w, cb_err *err) {
    const cb_fanova *f = w->f;
    w->slope = cbi_calloc(f->axis_count, sizeof *w->slope);
    for (size_t i = 0; w->slope != NULL && i < f->axis_count; i++)
        if ((w->slope[i] = cbi_calloc(f->axes[i].bins + 2, sizeof **w->slope)) == NULL)
            return cb_fail(err, CB_ENOMEM, "fanova: the curve of an axis");
    return w->slope != NULL ? CB_OK : cb_fail(err, CB_ENOMEM, "fanova: %zu curves", f->axis_count);
}

static void walk_singles(cbi_fanova_walk *w, cb_fanova *f) {
    for (size_t t = 0; t < f->trees; t++) {
        w->mean = w->square = 0.0;
        for (size_t i = 0; i < f->axis_count; i++)
            memset(w->slope[i], 0, (f->axes[i].bins + 2) * sizeof **w->slope);
        cbi_fanova_walk_tree(w, t);
        f->mean[t] = w->mean;
        f->variance[t] = w->square - w->mean * w->mean;
        /* What is left of a constant after rounding is no variance. */
        if (f->variance[t] < 1e-12 * w->square)
            f->variance[t] = 0.0;
        for (size_t i = 0; i < f->axis_count; i++)
            take_curve(&f->axes[i], t, w->slope[i], w->mean);
        f->forest_mean += w->mean / (double)f->trees;
    }
    for (size_t i = 0; i < f->axis_count; i++)
        summarize_curve(f, &f->axes[i]);
}

/* Draws a point from the measure; returns what the curves say there, added up. */
static double draw_point(const cb_fanova *f, cb_random *stream, uint16_t *code) {
    double sum = f->forest_mean;
    for (size_t i = 0; i < f->axis_count; i++) {
        const cbi_fanova_axis *a = &f->axes[i];
        const double u = cb_random_uniform(stream);
        code[i] = a->bins > 0 ? cbi_fanova_bin_at(a, u) : CBI_FOREST_MISSING;
        if (a->bins > 0)
            sum += a->points[code[i]].mean - f->centre - f->forest_mean;
    }
    return sum;
}

/* The single effects are orthogonal to what is left, so its variance adds to theirs, which are
 * exact: the points estimate interactions only, and an additive forest has no error from them.
 * Tree by tree, for a tree stays in the cache and the forest does not. */
static cb_status forest_variance(cb_fanova *f, uint64_t seed, cb_err *err) {
    cb_random stream = cb_random_stream(seed, "fanova/points", 0);
    uint16_t *code = cbi_calloc(f->axis_count, POINTS * sizeof *code);
    double *rest = cbi_calloc(POINTS, sizeof *rest), squares = 0.0;
    cb_status st = CB_OK;
    if (code == NULL || rest == NULL) {
        st = cb_fail(err, CB_ENOMEM, "fanova: %d points of %zu axes", POINTS, f->axis_count);
        goto out;
    }
    for (size_t i = 0; i < POINTS; i++)
        rest[i] = -draw_point(f, &stream, code + i * f->axis_count);
    for (size_t t = 0; t < f->trees; t++)
        for (size_t i = 0; i < POINTS; i++)
            rest[i] +=
                cbi_forest_value(&f->forest.trees[t], f->is_category, code + i * f->axis_count, 1) /
                (double)f->trees;
    for (size_t i = 0; i < POINTS; i++)
        squares += rest[i] * rest[i];
    f->forest_variance = squares / POINTS;
    for (size_t i = 0; i < f->axis_count; i++)
        f->forest_variance += f->axes[i].forest_variance;
out:
    cbi_free(code);
    cbi_free(rest);
    return st;
}

cb_status cbi_fanova_singles(cb_fanova *f, uint64_t seed, cb_err *err) {
    cbi_fanova_walk w = {.leaf = leaf_single};
    double *values = cbi_calloc(f->trees, sizeof *values);
    cb_status st = values != NULL ? cbi_fanova_walk_init(&w, f, err)
                                  : cb_fail(err, CB_ENOMEM, "fanova: %zu trees", f->trees);
    if (st == CB_OK)
        st = walk_slopes(&w, err);
    if (st == CB_OK) {
        walk_singles(&w, f);
        st = forest_variance(f, seed, err);
    }
    for (size_t i = 0; i < f->axis_count && st == CB_OK; i++) {
        memcpy(values, f->axes[i].variance, f->trees * sizeof *values);
        f->axes[i].single = summary(f, f->axes[i].forest_variance, values);
        mark_best(f, &f->axes[i], values);
    }
    cbi_fanova_walk_fini(&w);
    cbi_free(values);
    return st;
}

/* ---- pairs ---- */

static void leaf_pair(cbi_fanova_walk *w, double value, double weight) {
    const cbi_fanova_axis *a = &w->f->axes[w->a], *b = &w->f->axes[w->b];
    const cbi_fanova_side *of_a = &w->sides[w->a], *of_b = &w->sides[w->b];
    const size_t stride = b->bins + 1;
    const double share = value * weight / (of_a->share * of_b->share);
    size_t at_a = 0, begin_a, end_a;
    while (cbi_fanova_next_run(a, of_a, &at_a, &begin_a, &end_a)) {
        size_t at_b = 0, begin_b, end_b;
        while (cbi_fanova_next_run(b, of_b, &at_b, &begin_b, &end_b)) {
            w->plane[begin_a * stride + begin_b] += share;
            w->plane[begin_a * stride + end_b] -= share;
            w->plane[end_a * stride + begin_b] -= share;
            w->plane[end_a * stride + end_b] += share;
        }
    }
}

/* The variance of the marginal mean of two axes. */
static double plane_variance(const cbi_fanova_walk *w, const double *plane, double mean,
                             double *above) {
    const cbi_fanova_axis *a = &w->f->axes[w->a], *b = &w->f->axes[w->b];
    const size_t stride = b->bins + 1;
    double variance = 0.0;
    memset(above, 0, stride * sizeof *above);
    for (size_t i = 0; i < a->bins; i++) {
        double row = 0.0, sum = 0.0;
        for (size_t k = 0; k < b->bins; k++) {
            sum += plane[i * stride + k];
            above[k] += sum; /* the sum of all places up to (i, k) */
            row += (b->reach[k + 1] - b->reach[k]) * (above[k] - mean) * (above[k] - mean);
        }
        variance += (a->reach[i + 1] - a->reach[i]) * row;
    }
    return variance;
}

/* Negative by rounding only. */
static double beyond(double both, double single) {
    return both > single ? both - single : 0.0;
}

cb_status cb_fanova_pair(const cb_fanova *f, size_t a, size_t b, cb_fanova_share *out,
                         cb_err *err) {
    *out = (cb_fanova_share){(double)NAN, (double)NAN, (double)NAN};
    if (a >= f->axis_count || b >= f->axis_count || a == b)
        return cb_fail(err, CB_EARG, "fanova: expected two of %zu axes, got %zu and %zu",
                       f->axis_count, a, b);
    cbi_fanova_walk w = {.leaf = leaf_pair, .a = a, .b = b};
    const size_t cells = (f->axes[a].bins + 1) * (f->axes[b].bins + 1);
    double *values = cbi_calloc(f->trees, sizeof *values);
    double *above = cbi_calloc(f->axes[b].bins + 1, sizeof *above);
    double *whole = cbi_calloc(cells, sizeof *whole); /* of the forest */
    w.plane = cbi_calloc(cells, sizeof *w.plane);
    cb_status st = cbi_fanova_walk_init(&w, f, err);
    if (st == CB_OK && (values == NULL || above == NULL || whole == NULL || w.plane == NULL))
        st = cb_fail(err, CB_ENOMEM, "fanova: a plane of %zu places", cells);
    for (size_t t = 0; t < f->trees && st == CB_OK; t++) {
        memset(w.plane, 0, cells * sizeof *w.plane);
        cbi_fanova_walk_tree(&w, t);
        values[t] = beyond(plane_variance(&w, w.plane, f->mean[t], above),
                           f->axes[a].variance[t] + f->axes[b].variance[t]);
        for (size_t i = 0; i < cells; i++)
            whole[i] += w.plane[i] / (double)f->trees;
    }
    if (st == CB_OK)
        *out = summary(f,
                       beyond(plane_variance(&w, whole, f->forest_mean, above),
                              f->axes[a].forest_variance + f->axes[b].forest_variance),
                       values);
    cbi_fanova_walk_fini(&w);
    cbi_free(whole);
    cbi_free(above);
    cbi_free(values);
    return st;
}
