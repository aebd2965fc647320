/* SPDX-License-Identifier: MIT */
/*
 * A series of numbers from one column of a CSV file: at each step its value `horizon` steps ahead,
 * by squared error. Standardising, laying out, and the forecasts that need no learning; the reader
 * is in column.c.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "tasks/column.h"
#include "tasks/recorded.h"

enum { MOST_BYTES = 1 << 28 };

/* Below the one that CELLBENCH_DATA names. */
static const char *const folders[] = {"timeseries/", NULL};

typedef struct series {
    double *values; /* as read; then in units of the training part's standard deviation */
    size_t count;
    size_t begin[CB_SPLITS + 1];
    size_t horizon;
    size_t season; /* 0: none */
} series;

/* Mean 0 and variance 1 over the training part, and the same map for the rest. */
static cb_status standardise(const series *all, const char *file, cb_err *err) {
    double *v = all->values, mean = 0.0, variance = 0.0;
    size_t n = all->begin[CB_VALID], same = 1;
    for (size_t i = 0; i < n; i++) {
        mean += v[i] / (double)n;
        same += i > 0 && v[i] == v[0];
    }
    for (size_t i = 0; i < n; i++)
        variance += (v[i] - mean) * (v[i] - mean) / (double)n;
    if (same == n)
        return cb_fail(err, CB_EDATA, "%s: split 'train': expected different values, got only %g",
                       file, v[0]);
    for (size_t i = 0; i < all->count; i++) {
        double z = (v[i] - mean) / sqrt(variance);
        if (!isfinite(variance) || !isfinite(z) || !isfinite((float)z))
            return cb_fail(err, CB_EDATA,
                           "%s: value %zu, %g, cannot be standardised: the training part has mean "
                           "%g and standard deviation %g",
                           file, i + 1, v[i], mean, sqrt(variance));
        v[i] = z;
    }
    return CB_OK;
}

static cb_status lay_out(cbi_dataset *set, cb_data *data, const series *all, const cbi_cut *cut,
                         cb_err *err) {
    for (cb_split_name k = CB_TRAIN; k < CB_SPLITS; k++) {
        const double *v = all->values + all->begin[k];
        size_t frames = all->begin[k + 1] - all->begin[k] - all->horizon;
        cb_status st = cbi_cut_pieces(set, data, k, frames, cut, err);
        if (st != CB_OK)
            return st;
        for (size_t t = 0; t < frames; t++) {
            set->split[k].x[t] = (float)v[t];
            set->split[k].target[t] = (float)v[t + all->horizon];
        }
    }
    return CB_OK;
}

/* ---- baselines ---- */

/* What each says at step t of the whole series about step t + horizon. */
static double say_last(const series *all, size_t t) {
    return all->values[t];
}

static double say_mean(const series *all, size_t t) {
    (void)all;
    (void)t;
    return 0.0; /* by standardising */
}

/* The latest known value of the same season; in validation and test, there is always one. */
static double say_season(const series *all, size_t t) {
    size_t back = (all->horizon + all->season - 1) / all->season * all->season;
    return all->values[t + all->horizon - back];
}

static double forecast_error(const series *all, cb_split_name split,
                             double (*say)(const series *, size_t)) {
    double error = 0.0;
    size_t end = all->begin[split + 1] - all->horizon;
    for (size_t t = all->begin[split]; t < end; t++) {
        double d = all->values[t + all->horizon] - say(all, t);
        error += d * d;
    }
    return error / (double)(end - all->begin[split]);
}

static void add_baselines(cbi_dataset *set, cb_data *data, const series *all) {
    static const struct {
        const char *name;
        double (*say)(const series *, size_t);
    } forecasts[] = {
        {"last value", say_last}, {"train mean", say_mean}, {"seasonal naive", say_season}};
    for (size_t i = 0; i < (all->season > 0 ? 3 : 2); i++)
        cbi_baseline_add(set, data, forecasts[i].name, "mse",
                         forecast_error(all, CB_VALID, forecasts[i].say),
                         forecast_error(all, CB_TEST, forecasts[i].say));
}

/* ---- the task ---- */

static cbi_header header_of(const json_t *settings) {
    const char *text = cbi_setting_text(settings, "header");
    return strcmp(text, "auto") == 0  ? CBI_HEADER_AUTO
           : strcmp(text, "yes") == 0 ? CBI_HEADER_YES
                                      : CBI_HEADER_NO;
}

/* The file's values, cut and standardised. */
static cb_status read_series(series *all, cb_data *data, const json_t *settings, const cbi_cut *cut,
                             cb_err *err) {
    cb_status st = CB_OK;
    char *path = NULL, *text = NULL;
    size_t length = 0;
    const char *file = cbi_setting_text(settings, "file");
    all->horizon = cbi_setting_size(settings, "horizon");
    all->season = cbi_setting_size(settings, "season");
    st = cbi_recorded_read(&text, &length, &path, data, file, folders, MOST_BYTES, err);
    if (st != CB_OK)
        goto out;
    st = cbi_column_read(&all->values, &all->count, text, length,
                         cbi_setting_text(settings, "column"), header_of(settings), path, err);
    if (st != CB_OK)
        goto out;
    if ((st = cbi_cut_splits(all->begin, cut, all->count, all->horizon + 1, "rows", err)) !=
        CB_OK) {
        st = cb_fail_prefix(err, st, "%s: ", path);
        goto out;
    }
    if (all->season > all->begin[CB_VALID]) {
        st = cb_fail(err, CB_EARG, "%s: season: expected at most the %zu training rows, got %zu",
                     path, all->begin[CB_VALID], all->season);
        goto out;
    }
    st = standardise(all, path, err);
out:
    cbi_free(text);
    cbi_free(path);
    return st;
}

static cb_status series_fill(const void *context, cbi_dataset *set, cb_data *data,
                             const json_t *settings, cb_err *err) {
    series all = {0};
    const cbi_cut cut = cbi_cut_of(settings);
    (void)context;
    cb_status st = read_series(&all, data, settings, &cut, err);
    if (st == CB_OK)
        st = lay_out(set, data, &all, &cut, err);
    if (st == CB_OK)
        add_baselines(set, data, &all);
    cbi_free(all.values);
    return st;
}

static cb_status series_open(cb_data *data, void **own, const char *settings_json, cb_err *err) {
    *data = (cb_data){.input = CB_INPUT_DENSE,
                      .input_dim = 1,
                      .loss = CB_LOSS_SQUARED,
                      .when = CB_WHEN_EACH,
                      .target_dim = 1,
                      .metric = "mse"};
    return cbi_dataset_open(data, own, settings_json, series_fill, NULL, err);
}

static const cb_setting_def series_settings[] = {
    {"file", CB_SETTING_TEXT, NULL, 0, 0, NULL, 0,
     "CSV, may be .gz; looked for here, then in the folder CELLBENCH_DATA and its timeseries"},
    {"column", CB_SETTING_TEXT, "null", 0, 0, NULL, 1,
     "the name of the column, or its number from 1 (\"2\"); null: the last"},
    {"header", CB_SETTING_TEXT, "\"auto\"", 0, 0, "auto yes no", 1,
     "whether the first line is names; auto: if the column's field there is no number"},
    {"horizon", CB_SETTING_INT, "1", 1, 1e6, NULL, 1, "how many steps ahead the target is"},
    {"season", CB_SETTING_INT, "0", 0, 1e7, NULL, 0,
     "steps of a season, for the baseline that repeats the last one; 0: none"},
    CBI_SETTINGS_CUT("50"),
    {0},
};

const cb_task_def cbi_task_series = {
    .name = "series",
    .summary = "the next value of a series of numbers, from a column of a CSV file",
    .source =
        "after Box, Jenkins 1970, Time series analysis; values less the training part's mean, "
        "divided by its standard deviation",
    .chance = "in units of the training part's variance: always saying its mean costs 1 there, and "
              "as measured below later; the last value and, with a season, that of one season "
              "before are what a forecast has to beat",
    .settings = series_settings,
    .open = series_open,
    .close = cbi_dataset_destroy,
};
