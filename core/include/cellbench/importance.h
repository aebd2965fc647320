/* SPDX-License-Identifier: MIT */
/*
 * Which settings of a study mattered: fANOVA (cellbench/fanova.h) on the trials of a database, for
 * each cell, and over all cells with the cell itself as one of the settings.
 *
 * - A row is a setting of a cell: its validation value, averaged over the study's own seeds.
 *   Confirmation trials are left out: they were made for the best settings only.
 * - A trial that diverged counts as the worst finite value of its group (`CB_IMPORTANCE_WORST`), or
 *   is left out (`CB_IMPORTANCE_LEFT_OUT`): the first asks what avoids divergence too, the second
 *   what mattered among trials that came to an end. Failed trials and open ones are left out.
 * - With `cap`, everything worse than that quantile counts as the quantile: what mattered among the
 *   good settings, rather than what makes a bad one bad.
 * - A setting that is not given for some rows (null, or not in the list) is conditional: its share
 *   of the whole variance is complemented by that among the rows where it is active.
 * - What never varies is not listed; a setting that is a function of another one shares its
 *   effect with it.
 */
#ifndef CELLBENCH_IMPORTANCE_H
#define CELLBENCH_IMPORTANCE_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/fanova.h"
#include "cellbench/status.h"
#include "cellbench/store.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cb_importance_diverged {
    CB_IMPORTANCE_WORST = 0,
    CB_IMPORTANCE_LEFT_OUT = 1
} cb_importance_diverged;

typedef struct cb_importance_options {
    const char *study;           /* NULL: all */
    const char *cell;            /* NULL: each, and all together */
    const char *const *settings; /* only these, where one is a function of others; NULL: all */
    size_t setting_count;
    int64_t configs; /* only the settings numbered 1..configs; 0: all */
    size_t pairs;    /* pairs among so many of the most important settings; 0: none */
    cb_importance_diverged diverged;
    double cap;   /* quantile, 0 < cap < 1; 0: none */
    double level; /* of intervals; 0: 0.95 */
    size_t trees; /* 0: 64 */
} cb_importance_options;

/* A point of a marginal curve: a range of a number, or a category. */
typedef struct cb_importance_point {
    double low, high; /* NaN for a category */
    char *text;       /* the category; NULL for a number */
    size_t rows;
    double mean, sd; /* in the units of the metric; sd: from tree to tree */
    int best;        /* see cb_fanova_point */
} cb_importance_point;

typedef struct cb_importance_setting {
    char *name; /* "cell" for the cell itself */
    int is_category;
    int is_log;                   /* positive numbers over more than a decade: draw it so */
    cb_fanova_share share;        /* of the whole variance */
    size_t active;                /* rows that have it; fewer than all: it is conditional */
    cb_fanova_share active_share; /* of the variance among these; NaN if it is not conditional */
    cb_importance_point *points;
    size_t point_count;
    char *best; /* "0.003 .. 0.01", "adam or nesterov": the points with `best` */
} cb_importance_setting;

typedef struct cb_importance_pair {
    size_t a, b; /* settings, by index */
    cb_fanova_share share;
} cb_importance_pair;

/* The settings of one cell on one task of one study, or of all its cells together. */
typedef struct cb_importance_group {
    char *study, *task, *metric;
    int64_t study_id, task_id;
    char *cell;      /* NULL: all cells together */
    size_t rows;     /* settings with a value: n */
    size_t diverged; /* of them with a seed that diverged, or left out for it */
    size_t missing;  /* settings without a value: failed, open, or left out */
    double r2;       /* of the forest, on rows that it has not seen; NaN: there is no forest */
    double mean, sd; /* of the rows */
    cb_importance_setting *settings; /* most important first; none: `words` says why */
    size_t setting_count;
    cb_importance_pair *pairs; /* most important first */
    size_t pair_count;
    char *words;     /* what it shows in a sentence, or why there is nothing to show */
    char **warnings; /* whole sentences */
    size_t warning_count;
} cb_importance_group;

typedef struct cb_importance {
    cb_importance_group *groups; /* by study and task; all cells together first */
    size_t group_count;
    char **notes; /* of the file as a whole */
    size_t note_count;
    double level;
} cb_importance;

/* The same for the same database, to the last bit. Errors as cb_compare_read. */
CB_API CB_MUST_USE cb_status cb_importance_read(cb_importance **out, cb_store *store,
                                                const cb_importance_options *options, cb_err *err);
/* NULL is allowed. */
CB_API void cb_importance_destroy(cb_importance *importance);

#ifdef __cplusplus
}
#endif
#endif
