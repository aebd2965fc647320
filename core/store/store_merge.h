/* SPDX-License-Identifier: MIT */
/*
 * What the files of merging share. Rows go from a statement of one database to a statement of the
 * other, column by column; the schema of the one that is written to judges them. Numbers of rows
 * differ between databases, so that every reference travels as what it stands for.
 */
#ifndef CB_STORE_MERGE_H
#define CB_STORE_MERGE_H

#include "store/store_internal.h"

typedef struct cbi_merge {
    cb_store *to, *from;
    const cb_merge_options *options;
    cb_merge_counts *counts;
} cbi_merge;

/* Prepares a statement of either database. */
CB_MUST_USE cb_status cbi_merge_prepare(cb_store *store, const char *sql, sqlite3_stmt **out,
                                        cb_err *err);
/* One step; *has_row = 0 behind the last row. A statement that writes is reset. */
CB_MUST_USE cb_status cbi_merge_next(cb_store *store, sqlite3_stmt *statement, int *has_row,
                                     cb_err *err);
CB_MUST_USE cb_status cbi_merge_write(cbi_merge *m, sqlite3_stmt *statement, cb_err *err);

/* Rows of `read` become parameters 1, 2, ... of `write`. If `read` has a parameter it is `from_id`;
 * if `write` has one more than there are columns, that is `to_id`. *changed (may be NULL) counts
 * the rows that were written. */
typedef struct cbi_merge_step {
    const char *read, *write;
} cbi_merge_step;
CB_MUST_USE cb_status cbi_merge_copy(cbi_merge *m, const cbi_merge_step *step, int64_t from_id,
                                     int64_t to_id, int64_t *changed, cb_err *err);

CB_MUST_USE cb_status cbi_merge_studies(cbi_merge *m, cb_err *err);
CB_MUST_USE cb_status cbi_merge_results(cbi_merge *m, cb_err *err);
/* Copies a file of weights beside the database; *name: as the records name it there; "" if there is
 * none or not the right one. Caller: cbi_free. */
CB_MUST_USE cb_status cbi_merge_weights(cbi_merge *m, const char *key, const char *file,
                                        const char *sha256, char **name, cb_err *err);

#endif
