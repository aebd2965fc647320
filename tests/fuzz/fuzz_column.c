/* SPDX-License-Identifier: MIT */
/*
 * The CSV reader and the choice of a column, from memory: the first byte chooses how the column is
 * named. What is accepted must be finite numbers, at most one a line end; and the records must be
 * of one width, within the text.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tasks/column.h"
#include "tasks/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(int promise) {
    if (!promise)
        abort();
}

static void check_error(const cb_err *err, cb_status st) {
    check(err->code == st && err->text[0] != '\0');
    check(st == CB_EARG || st == CB_EDATA || st == CB_ENOMEM);
}

/* A copy of the text, in a block of exactly its size: the reader writes into it. */
static char *copy_of(const uint8_t *bytes, size_t size) {
    char *text = malloc(size > 0 ? size : 1);
    check(text != NULL);
    memcpy(text, bytes, size);
    return text;
}

static void read_records(const uint8_t *bytes, size_t size) {
    cb_err err = {0};
    cbi_csv csv;
    int more = 1;
    size_t width = 0, line = 0;
    char *text = copy_of(bytes, size);
    cbi_csv_init(&csv, text, size, "input");
    while (more) {
        cb_status st = cbi_csv_next(&csv, &more, &err);
        if (st != CB_OK) {
            check_error(&err, st);
            check(more == 0);
            break;
        }
        if (!more)
            break;
        check(csv.count > 0 && (width == 0 || csv.count == width));
        check(csv.line > line);
        width = csv.count;
        line = csv.line;
        for (size_t i = 0; i < csv.count; i++) {
            const cbi_csv_field *field = &csv.fields[i];
            check(field->data >= text && field->data + field->length <= text + size);
        }
    }
    cbi_csv_fini(&csv);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const char *const columns[] = {NULL, "1", "2", "v"};
    cb_err err = {0};
    double *values = NULL;
    size_t n = 0;
    uint8_t way = 0;
    if (size > 0) {
        way = *bytes++;
        size--;
    }
    read_records(bytes, size);
    char *text = copy_of(bytes, size);
    cb_status st = cbi_column_read(&values, &n, text, size, columns[way & 3],
                                   (cbi_header)((way >> 2 & 3) % 3), "input", &err);
    if (st == CB_OK) {
        for (size_t i = 0; i < n; i++)
            check(isfinite(values[i]));
        check(n <= size);
    } else {
        check_error(&err, st);
        check(values == NULL && n == 0);
    }
    cbi_free(values);
    free(text);
    return 0;
}
