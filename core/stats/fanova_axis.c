/* SPDX-License-Identifier: MIT */
/* Axes: from values to bins, and from rows to codes. */
#include "stats/fanova_internal.h"

#include <math.h>

#include "base/alloc.h"
#include "cellbench/stats.h"

/* Groups n sorted values: a bin ends where at least its part of the rows is in, never between equal
 * values. With at most CB_FANOVA_BINS different values each has a bin of its own. */
static size_t group(const double *sorted, size_t n, cb_fanova_point *points) {
    size_t different = n > 0, bins = 0;
    for (size_t i = 1; i < n; i++)
        different += sorted[i] > sorted[i - 1];
    for (size_t i = 0, begin = 0; i < n; i++) {
        if (i + 1 < n && !(sorted[i + 1] > sorted[i]))
            continue;
        if (i + 1 < n && different > CB_FANOVA_BINS && (i + 1) * CB_FANOVA_BINS < (bins + 1) * n)
            continue;
        points[bins++] =
            (cb_fanova_point){.low = sorted[begin], .high = sorted[i], .rows = i + 1 - begin};
        begin = i + 1;
    }
    return bins;
}

static uint16_t bin_of(const cbi_fanova_axis *a, double value) {
    size_t low = 0, high = a->bins;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (value < a->points[middle].low)
            high = middle;
        else
            low = middle;
    }
    return (uint16_t)low;
}

static size_t group_categories(const double *sorted, size_t n, cb_fanova_point *points) {
    const size_t bins = n > 0 ? (size_t)sorted[n - 1] + 1 : 0;
    for (size_t i = 0; i < bins; i++)
        points[i] = (cb_fanova_point){.low = (double)i, .high = (double)i};
    for (size_t i = 0; i < n; i++)
        points[(size_t)sorted[i]].rows++;
    return bins;
}

cb_status cbi_fanova_code(cb_fanova *f, size_t number, const double *x, double *sorted,
                          cb_err *err) {
    cbi_fanova_axis *a = &f->axes[number];
    uint16_t *code = f->code + number * f->rows;
    size_t active = 0, below = 0;
    for (size_t i = 0; i < f->rows; i++)
        if (!isnan(x[i * f->axis_count + number]))
            sorted[active++] = x[i * f->axis_count + number];
    cb_stats_sort(sorted, active);
    a->points = cbi_calloc(CB_FANOVA_BINS, sizeof *a->points);
    a->reach = cbi_calloc(CB_FANOVA_BINS + 1, sizeof *a->reach);
    if (a->points == NULL || a->reach == NULL)
        return cb_fail(err, CB_ENOMEM, "the bins of an axis");
    a->bins = a->kind == CB_FANOVA_CATEGORY ? group_categories(sorted, active, a->points)
                                            : group(sorted, active, a->points);
    for (size_t b = 0; b < a->bins; b++) {
        below += a->points[b].rows;
        a->reach[b + 1] = (double)below / (double)active;
    }
    for (size_t i = 0; i < f->rows; i++) {
        const double value = x[i * f->axis_count + number];
        code[i] = isnan(value)                    ? CBI_FOREST_MISSING
                  : a->kind == CB_FANOVA_CATEGORY ? (uint16_t)value
                                                  : bin_of(a, value);
    }
    f->bins[number] = (uint16_t)a->bins;
    f->is_category[number] = a->kind == CB_FANOVA_CATEGORY;
    return CB_OK;
}

uint16_t cbi_fanova_bin_at(const cbi_fanova_axis *a, double u) {
    size_t low = 0, high = a->bins;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (u < a->reach[middle])
            high = middle;
        else
            low = middle;
    }
    return (uint16_t)low;
}
