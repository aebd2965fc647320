/* SPDX-License-Identifier: MIT */
/*
 * Each aggregate gathers its values and computes at the end of its group. The functions depend on
 * their values alone, not on the order in which SQLite visits rows, and touch nothing else: so they
 * are marked deterministic, and innocuous, for use in views of a database that is not trusted.
 *
 * CB_SQLITE_EXTENSION: calls go through the table of functions that the program which loads the
 * extension hands over, and there is an entry point for it.
 */
#include "stats/sqlite_functions.h"

#include <math.h>
#include <string.h>

#ifdef CB_SQLITE_EXTENSION
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1
#else
#include <sqlite3.h>
#endif

#include "cellbench/stats.h"

enum { BOOTSTRAP_MOST = 2000 }; /* values: about half a second */

typedef struct sample {
    double *values;
    size_t n, capacity;
} sample;

typedef struct gathered {
    sample a, b;              /* x; or of either group; or pairs */
    sqlite3_value *groups[2]; /* their names, the lesser first */
    int has_option, is_null;  /* p or level: was it looked at, and was it NULL */
    double option;
} gathered;

typedef cb_status compute(gathered *g, double *out, cb_err *err);

typedef enum shape { OF_ONE, OF_GROUPS, OF_PAIRS } shape;

typedef struct function {
    const char *name;
    shape shape;
    int has_option, may_have_option; /* one more argument, between 0 and 1 */
    compute *compute;
} function;

/* ---- what is computed ---- */

static double level_of(const gathered *g) {
    return g->has_option ? g->option : 0.95;
}

static cb_status median(gathered *g, double *out, cb_err *err) {
    (void)err;
    *out = cb_stats_median(g->a.values, cb_stats_sort(g->a.values, g->a.n));
    return CB_OK;
}

static cb_status quantile(gathered *g, double *out, cb_err *err) {
    (void)err;
    *out = cb_stats_quantile(g->a.values, cb_stats_sort(g->a.values, g->a.n), g->option);
    return CB_OK;
}

static cb_status mad(gathered *g, double *out, cb_err *err) {
    (void)err;
    *out = cb_stats_mad(g->a.values, cb_stats_sort(g->a.values, g->a.n));
    return CB_OK;
}

static cb_status stddev(gathered *g, double *out, cb_err *err) {
    (void)err;
    *out = cb_stats_mean_of(g->a.values, cb_stats_sort(g->a.values, g->a.n), 0.95).sd;
    return CB_OK;
}

static cb_status geometric_mean(gathered *g, double *out, cb_err *err) {
    (void)err;
    *out = cb_stats_geometric_mean(g->a.values, cb_stats_sort(g->a.values, g->a.n));
    return CB_OK;
}

static cb_status mean_low(gathered *g, double *out, cb_err *err) {
    (void)err;
    *out = cb_stats_mean_of(g->a.values, cb_stats_sort(g->a.values, g->a.n), level_of(g)).low;
    return CB_OK;
}

static cb_status mean_high(gathered *g, double *out, cb_err *err) {
    (void)err;
    *out = cb_stats_mean_of(g->a.values, cb_stats_sort(g->a.values, g->a.n), level_of(g)).high;
    return CB_OK;
}

static cb_status bootstrap(gathered *g, cb_stats_interval *out, cb_err *err) {
    const size_t n = cb_stats_sort(g->a.values, g->a.n);
    const cb_stats_bootstrap how = {.expand = 1, .level = level_of(g)};
    if (n > BOOTSTRAP_MOST)
        return cb_fail(err, CB_EARG,
                       "expected at most %d values, got %zu: mean_low and mean_high"
                       " are as good there",
                       (int)BOOTSTRAP_MOST, n);
    return cb_stats_bootstrap_interval(g->a.values, n, NULL, 0, &how, out, err);
}

static cb_status bootstrap_low(gathered *g, double *out, cb_err *err) {
    cb_stats_interval interval = {0};
    const cb_status st = bootstrap(g, &interval, err);
    *out = interval.low;
    return st;
}

static cb_status bootstrap_high(gathered *g, double *out, cb_err *err) {
    cb_stats_interval interval = {0};
    const cb_status st = bootstrap(g, &interval, err);
    *out = interval.high;
    return st;
}

static cb_stats_difference welch(gathered *g) {
    const size_t n_a = cb_stats_sort(g->a.values, g->a.n), n_b = cb_stats_sort(g->b.values, g->b.n);
    return cb_stats_welch(g->a.values, n_a, g->b.values, n_b, 0.95);
}

static cb_status welch_t(gathered *g, double *out, cb_err *err) {
    (void)err;
    *out = welch(g).t;
    return CB_OK;
}

static cb_status welch_p(gathered *g, double *out, cb_err *err) {
    (void)err;
    *out = welch(g).p;
    return CB_OK;
}

static cb_status mann_whitney_p(gathered *g, double *out, cb_err *err) {
    cb_stats_test test;
    const cb_status st =
        cb_stats_mann_whitney(g->a.values, g->a.n, g->b.values, g->b.n, &test, err);
    *out = test.p;
    return st;
}

static cb_status cliffs_delta(gathered *g, double *out, cb_err *err) {
    cb_stats_effect effect;
    const cb_status st =
        cb_stats_cliff(g->a.values, g->a.n, g->b.values, g->b.n, 0.95, &effect, err);
    *out = effect.value;
    return st;
}

static cb_status paired_p(gathered *g, double *out, cb_err *err) {
    (void)err;
    *out = cb_stats_paired(g->a.values, g->b.values, g->a.n, 0.95).p;
    return CB_OK;
}

static cb_status wilcoxon_p(gathered *g, double *out, cb_err *err) {
    cb_stats_test test;
    const cb_status st =
        cb_stats_wilcoxon(g->a.values, g->b.values, g->a.n, CB_STATS_ZEROS_DROP, &test, err);
    *out = test.p;
    return st;
}

static const function functions[] = {
    {"median", OF_ONE, 0, 0, median},
    {"quantile", OF_ONE, 1, 1, quantile},
    {"mad", OF_ONE, 0, 0, mad},
    {"stddev", OF_ONE, 0, 0, stddev},
    {"geometric_mean", OF_ONE, 0, 0, geometric_mean},
    {"mean_low", OF_ONE, 0, 1, mean_low},
    {"mean_high", OF_ONE, 0, 1, mean_high},
    {"bootstrap_low", OF_ONE, 0, 1, bootstrap_low},
    {"bootstrap_high", OF_ONE, 0, 1, bootstrap_high},
    {"welch_t", OF_GROUPS, 0, 0, welch_t},
    {"welch_p", OF_GROUPS, 0, 0, welch_p},
    {"mann_whitney_p", OF_GROUPS, 0, 0, mann_whitney_p},
    {"cliffs_delta", OF_GROUPS, 0, 0, cliffs_delta},
    {"paired_p", OF_PAIRS, 0, 0, paired_p},
    {"wilcoxon_p", OF_PAIRS, 0, 0, wilcoxon_p},
};

/* ---- gathering ---- */

static void fail(sqlite3_context *context, const char *text) {
    const function *f = sqlite3_user_data(context);
    char *message = sqlite3_mprintf("%s: %s", f->name, text);
    if (message == NULL)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_error(context, message, -1);
    sqlite3_free(message);
}

/* 1 and the number; or 0, for NULL and, with an error, for what is no number. */
static int take_number(sqlite3_context *context, sqlite3_value *from, double *to) {
    switch (sqlite3_value_numeric_type(from)) {
    case SQLITE_INTEGER:
    case SQLITE_FLOAT:
        *to = sqlite3_value_double(from);
        return 1;
    case SQLITE_TEXT:
        fail(context, "expected a number, got a text");
        return 0;
    case SQLITE_BLOB:
        fail(context, "expected a number, got a blob");
        return 0;
    default:
        return 0;
    }
}

static void add(sqlite3_context *context, sample *to, double value) {
    if (to->n == to->capacity) {
        const size_t capacity = to->capacity > 0 ? 2 * to->capacity : 16;
        double *grown = sqlite3_realloc64(to->values, capacity * sizeof *grown);
        if (grown == NULL) {
            sqlite3_result_error_nomem(context);
            return;
        }
        to->values = grown;
        to->capacity = capacity;
    }
    to->values[to->n++] = value;
}

/* The order of SQLite: numbers before texts before blobs, both by their bytes. */
static int compare(sqlite3_value *a, sqlite3_value *b) {
    static const int ranks[] = {
        [SQLITE_INTEGER] = 1, [SQLITE_FLOAT] = 1, [SQLITE_TEXT] = 2, [SQLITE_BLOB] = 3};
    const int rank = ranks[sqlite3_value_type(a)], difference = rank - ranks[sqlite3_value_type(b)];
    if (difference != 0)
        return difference;
    if (rank == 1) {
        const double x = sqlite3_value_double(a), y = sqlite3_value_double(b);
        return (x > y) - (x < y);
    }
    const void *x = rank == 2 ? (const void *)sqlite3_value_text(a) : sqlite3_value_blob(a);
    const void *y = rank == 2 ? (const void *)sqlite3_value_text(b) : sqlite3_value_blob(b);
    const int n = x != NULL ? sqlite3_value_bytes(a) : 0,
              m = y != NULL ? sqlite3_value_bytes(b) : 0;
    const int shorter = n < m ? n : m;
    const int order = shorter > 0 ? memcmp(x, y, (size_t)shorter) : 0;
    return order != 0 ? order : (n > m) - (n < m);
}

/* The sample of a row's group; NULL, with an error, for a third group or want of memory. The lesser
 * of two groups is a. */
static sample *group_of(sqlite3_context *context, gathered *g, sqlite3_value *group) {
    sample *const samples[] = {&g->a, &g->b};
    for (int i = 0; i < 2; i++) {
        if (g->groups[i] == NULL) {
            if ((g->groups[i] = sqlite3_value_dup(group)) == NULL) {
                sqlite3_result_error_nomem(context);
                return NULL;
            }
            if (i == 1 && compare(g->groups[0], g->groups[1]) > 0) {
                sqlite3_value *name = g->groups[0];
                const sample first = g->a;
                g->groups[0] = g->groups[1];
                g->groups[1] = name;
                g->a = g->b;
                g->b = first;
                return &g->a;
            }
            return samples[i];
        }
        if (compare(group, g->groups[i]) == 0)
            return samples[i];
    }
    fail(context, "expected two groups, got a third");
    return NULL;
}

/* 0, with an error, unless it is a number between 0 and 1, or NULL. */
static int take_option(sqlite3_context *context, gathered *g, sqlite3_value *from) {
    const function *f = sqlite3_user_data(context);
    g->has_option = 1;
    g->is_null = sqlite3_value_type(from) == SQLITE_NULL;
    if (g->is_null)
        return 1;
    if (!take_number(context, from, &g->option))
        return 0;
    const int is_inside =
        f->has_option ? g->option >= 0.0 && g->option <= 1.0 : g->option > 0.0 && g->option < 1.0;
    if (!is_inside)
        fail(context,
             f->has_option ? "expected p between 0 and 1" : "expected a level between 0 and 1");
    return is_inside;
}

static void step(sqlite3_context *context, int n, sqlite3_value **values) {
    const function *f = sqlite3_user_data(context);
    gathered *g = sqlite3_aggregate_context(context, sizeof *g);
    double x, y;
    if (g == NULL) {
        sqlite3_result_error_nomem(context);
        return;
    }
    if (f->shape == OF_ONE && n == 2 && !g->has_option && !take_option(context, g, values[1]))
        return;
    if (!take_number(context, values[0], &x))
        return;
    if (f->shape == OF_ONE) {
        add(context, &g->a, x);
    } else if (f->shape == OF_GROUPS && sqlite3_value_type(values[1]) != SQLITE_NULL) {
        sample *to = group_of(context, g, values[1]);
        if (to != NULL)
            add(context, to, x);
    } else if (f->shape == OF_PAIRS && take_number(context, values[1], &y)) {
        add(context, &g->a, x);
        if (g->a.n > g->b.n)
            add(context, &g->b, y);
    }
}

static void finish(sqlite3_context *context) {
    const function *f = sqlite3_user_data(context);
    gathered *g = sqlite3_aggregate_context(context, 0);
    double out = (double)NAN;
    cb_err err;
    if (g == NULL)
        return; /* no rows, or no memory for the first */
    const int is_whole = f->shape == OF_PAIRS ? g->a.n == g->b.n && g->a.n > 0
                                              : g->a.n > 0 && !(f->shape != OF_ONE && g->b.n == 0);
    if (is_whole && !g->is_null) {
        const cb_status st = f->compute(g, &out, &err);
        if (st == CB_ENOMEM)
            sqlite3_result_error_nomem(context);
        else if (st != CB_OK)
            fail(context, err.text);
        else
            sqlite3_result_double(context, out); /* NaN becomes NULL */
    }
    sqlite3_free(g->a.values);
    sqlite3_free(g->b.values);
    sqlite3_value_free(g->groups[0]);
    sqlite3_value_free(g->groups[1]);
}

/* keep_own: a program may have a function of that name already (RSQLite has median), which cannot
 * be replaced from within a statement (`SELECT load_extension(...)`): then it stays. */
static int add_functions(sqlite3 *db, int keep_own) {
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof functions / sizeof functions[0]; i++) {
        const function *f = &functions[i];
        const int least = f->shape == OF_ONE ? 1 + f->has_option : 2;
        const int most = f->shape == OF_ONE ? 1 + f->may_have_option : 2;
        for (int n = least; rc == SQLITE_OK && n <= most; n++) {
            rc = sqlite3_create_function(db, f->name, n, flags, (void *)(uintptr_t)f, NULL, step,
                                         finish);
            if (rc == SQLITE_BUSY && keep_own)
                rc = SQLITE_OK;
        }
    }
    return rc;
}

int cbi_sqlite_functions(sqlite3 *db) {
    return add_functions(db, 0);
}

#ifdef CB_SQLITE_EXTENSION
/* The name that SQLite derives from that of the file. */
CB_API int sqlite3_cellbenchstats_init(sqlite3 *db, char **message,
                                       const sqlite3_api_routines *routines);
int sqlite3_cellbenchstats_init(sqlite3 *db, char **message, const sqlite3_api_routines *routines) {
    (void)message;
    SQLITE_EXTENSION_INIT2(routines)
    return add_functions(db, 1);
}
#endif
