/* SPDX-License-Identifier: MIT */
/* One column of a CSV file as numbers. */
#ifndef CB_TASKS_COLUMN_H
#define CB_TASKS_COLUMN_H

#include <stddef.h>

#include "cellbench/status.h"

typedef enum cbi_header { CBI_HEADER_AUTO, CBI_HEADER_YES, CBI_HEADER_NO } cbi_header;

/*
 * *values: the *n numbers of the column, all finite, in the order of the file. Caller: cbi_free.
 *
 * text    untrusted; `length` bytes, changed as they are read (see csv.h)
 * column  a name of the header, else a number from 1; NULL: the last column
 * header  whether the first line holds names. Auto: it does where it holds the name, or where the
 *         column's field there is no number ("nan" and "inf" are numbers here, and an empty field
 *         is a missing one, so that no data are taken for a header)
 * file    for messages
 *
 * Blanks around a number or a name do not count. Numbers are decimal, with a point whatever the
 * locale. CB_EARG: no such column; CB_EDATA: not CSV, or a field that is empty or no finite number
 * (with file and line); CB_ENOMEM.
 */
CB_MUST_USE cb_status cbi_column_read(double **values, size_t *n, char *text, size_t length,
                                      const char *column, cbi_header header, const char *file,
                                      cb_err *err);

#endif
