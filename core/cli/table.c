/* SPDX-License-Identifier: MIT */
/*
 * Tables on standard output: aligned text for people, CSV (RFC 4180) and JSON for programs. People
 * get about five digits of a number, programs get the shortest text that reads back as the same
 * double.
 */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"

cbi_cli_format cbi_cli_format_of(const cbi_cli_args *args) {
    return cbi_cli_flag(args, "csv")    ? CBI_CLI_CSV
           : cbi_cli_flag(args, "json") ? CBI_CLI_JSON
                                        : CBI_CLI_PLAIN;
}

/* ---- collecting ---- */

static cbi_cli_cell *add(cbi_cli_table *table) {
    void *cells = table->cells;
    if (table->failed ||
        cbi_grow(&cells, &table->capacity, table->count + 1, sizeof *table->cells) != CB_OK) {
        table->failed = 1;
        return NULL;
    }
    table->cells = cells;
    cbi_cli_cell *cell = &table->cells[table->count++];
    *cell = (cbi_cli_cell){.type = CB_VALUE_NULL};
    return cell;
}

static void add_text(cbi_cli_table *table, const char *text, size_t length) {
    cbi_cli_cell *cell = add(table);
    if (cell == NULL)
        return;
    cell->type = CB_VALUE_TEXT;
    if ((cell->text = cbi_malloc(length + 1)) == NULL) {
        table->failed = 1;
        return;
    }
    memcpy(cell->text, text, length);
    cell->text[length] = '\0';
    cell->length = length;
}

void cbi_cli_table_text(cbi_cli_table *table, const char *text) {
    if (text == NULL)
        (void)add(table);
    else
        add_text(table, text, strlen(text));
}

void cbi_cli_table_int(cbi_cli_table *table, int64_t value) {
    cbi_cli_cell *cell = add(table);
    if (cell != NULL)
        *cell = (cbi_cli_cell){.type = CB_VALUE_INT, .integer = value};
}

void cbi_cli_table_real(cbi_cli_table *table, double value) {
    cbi_cli_cell *cell = add(table);
    if (cell != NULL && isfinite(value))
        *cell = (cbi_cli_cell){.type = CB_VALUE_REAL, .real = value};
}

void cbi_cli_table_value(cbi_cli_table *table, const cb_value *value) {
    switch (value->type) {
    case CB_VALUE_INT:
        cbi_cli_table_int(table, value->integer);
        break;
    case CB_VALUE_REAL:
        cbi_cli_table_real(table, value->real);
        break;
    case CB_VALUE_TEXT:
        add_text(table, value->text, value->length);
        break;
    case CB_VALUE_NULL:
    default:
        (void)add(table);
    }
}

void cbi_cli_table_fini(cbi_cli_table *table) {
    for (size_t i = 0; i < table->count; i++)
        cbi_free(table->cells[i].text);
    cbi_free(table->cells);
    table->cells = NULL;
    table->count = table->capacity = 0;
}

/* ---- text ---- */

/* Five digits of a number, without zeros at the end; small ones too, as long as they are not very
 * small, without an exponent. */
static void real_text(char *buffer, size_t size, double value) {
    const double magnitude = fabs(value);
    if (magnitude >= 1e-4 || magnitude < 1e-7) {
        snprintf(buffer, size, "%.5g", value);
        return;
    }
    snprintf(buffer, size, "%.*f", 4 - (int)floor(log10(magnitude)), value);
    for (size_t n = strlen(buffer); n > 0 && buffer[n - 1] == '0'; n--)
        buffer[n - 1] = '\0';
}

/* Characters of a number from its point on. */
static size_t tail_length(const char *number) {
    const char *point = strpbrk(number, ".e");
    return point != NULL ? strlen(point) : 0;
}

/* The longest tail in a column: shorter ones are filled up, so that the points stand in line. */
static size_t column_tail(const cbi_cli_table *table, size_t column) {
    char number[64];
    size_t longest = 0;
    for (size_t i = column; i < table->count; i += table->columns)
        if (table->cells[i].type == CB_VALUE_REAL) {
            real_text(number, sizeof number, table->cells[i].real);
            size_t tail = tail_length(number);
            longest = tail > longest ? tail : longest;
        }
    return longest;
}

/* The text of a cell; caller: cbi_free. */
static char *cell_text(const cbi_cli_cell *cell, size_t tail) {
    char number[64], padded[128];
    switch (cell->type) {
    case CB_VALUE_INT:
        snprintf(number, sizeof number, "%lld", (long long)cell->integer);
        break;
    case CB_VALUE_REAL:
        real_text(number, sizeof number, cell->real);
        break;
    case CB_VALUE_TEXT:
        return cbi_cli_printable(cell->text, cell->length, 0);
    case CB_VALUE_NULL:
    default:
        return cbi_strdup("-");
    }
    const size_t own = tail_length(number);
    snprintf(padded, sizeof padded, "%s%*s", number, (int)(tail > own ? tail - own : 0), "");
    return cbi_strdup(padded);
}

static int column_is_number(const cbi_cli_table *table, size_t column) {
    for (size_t i = column; i < table->count; i += table->columns)
        if (table->cells[i].type == CB_VALUE_TEXT)
            return 0;
    return 1;
}

static void pad(size_t n) {
    while (n-- > 0)
        putchar(' ');
}

static int same_text(const cbi_cli_cell *a, const cbi_cli_cell *b) {
    return b->type == CB_VALUE_TEXT && a->length == b->length &&
           memcmp(a->text, b->text, a->length) == 0;
}

/* One text for all rows of a column; NULL if they differ, are numbers, or are not there. */
static const cbi_cli_cell *column_constant(const cbi_cli_table *table, size_t column) {
    if (table->fold_except == NULL || strcmp(table->names[column], table->fold_except) == 0 ||
        table->count == 0 || table->cells[column].type != CB_VALUE_TEXT)
        return NULL;
    const cbi_cli_cell *first = &table->cells[column];
    for (size_t i = column; i < table->count; i += table->columns)
        if (!same_text(first, &table->cells[i]))
            return NULL;
    return first;
}

/* How a column is printed. */
typedef struct layout {
    size_t width;
    size_t tail; /* of its longest number, from the point on */
    int right;   /* numbers stand to the right */
    int folded;  /* printed once, above; or the heading of a group */
} layout;

/* The column that `group_by` names; behind the last if there is none. */
static size_t group_column(const cbi_cli_table *table) {
    size_t i = 0;
    while (i < table->columns &&
           (table->group_by == NULL || strcmp(table->names[i], table->group_by) != 0))
        i++;
    return i;
}

/* Prints once what is the same in all rows. */
static void print_folded(const cbi_cli_table *table) {
    int any = 0;
    for (size_t i = 0; i < table->columns; i++) {
        const cbi_cli_cell *cell = column_constant(table, i);
        if (cell == NULL || cell->length == 0)
            continue;
        char *safe = cbi_cli_printable(cell->text, cell->length, 0);
        printf("%s%s %s", any ? ", " : "", table->names[i], safe != NULL ? safe : "?");
        any = 1;
        cbi_free(safe);
    }
    fputs(any ? "\n\n" : "", stdout);
}

/* wrap: the width of the terminal, into which a last column of texts is broken; 0: it is not. */
static void print_row(char **texts, const layout *columns, size_t n, size_t wrap) {
    size_t owed = 0; /* spaces that only a further text makes necessary */
    size_t at = 0;   /* where the column begins */
    for (size_t i = 0; i < n; i++) {
        if (columns[i].folded)
            continue;
        size_t space = columns[i].width - cbi_cli_columns(texts[i]);
        if (*texts[i] != '\0') {
            pad(owed + (columns[i].right ? space : 0));
            owed = columns[i].right ? 0 : space;
            if (i + 1 == n && !columns[i].right && wrap >= at + 20) {
                cbi_cli_wrapped(texts[i], at, wrap);
                return;
            }
            size_t length = strlen(texts[i]);
            for (; length > 0 && texts[i][length - 1] == ' '; length--)
                owed++;
            fwrite(texts[i], 1, length, stdout);
        } else {
            owed += columns[i].width;
        }
        owed += 2;
        at += columns[i].width + 2;
    }
    putchar('\n');
}

static cb_status print_plain(const cbi_cli_table *table, cb_err *err) {
    const size_t n = table->columns, total = n + table->count; /* the head is row 0 */
    cb_status st = CB_OK;
    char **texts = cbi_calloc(total, sizeof *texts);
    layout *columns = cbi_calloc(n, sizeof *columns);
    if (texts == NULL || columns == NULL) {
        st = cb_fail(err, CB_ENOMEM, "a table of %zu cells", total);
        goto out;
    }
    for (size_t i = 0; i < n; i++)
        columns[i] =
            (layout){.tail = column_tail(table, i),
                     .right = column_is_number(table, i),
                     .folded = column_constant(table, i) != NULL || i == group_column(table)};
    for (size_t i = 0; i < total; i++) {
        layout *column = &columns[i % n];
        texts[i] = i < n ? cbi_cli_printable(table->names[i], strlen(table->names[i]), 0)
                         : cell_text(&table->cells[i - n], column->tail);
        if (texts[i] == NULL) {
            st = cb_fail(err, CB_ENOMEM, "a table of %zu cells", total);
            goto out;
        }
        size_t width = cbi_cli_columns(texts[i]);
        column->width = width > column->width ? width : column->width;
    }
    print_folded(table);
    size_t wrap = 0, lines;
    if (isatty(STDOUT_FILENO))
        cbi_cli_terminal_size(STDOUT_FILENO, &wrap, &lines);
    const size_t group = group_column(table);
    for (size_t i = 0; i < total; i += n) {
        if (i > 0 && group < n && (i == n || strcmp(texts[i + group], texts[i - n + group]) != 0))
            printf("\n%s\n", texts[i + group]);
        print_row(texts + i, columns, n, wrap);
    }
out:
    for (size_t i = 0; texts != NULL && i < total; i++)
        cbi_free(texts[i]);
    cbi_free(texts);
    cbi_free(columns);
    return st;
}

/* ---- CSV ---- */

/* To a terminal even CSV goes without control characters; to a file it goes as it is. */
void cbi_cli_csv_text(FILE *file, const char *text, size_t n) {
    char *safe = NULL;
    if (isatty(fileno(file))) {
        safe = cbi_cli_printable(text, n, 0);
        text = safe != NULL ? safe : "";
        n = strlen(text);
    }
    int quoted = n == 0 || text[0] == ' ' || text[n - 1] == ' ';
    for (size_t i = 0; i < n && !quoted; i++)
        quoted = text[i] == ',' || text[i] == '"' || text[i] == '\r' || text[i] == '\n';
    if (quoted)
        putc('"', file);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"')
            putc('"', file);
        putc(text[i], file);
    }
    if (quoted)
        putc('"', file);
    cbi_free(safe);
}

void cbi_cli_csv_value(FILE *file, const cb_value *value) {
    char number[32];
    if (value->type == CB_VALUE_INT)
        fprintf(file, "%lld", (long long)value->integer);
    else if (value->type == CB_VALUE_REAL)
        fputs(cbi_number(number, value->real), file);
    else if (value->type == CB_VALUE_TEXT)
        cbi_cli_csv_text(file, value->text, value->length);
}

static void print_csv(const cbi_cli_table *table) {
    for (size_t i = 0; i < table->columns + table->count; i++) {
        if (i < table->columns) {
            cbi_cli_csv_text(stdout, table->names[i], strlen(table->names[i]));
        } else {
            const cbi_cli_cell *cell = &table->cells[i - table->columns];
            const cb_value value = {cell->type, cell->integer, cell->real, cell->text,
                                    cell->length};
            cbi_cli_csv_value(stdout, &value);
        }
        fputs((i + 1) % table->columns == 0 ? "\r\n" : ",", stdout);
    }
}

/* ---- JSON ---- */

/* Length of the well-formed UTF-8 character at text, and its code; 0: not well formed. */
static size_t utf8(const char *text, unsigned *code) {
    const unsigned char *s = (const unsigned char *)text;
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (n == 0 || s[0] > 0xf4)
        return 0;
    unsigned c = n == 1 ? s[0] : s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = (c << 6) | (s[i] & 0x3f);
    }
    if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)) ||
        (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *code = c;
    return n;
}

static void json_text(const char *text, size_t length) {
    const char *end = text + length; /* where a 0 stands, which is no part of a longer character */
    putchar('"');
    while (text < end) {
        unsigned code = 0;
        size_t n = utf8(text, &code);
        if (n == 0)
            fputs("\\ufffd", stdout);
        else if (code == '"' || code == '\\')
            printf("\\%c", (int)code);
        else if (code < 0x20 || (code >= 0x7f && code < 0xa0) ||
                 (cbi_cli_is_tricky(code) && code <= 0xffff))
            printf("\\u%04x", code);
        else if (cbi_cli_is_tricky(code)) /* as the two halves of UTF-16 */
            printf("\\u%04x\\u%04x", 0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
        else
            fwrite(text, 1, n, stdout);
        text += n == 0 ? 1 : n;
    }
    putchar('"');
}

static void print_json(const cbi_cli_table *table) {
    char number[32];
    fputs("[", stdout);
    for (size_t i = 0; i < table->count; i++) {
        const cbi_cli_cell *cell = &table->cells[i];
        size_t column = i % table->columns;
        fputs(column > 0 ? ", " : i == 0 ? "\n  {" : ",\n  {", stdout);
        json_text(table->names[column], strlen(table->names[column]));
        fputs(": ", stdout);
        if (cell->type == CB_VALUE_INT)
            printf("%lld", (long long)cell->integer);
        else if (cell->type == CB_VALUE_REAL)
            fputs(cbi_number(number, cell->real), stdout);
        else if (cell->type == CB_VALUE_TEXT)
            json_text(cell->text, cell->length);
        else
            fputs("null", stdout);
        if (column + 1 == table->columns)
            putchar('}');
    }
    fputs(table->count > 0 ? "\n]\n" : "]\n", stdout);
}

cb_status cbi_cli_table_print(const cbi_cli_table *table, cb_err *err) {
    if (table->failed)
        return cb_fail(err, CB_ENOMEM, "a table of %zu cells", table->count);
    if (table->columns == 0 || table->count % table->columns != 0)
        return cb_fail(err, CB_EINTERNAL, "a table of %zu columns has %zu cells", table->columns,
                       table->count);
    if (table->format == CBI_CLI_PLAIN)
        return print_plain(table, err);
    if (table->format == CBI_CLI_CSV)
        print_csv(table);
    else
        print_json(table);
    return CB_OK;
}
