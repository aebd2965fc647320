/* SPDX-License-Identifier: MIT */
/* The CSV reader: one pass over the text, each field a slice of it. */
#include "tasks/csv.h"

#include <string.h>

#include "base/alloc.h"

void cbi_csv_init(cbi_csv *csv, char *text, size_t length, const char *file) {
    static const char mark[] = "\xEF\xBB\xBF";
    size_t skip = length >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
    *csv = (cbi_csv){.at = text + skip, .end = text + length, .file = file, .next_line = 1};
}

void cbi_csv_fini(cbi_csv *csv) {
    cbi_free(csv->fields);
    *csv = (cbi_csv){0};
}

/* Passes over a line end, if there is one here. */
static int take_line_end(cbi_csv *csv) {
    size_t left = (size_t)(csv->end - csv->at), n = 0;
    if (left >= 1 && csv->at[0] == '\n')
        n = 1;
    else if (left >= 2 && csv->at[0] == '\r' && csv->at[1] == '\n')
        n = 2;
    csv->at += n;
    csv->next_line += n > 0;
    return n > 0;
}

static cb_status take_plain(cbi_csv *csv, cbi_csv_field *field, cb_err *err) {
    field->data = csv->at;
    for (; csv->at < csv->end && *csv->at != ',' && *csv->at != '\n'; csv->at++) {
        if (*csv->at == '\r' && csv->at + 1 < csv->end && csv->at[1] == '\n')
            break;
        const char *wrong = *csv->at == '"'    ? "a quote within an unquoted field"
                            : *csv->at == '\r' ? "a carriage return without a line feed"
                            : *csv->at == '\0' ? "a zero byte"
                                               : NULL;
        if (wrong != NULL)
            return cb_fail(err, CB_EDATA, "%s: line %zu: expected CSV, got %s", csv->file,
                           csv->next_line, wrong);
    }
    field->length = (size_t)(csv->at - field->data);
    return CB_OK;
}

static cb_status take_quoted(cbi_csv *csv, cbi_csv_field *field, cb_err *err) {
    size_t first_line = csv->next_line;
    char *into = ++csv->at;
    field->data = into;
    for (;; csv->at++) {
        if (csv->at == csv->end)
            return cb_fail(err, CB_EDATA, "%s: line %zu: a quoted field is never closed", csv->file,
                           first_line);
        if (*csv->at == '"') {
            if (csv->at + 1 == csv->end || csv->at[1] != '"')
                break;
            csv->at++;
        }
        csv->next_line += *csv->at == '\n';
        *into++ = *csv->at;
    }
    csv->at++;
    field->length = (size_t)(into - field->data);
    return CB_OK;
}

/* The fields up to the end of the record, which is passed over. */
static cb_status take_record(cbi_csv *csv, cb_err *err) {
    for (csv->count = 0;;) {
        cb_status st = CB_OK;
        if (cbi_grow((void **)&csv->fields, &csv->capacity, csv->count + 1, sizeof *csv->fields) !=
            CB_OK)
            return cb_fail(err, CB_ENOMEM, "%s: line %zu: no memory for its fields", csv->file,
                           csv->line);
        cbi_csv_field *field = &csv->fields[csv->count++];
        if (csv->at < csv->end && *csv->at == '"')
            st = take_quoted(csv, field, err);
        else
            st = take_plain(csv, field, err);
        if (st != CB_OK)
            return st;
        if (csv->at == csv->end || take_line_end(csv))
            return CB_OK;
        if (*csv->at != ',')
            return cb_fail(err, CB_EDATA,
                           "%s: line %zu: expected a comma or a line end behind a quoted field",
                           csv->file, csv->next_line);
        csv->at++;
    }
}

cb_status cbi_csv_next(cbi_csv *csv, int *more, cb_err *err) {
    size_t empty_line = csv->next_line;
    int empty = 0;
    *more = 0;
    csv->count = 0;
    while (take_line_end(csv))
        empty = 1;
    if (csv->at == csv->end)
        return CB_OK;
    if (empty)
        return cb_fail(err, CB_EDATA, "%s: line %zu: expected a record, got an empty line",
                       csv->file, empty_line);
    csv->line = csv->next_line;
    cb_status st = take_record(csv, err);
    if (st != CB_OK)
        return st;
    if (csv->width == 0)
        csv->width = csv->count;
    if (csv->count != csv->width)
        return cb_fail(err, CB_EDATA,
                       "%s: line %zu: expected %zu fields, as in the first line, got %zu",
                       csv->file, csv->line, csv->width, csv->count);
    *more = 1;
    return CB_OK;
}
