/* SPDX-License-Identifier: MIT */
/*
 * Axes of a search space. A draw is named by (search seed, "search/<axis>", trial), so that it
 * depends on no other axis, on no order (that of Lua's `pairs` differs from run to run) and on no
 * draw made before.
 */
#include "cellbench/sweep.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cellbench/random.h"

/* Whole numbers up to here are exact in a double. */
static const double exact_limit = 9007199254740992.0;
enum { NAME_LIMIT = 200, PURPOSE_SIZE = NAME_LIMIT + 16 };

static cb_status check_integers(const cb_axis *axis, cb_err *err) {
    const double ends[2] = {axis->low, axis->high};
    for (size_t i = 0; i < 2; i++)
        if (ends[i] != floor(ends[i]) || fabs(ends[i]) > exact_limit)
            return cb_fail(err, CB_EARG,
                           "axis '%s': expected whole numbers of at most 2^53, got %.17g",
                           axis->name, ends[i]);
    if (axis->low > axis->high)
        return cb_fail(err, CB_EARG, "axis '%s': expected low <= high, got %.17g and %.17g",
                       axis->name, axis->low, axis->high);
    /* So that the number of values, high - low + 1, is exact too. */
    if (axis->high - axis->low >= exact_limit)
        return cb_fail(err, CB_EARG, "axis '%s': the range %.17g..%.17g has too many values",
                       axis->name, axis->low, axis->high);
    return CB_OK;
}

cb_status cb_axis_check(const cb_axis *axis, cb_err *err) {
    const char *name = axis->name ? axis->name : "";
    int is_log = axis->kind == CB_AXIS_LOG_INT || axis->kind == CB_AXIS_LOG_UNIFORM;
    if (name[0] == '\0' || strlen(name) > NAME_LIMIT)
        return cb_fail(err, CB_EARG, "axis: expected a name of 1 to %d bytes, got %zu", NAME_LIMIT,
                       strlen(name));
    if ((int)axis->kind < CB_AXIS_CHOICE || axis->kind > CB_AXIS_LOG_UNIFORM)
        return cb_fail(err, CB_EARG, "axis '%s': unknown kind %d", name, (int)axis->kind);
    if (axis->kind == CB_AXIS_CHOICE) {
        if (axis->choices == 0)
            return cb_fail(err, CB_EARG, "axis '%s': expected at least one choice, got none", name);
        return CB_OK;
    }
    if (!isfinite(axis->low) || !isfinite(axis->high))
        return cb_fail(err, CB_EARG, "axis '%s': expected finite ends, got %g and %g", name,
                       axis->low, axis->high);
    if (is_log && axis->low <= 0)
        return cb_fail(err, CB_EARG, "axis '%s': a logarithmic range starts above 0, got %.17g",
                       name, axis->low);
    if (axis->kind == CB_AXIS_INT || axis->kind == CB_AXIS_LOG_INT)
        return check_integers(axis, err);
    if (axis->low >= axis->high || !isfinite(axis->high - axis->low))
        return cb_fail(err, CB_EARG, "axis '%s': expected low < high, got %.17g and %.17g", name,
                       axis->low, axis->high);
    return CB_OK;
}

/* A value of [low, high); rounding may reach `high`, and then the value just below it is meant. */
static double between(double low, double high, double u) {
    double value = low + u * (high - low);
    return value < high ? value : nextafter(high, low);
}

/* Exponential and logarithm need not be inverse to the last bit, hence the clamps. */
static double log_between(double low, double high, double u) {
    double value = exp(between(log(low), log(high), u));
    if (value < low)
        return low;
    return value < high ? value : nextafter(high, low);
}

double cb_axis_draw(const cb_axis *axis, uint64_t search_seed, uint64_t trial) {
    char purpose[PURPOSE_SIZE];
    snprintf(purpose, sizeof purpose, "search/%s", axis->name);
    cb_random stream = cb_random_stream(search_seed, purpose, trial);
    switch (axis->kind) {
    case CB_AXIS_CHOICE:
        return (double)cb_random_below(&stream, axis->choices);
    case CB_AXIS_INT:
        return axis->low + (double)cb_random_below(&stream, (uint64_t)(axis->high - axis->low) + 1);
    case CB_AXIS_LOG_INT:
        return floor(log_between(axis->low, axis->high + 1, cb_random_uniform(&stream)));
    case CB_AXIS_UNIFORM:
        return between(axis->low, axis->high, cb_random_uniform(&stream));
    case CB_AXIS_LOG_UNIFORM:
        return log_between(axis->low, axis->high, cb_random_uniform(&stream));
    }
    return NAN;
}

size_t cb_axis_grid_count(const cb_axis *axis) {
    if (axis->kind == CB_AXIS_CHOICE)
        return axis->choices;
    if (axis->kind == CB_AXIS_INT)
        return (size_t)(axis->high - axis->low) + 1;
    return 0;
}

double cb_axis_grid_value(const cb_axis *axis, size_t i) {
    return axis->kind == CB_AXIS_INT ? axis->low + (double)i : (double)i;
}
