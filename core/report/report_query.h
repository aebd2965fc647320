/* SPDX-License-Identifier: MIT */
/* What all that is read from a database for a report shares: values of rows, names, versions. */
#ifndef CB_REPORT_QUERY_H
#define CB_REPORT_QUERY_H

#include "base/text.h"
#include "cellbench/store.h"

/* Runs a statement and calls `take` for each row. */
typedef cb_status cbi_report_take(void *context, const cb_query *query, cb_err *err);
CB_MUST_USE cb_status cbi_report_each(cb_store *store, const char *sql, const cb_value *values,
                                      size_t n, cbi_report_take *take, void *context, cb_err *err);

/* NaN: no number, NULL or infinite. */
double cbi_report_real(const cb_query *query, size_t column);
int64_t cbi_report_int(const cb_query *query, size_t column);
/* A copy, "" for no text. */
CB_MUST_USE cb_status cbi_report_text(const cb_query *query, size_t column, char **out,
                                      cb_err *err);

/* CB_ESTORE if the database has an older schema than is needed. */
CB_MUST_USE cb_status cbi_report_version(cb_store *store, int64_t least, int64_t *version,
                                         cb_err *err);
/* The number of a study by name: CB_EARG with the nearest name if there is none. 0 for NULL. */
CB_MUST_USE cb_status cbi_report_study(cb_store *store, const char *name, int64_t *study_id,
                                       cb_err *err);

/* Adds a text to a list that grows; it is taken over, also on failure. */
CB_MUST_USE cb_status cbi_report_add(char ***list, size_t *count, char *text, cb_err *err);

#endif
