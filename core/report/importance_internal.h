/* SPDX-License-Identifier: MIT */
/* The parts of importance: the trials as rows of settings, the forests on them, the words. */
#ifndef CB_REPORT_IMPORTANCE_INTERNAL_H
#define CB_REPORT_IMPORTANCE_INTERNAL_H

#include "base/text.h"
#include "cellbench/importance.h"

/* A setting of one cell, over the seeds of the study. */
typedef struct cbi_importance_row {
    size_t cell; /* of the table's cells */
    int64_t config, trial_id;
    double sum; /* of the values of the trials that are done */
    size_t done, diverged, other;
} cbi_importance_row;

/* One column: a setting by name. */
typedef struct cbi_importance_column {
    char *name;
    int is_category;
    char **words; /* the categories, by number */
    size_t word_count;
} cbi_importance_column;

/* All rows of one task of one study. */
typedef struct cbi_importance_table {
    int64_t study_id, task_id;
    char *study, *task, *metric;
    char **cells;
    size_t cell_count;
    cbi_importance_row *rows; /* by cell, then config */
    size_t row_count, row_capacity;
    cbi_importance_column *columns;
    size_t column_count;
    double *x; /* [columns][rows] numbers, or numbers of categories; NaN: not given */
} cbi_importance_table;

typedef struct cbi_importance_draft {
    cb_importance *importance;
    const cb_importance_options *options; /* with defaults filled in */
    cb_store *store;
    cbi_importance_table *tables;
    size_t table_count, table_capacity;
} cbi_importance_draft;

/* Tables, and notes. */
CB_MUST_USE cb_status cbi_importance_load(cbi_importance_draft *d, cb_err *err);
void cbi_importance_unload(cbi_importance_draft *d);
/* The group of one cell of a table, or of all (cell_count). */
CB_MUST_USE cb_status cbi_importance_fit(const cbi_importance_draft *d,
                                         const cbi_importance_table *table, size_t cell,
                                         cb_importance_group *group, cb_err *err);
/* Its words and warnings; tail: share of the variance that the worst twentieth of the rows has. */
CB_MUST_USE cb_status cbi_importance_say(const cbi_importance_draft *d, cb_importance_group *group,
                                         double tail, cb_err *err);

enum { CBI_IMPORTANCE_ROWS = 10 }; /* fewer settings grow no forest that says anything */

#endif
