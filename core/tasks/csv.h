/* SPDX-License-Identifier: MIT */
/*
 * Reads CSV as of RFC 4180, record by record: fields separated by commas; a field in double quotes
 * may hold commas, line ends and, doubled, quotes. Lines end in LF or CR LF.
 *
 * Stricter than many: every record has as many fields as the first, quotes stand around a whole
 * field or not at all, and empty lines stand only at the end.
 */
#ifndef CB_TASKS_CSV_H
#define CB_TASKS_CSV_H

#include <stddef.h>

#include "cellbench/status.h"

typedef struct cbi_csv_field {
    const char *data; /* not terminated */
    size_t length;
} cbi_csv_field;

typedef struct cbi_csv {
    char *at, *end;
    const char *file;
    size_t next_line;      /* where `at` stands, from 1 */
    size_t line;           /* where the current record begins */
    size_t count;          /* fields of the current record */
    cbi_csv_field *fields; /* valid until the next record is read */
    size_t capacity, width;
} cbi_csv;

/* text: `length` bytes, untrusted, kept by the caller; it is changed as it is read (quotes are
 * taken out in place). A byte-order mark is passed over. file: for messages. */
void cbi_csv_init(cbi_csv *csv, char *text, size_t length, const char *file);
/* Reads the next record; *more is 0 behind the last. CB_EDATA names file and line; CB_ENOMEM. */
CB_MUST_USE cb_status cbi_csv_next(cbi_csv *csv, int *more, cb_err *err);
void cbi_csv_fini(cbi_csv *csv);

#endif
