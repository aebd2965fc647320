/* SPDX-License-Identifier: MIT */
/*
 * fANOVA as a whole: checks, the fit of the forest, and what is asked of it. The parts are in
 * fanova_axis.c, fanova_box.c and fanova_effect.c.
 */
#include "cellbench/fanova.h"

#include <assert.h>
#include <math.h>

#include "base/alloc.h"
#include "stats/fanova_internal.h"

enum { TREES = 64, ROWS_MOST = 1 << 24, AXES_MOST = 1 << 12, TRIAL_TREES = 12 };

static cb_status check(const double *x, const double *y, const cb_fanova_kind *kinds, size_t rows,
                       size_t axes, const cb_fanova_options *o, cb_err *err) {
    if (rows < 2 || rows > ROWS_MOST || axes < 1 || axes > AXES_MOST)
        return cb_fail(err, CB_EARG, "fanova: expected 2 to %d rows and 1 to %d axes, got %zu, %zu",
                       ROWS_MOST, AXES_MOST, rows, axes);
    if (!(o->features > 0.0) || !(o->features <= 1.0) || !(o->level > 0.0) || !(o->level < 1.0))
        return cb_fail(err, CB_EARG,
                       "fanova: expected features in (0, 1] and a level in (0, 1), got %g, %g",
                       o->features, o->level);
    for (size_t i = 0; i < rows; i++)
        if (!isfinite(y[i]))
            return cb_fail(err, CB_EARG, "fanova: row %zu: y: expected a finite number, got %g", i,
                           y[i]);
    for (size_t i = 0; i < rows; i++)
        for (size_t a = 0; a < axes; a++) {
            const double v = x[i * axes + a];
            if (isinf(v))
                return cb_fail(err, CB_EARG,
                               "fanova: row %zu, axis %zu: expected a finite number or NaN, got %g",
                               i, a, v);
            if (kinds[a] == CB_FANOVA_CATEGORY && !isnan(v) &&
                !(v >= 0.0 && v < CB_FANOVA_CATEGORIES && v == floor(v)))
                return cb_fail(err, CB_EARG,
                               "fanova: row %zu, axis %zu: expected a category 0 to %d, got %g", i,
                               a, CB_FANOVA_CATEGORIES - 1, v);
        }
    return CB_OK;
}

/* ---- the forest ---- */

/* The size of leaf with which a forest predicts rows best that its trees have not seen: in larger
 * leaves the noise of the results averages out, smaller ones follow the results closer. */
static cb_status choose_leaf(const cb_fanova *f, const cbi_forest_rows *rows,
                             cbi_forest_options *options, cb_err *err) {
    double best = -INFINITY;
    cb_status st = CB_OK;
    cbi_forest_options trial = *options;
    trial.trees = f->trees < TRIAL_TREES ? f->trees : TRIAL_TREES;
    options->leaf = 1;
    for (trial.leaf = 1; trial.leaf <= 16 && 2 * trial.leaf <= f->rows && st == CB_OK;
         trial.leaf *= 2) {
        cbi_forest forest;
        st = cbi_forest_grow(&forest, rows, &trial, err);
        if (st == CB_OK && forest.r2 > best) {
            best = forest.r2;
            options->leaf = trial.leaf;
        }
        cbi_forest_fini(&forest);
    }
    return st;
}

static cb_status fit(cb_fanova *f, const cb_fanova_options *o, cb_err *err) {
    const cbi_forest_rows rows = {.rows = f->rows,
                                  .axes = f->axis_count,
                                  .code = f->code,
                                  .y = f->y,
                                  .bins = f->bins,
                                  .is_category = f->is_category};
    cbi_forest_options options = {.trees = f->trees,
                                  .leaf = o->leaf,
                                  .choices = (size_t)ceil(o->features * (double)f->axis_count),
                                  .seed = o->seed};
    cb_status st = o->leaf == 0 ? choose_leaf(f, &rows, &options, err) : CB_OK;
    f->leaf = options.leaf;
    if (st == CB_OK)
        st = cbi_forest_grow(&f->forest, &rows, &options, err);
    f->r2 = f->forest.r2;
    return st;
}

void cb_fanova_destroy(cb_fanova *f) {
    if (f == NULL)
        return;
    for (size_t i = 0; f->axes != NULL && i < f->axis_count; i++) {
        void *const blocks[] = {f->axes[i].points, f->axes[i].reach, f->axes[i].curve,
                                f->axes[i].variance};
        for (size_t k = 0; k < sizeof blocks / sizeof *blocks; k++)
            cbi_free(blocks[k]);
    }
    void *const blocks[] = {f->code, f->bins, f->is_category, f->y, f->axes, f->mean, f->variance};
    for (size_t k = 0; k < sizeof blocks / sizeof *blocks; k++)
        cbi_free(blocks[k]);
    cbi_forest_fini(&f->forest);
    cbi_free(f);
}

static cb_status make_room(cb_fanova *f, cb_err *err) {
    size_t codes = 0;
    if (cb_size_mul(f->axis_count, f->rows, &codes) == CB_OK)
        f->code = cbi_calloc(codes, sizeof *f->code);
    f->bins = cbi_calloc(f->axis_count, sizeof *f->bins);
    f->is_category = cbi_calloc(f->axis_count, sizeof *f->is_category);
    f->y = cbi_calloc(f->rows, sizeof *f->y);
    f->axes = cbi_calloc(f->axis_count, sizeof *f->axes);
    f->mean = cbi_calloc(f->trees, sizeof *f->mean);
    f->variance = cbi_calloc(f->trees, sizeof *f->variance);
    return f->code == NULL || f->bins == NULL || f->is_category == NULL || f->y == NULL ||
                   f->axes == NULL || f->mean == NULL || f->variance == NULL
               ? cb_fail(err, CB_ENOMEM, "fanova: %zu rows of %zu axes", f->rows, f->axis_count)
               : CB_OK;
}

static cb_status code_rows(cb_fanova *f, const double *x, const double *y,
                           const cb_fanova_kind *kinds, cb_err *err) {
    double sum = 0.0;
    for (size_t i = 0; i < f->rows; i++)
        sum += y[i] / (double)f->rows;
    f->centre = sum;
    for (size_t i = 0; i < f->rows; i++)
        f->y[i] = y[i] - f->centre;
    double *sorted = cbi_calloc(f->rows, sizeof *sorted);
    cb_status st = sorted != NULL ? CB_OK : cb_fail(err, CB_ENOMEM, "fanova: %zu rows", f->rows);
    for (size_t i = 0; i < f->axis_count && st == CB_OK; i++) {
        cbi_fanova_axis *a = &f->axes[i];
        a->kind = kinds[i];
        if ((st = cbi_fanova_code(f, i, x, sorted, err)) != CB_OK)
            break;
        a->curve = cbi_calloc(f->trees * (a->bins + 1), sizeof *a->curve);
        a->variance = cbi_calloc(f->trees, sizeof *a->variance);
        if (a->curve == NULL || a->variance == NULL)
            st = cb_fail(err, CB_ENOMEM, "fanova: the curves of an axis");
    }
    cbi_free(sorted);
    return st;
}

cb_status cb_fanova_create(cb_fanova **out, const double *x, const double *y,
                           const cb_fanova_kind *kinds, size_t rows, size_t axes,
                           const cb_fanova_options *options, cb_err *err) {
    cb_fanova_options o = options != NULL ? *options : (cb_fanova_options){.trees = 0};
    o.trees = o.trees != 0 ? o.trees : TREES;
    o.features = o.features != 0.0 ? o.features : 2.0 / 3.0;
    o.level = o.level != 0.0 ? o.level : 0.95;
    *out = NULL;
    cb_status st = check(x, y, kinds, rows, axes, &o, err);
    if (st != CB_OK)
        return st;
    cb_fanova *f = cbi_calloc(1, sizeof *f);
    if (f == NULL)
        return cb_fail(err, CB_ENOMEM, "fanova: %zu bytes", sizeof *f);
    f->rows = rows;
    f->axis_count = axes;
    f->trees = o.trees;
    f->level = o.level;
    if ((st = make_room(f, err)) != CB_OK || (st = code_rows(f, x, y, kinds, err)) != CB_OK ||
        (st = fit(f, &o, err)) != CB_OK || (st = cbi_fanova_singles(f, o.seed, err)) != CB_OK)
        goto out;
    *out = f;
    f = NULL;
out:
    cb_fanova_destroy(f);
    return st;
}

double cb_fanova_r2(const cb_fanova *f) {
    return f->r2;
}

size_t cb_fanova_leaf(const cb_fanova *f) {
    return f->leaf;
}

cb_fanova_share cb_fanova_single(const cb_fanova *f, size_t axis) {
    assert(axis < f->axis_count);
    return f->axes[axis].single;
}

void cb_fanova_curve(const cb_fanova *f, size_t axis, const cb_fanova_point **points,
                     size_t *count) {
    assert(axis < f->axis_count);
    *points = f->axes[axis].points;
    *count = f->axes[axis].bins;
}
