/* SPDX-License-Identifier: MIT */
/* Finds the column by the first record, then reads numbers down the file. */
#include "tasks/column.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "tasks/csv.h"

typedef struct reader {
    cbi_csv csv;
    locale_t plain; /* with a decimal point */
    size_t column;  /* from 0 */
    double *values;
    size_t count, capacity;
} reader;

static cbi_csv_field trimmed(cbi_csv_field field) {
    while (field.length > 0 && (field.data[0] == ' ' || field.data[0] == '\t')) {
        field.data++;
        field.length--;
    }
    while (field.length > 0 &&
           (field.data[field.length - 1] == ' ' || field.data[field.length - 1] == '\t'))
        field.length--;
    return field;
}

/* Whether strtod takes the whole field, which includes "nan" and "inf". */
static int parse_number(double *out, const reader *in, cbi_csv_field field) {
    char text[320]; /* the longest double without an exponent has 309 digits */
    char *end = text;
    field = trimmed(field);
    *out = 0.0;
    if (field.length == 0 || field.length >= sizeof text)
        return 0;
    memcpy(text, field.data, field.length);
    text[field.length] = '\0';
    *out = strtod_l(text, &end, in->plain);
    return end == text + field.length;
}

static int is_decimal(cbi_csv_field field) {
    for (size_t i = 0; i < field.length; i++)
        if (strchr("+-.0123456789eE", field.data[i]) == NULL || field.data[i] == '\0')
            return 0;
    return 1;
}

static cb_status add_value(reader *in, cb_err *err) {
    double value;
    cbi_csv_field field = trimmed(in->csv.fields[in->column]);
    int number = parse_number(&value, in, field);
    if (field.length == 0)
        return cb_fail(err, CB_EDATA, "%s: line %zu: column %zu: expected a number, it is empty",
                       in->csv.file, in->csv.line, in->column + 1);
    if (!number || !is_decimal(field) || !isfinite(value))
        return cb_fail(err, CB_EDATA,
                       "%s: line %zu: column %zu: expected a finite decimal number, got '%.*s'",
                       in->csv.file, in->csv.line, in->column + 1,
                       field.length < 40 ? (int)field.length : 40, field.data);
    if (cbi_grow((void **)&in->values, &in->capacity, in->count + 1, sizeof *in->values) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "%s: no memory for %zu numbers", in->csv.file,
                       in->count + 1);
    in->values[in->count++] = value;
    return CB_OK;
}

static cb_status no_such_column(const cbi_csv *csv, const char *column, cbi_header header,
                                cb_err *err) {
    cbi_text names = {0};
    for (size_t i = 0; header != CBI_HEADER_NO && i < csv->count && i < 8; i++) {
        cbi_csv_field name = trimmed(csv->fields[i]);
        cbi_text_addf(&names, "%s'%.*s'", i == 0 ? "; its first line has " : ", ",
                      name.length < 40 ? (int)name.length : 40, name.data);
    }
    cb_status st =
        cb_fail(err, CB_EARG, "%s: column: expected a name or a number 1..%zu, got '%s'%s",
                csv->file, csv->count, column, names.data != NULL ? names.data : "");
    cbi_text_fini(&names);
    return st;
}

/* Finds the column in the first record; *is_header says whether that record is names. */
static cb_status find_column(reader *in, int *is_header, const char *column, cbi_header header,
                             cb_err *err) {
    const cbi_csv *csv = &in->csv;
    int named = 0;
    double value;
    in->column = csv->count - 1;
    for (size_t i = 0; column != NULL && header != CBI_HEADER_NO && i < csv->count && !named; i++) {
        cbi_csv_field name = trimmed(csv->fields[i]);
        named = name.length > 0 && name.length == strlen(column) &&
                memcmp(name.data, column, name.length) == 0;
        if (named)
            in->column = i;
    }
    if (column != NULL && !named) {
        char *end;
        unsigned long number = strtoul(column, &end, 10);
        if (strspn(column, "0123456789") != strlen(column) || number < 1 || number > csv->count)
            return no_such_column(csv, column, header, err);
        in->column = number - 1;
    }
    cbi_csv_field field = csv->fields[in->column];
    *is_header = header == CBI_HEADER_YES ||
                 (header == CBI_HEADER_AUTO &&
                  (named || (trimmed(field).length > 0 && !parse_number(&value, in, field))));
    return CB_OK;
}

cb_status cbi_column_read(double **values, size_t *n, char *text, size_t length, const char *column,
                          cbi_header header, const char *file, cb_err *err) {
    cb_status st = CB_OK;
    reader in = {.plain = newlocale(LC_ALL_MASK, "C", (locale_t)0)};
    int more = 0, is_header = 0;
    *values = NULL;
    *n = 0;
    cbi_csv_init(&in.csv, text, length, file);
    if (in.plain == (locale_t)0) {
        st = cb_fail(err, CB_ENOMEM, "%s: no memory for the reading of numbers", file);
        goto out;
    }
    if ((st = cbi_csv_next(&in.csv, &more, err)) != CB_OK)
        goto out;
    if (!more) {
        st = cb_fail(err, CB_EDATA, "%s: expected records, it is empty", file);
        goto out;
    }
    if ((st = find_column(&in, &is_header, column, header, err)) != CB_OK)
        goto out;
    if (!is_header && (st = add_value(&in, err)) != CB_OK)
        goto out;
    for (;;) {
        if ((st = cbi_csv_next(&in.csv, &more, err)) != CB_OK)
            goto out;
        if (!more)
            break;
        if ((st = add_value(&in, err)) != CB_OK)
            goto out;
    }
    *values = in.values;
    *n = in.count;
    in.values = NULL;
out:
    cbi_free(in.values);
    cbi_csv_fini(&in.csv);
    if (in.plain != (locale_t)0)
        freelocale(in.plain);
    return st;
}
