/* SPDX-License-Identifier: MIT */
/*
 * What differs between two cells. All of it is rows (part, name, first, second), where a side that
 * has nothing is empty; people get the lines of the texts as a list of changes instead.
 */
#include "cli/cells.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

typedef struct lines {
    char *text; /* cut at its line ends */
    const char **line;
    size_t count;
} lines;

static void lines_fini(lines *l) {
    cbi_free(l->text);
    cbi_free(l->line);
}

static cb_status lines_of(lines *out, const char *text, cb_err *err) {
    size_t most = 1;
    for (const char *p = text; *p != '\0'; p++)
        most += *p == '\n';
    *out = (lines){cbi_strdup(text), cbi_calloc(most, sizeof *out->line), 0};
    if (out->text == NULL || out->line == NULL)
        return cb_fail(err, CB_ENOMEM, "out of memory");
    for (char *p = out->text; *p != '\0';) {
        out->line[out->count++] = p;
        p += strcspn(p, "\n");
        if (*p == '\n')
            *p++ = '\0';
    }
    return CB_OK;
}

/* ---- lines of text ---- */

/* common[i][j]: the most lines that a[i..] and b[j..] have in common, in order. */
static cb_status common_lines(size_t **out, const lines *a, const lines *b, cb_err *err) {
    const size_t width = b->count + 1;
    size_t *c = *out = cbi_calloc((a->count + 1) * width, sizeof *c);
    if (c == NULL)
        return cb_fail(err, CB_ENOMEM, "out of memory");
    for (size_t i = a->count; i-- > 0;)
        for (size_t j = b->count; j-- > 0;) {
            const size_t down = c[(i + 1) * width + j], right = c[i * width + j + 1];
            c[i * width + j] = strcmp(a->line[i], b->line[j]) == 0 ? c[(i + 1) * width + j + 1] + 1
                               : down > right                      ? down
                                                                   : right;
        }
    return CB_OK;
}

/* A line of one of the texts, or (neither NULL) of both. */
static void add_line(cbi_cli_table *table, const char *first, const char *second) {
    const char *only = first != NULL ? first : second;
    if (table->format == CBI_CLI_PLAIN) {
        printf("  %c %s\n", second == NULL ? '-' : first == NULL ? '+' : ' ', only);
    } else if (first == NULL || second == NULL) {
        cbi_cli_table_text(table, "text");
        cbi_cli_table_text(table, "");
        cbi_cli_table_text(table, first);
        cbi_cli_table_text(table, second);
    }
}

static cb_status diff_texts(cbi_cli_table *table, const char *first, const char *second,
                            cb_err *err) {
    lines a = {0}, b = {0};
    size_t *common = NULL, i = 0, j = 0;
    cb_status st = lines_of(&a, first, err);
    if (st == CB_OK)
        st = lines_of(&b, second, err);
    if (st == CB_OK)
        st = common_lines(&common, &a, &b, err);
    while (st == CB_OK && (i < a.count || j < b.count)) {
        const size_t *here = common + i * (b.count + 1) + j;
        if (i < a.count && j < b.count && strcmp(a.line[i], b.line[j]) == 0) {
            add_line(table, a.line[i], b.line[j]);
            i++, j++;
        } else if (i < a.count && (j == b.count || here[b.count + 1] >= here[1])) {
            add_line(table, a.line[i++], NULL);
        } else {
            add_line(table, NULL, b.line[j++]);
        }
    }
    cbi_free(common);
    lines_fini(&a);
    lines_fini(&b);
    return st;
}

/* ---- parameters ---- */

enum { PARAM_TEXT = 320 };

static const char *param_text(char text[PARAM_TEXT], const cb_param *p) {
    char shape[CBI_CELLS_SHAPE], structure[CBI_CELLS_SHAPE], law[CB_INIT_TEXT], limit[48] = "";
    if (p == NULL)
        return NULL;
    cbi_cells_shape(shape, p);
    cbi_cells_structure(structure, p);
    if (p->limit > 0.0)
        snprintf(limit, sizeof limit, ", |w| <= %.6g", p->limit);
    snprintf(text, PARAM_TEXT, "%s %s, %s%s%s", shape, structure, cb_init_text(law, &p->init),
             p->fixed ? ", fixed" : "", limit);
    return text;
}

static const cb_param *param_named(const cb_cell *cell, const char *name) {
    size_t count;
    const cb_param *p = cb_cell_params(cell, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(p[i].name, name) == 0)
            return &p[i];
    return NULL;
}

static void add_param(cbi_cli_table *table, const char *name, const cb_param *a,
                      const cb_param *b) {
    char first[PARAM_TEXT], second[PARAM_TEXT];
    const char *x = param_text(first, a), *y = param_text(second, b);
    if (x != NULL && y != NULL && strcmp(x, y) == 0)
        return;
    cbi_cli_table_text(table, "parameters");
    cbi_cli_table_text(table, name);
    cbi_cli_table_text(table, x);
    cbi_cli_table_text(table, y);
}

static void diff_params(cbi_cli_table *table, const cb_cell *a, const cb_cell *b) {
    size_t count;
    const cb_param *p = cb_cell_params(a, &count);
    for (size_t i = 0; i < count; i++)
        add_param(table, p[i].name, &p[i], param_named(b, p[i].name));
    p = cb_cell_params(b, &count);
    for (size_t i = 0; i < count; i++)
        if (param_named(a, p[i].name) == NULL)
            add_param(table, p[i].name, NULL, &p[i]);
}

/* ---- cost ---- */

static void add_numbers(cbi_cli_table *table, const char *part, const char *name, size_t a,
                        size_t b) {
    if (a == b)
        return;
    cbi_cli_table_text(table, part);
    cbi_cli_table_text(table, name);
    cbi_cli_table_int(table, (int64_t)a);
    cbi_cli_table_int(table, (int64_t)b);
}

static void diff_cost(cbi_cli_table *table, const cb_cell *a, const cb_cell *b) {
    static const char part[] = "one step of one sequence";
    const cb_cell_cost x = cb_cell_get_cost(a), y = cb_cell_get_cost(b);
    add_numbers(table, part, "learned numbers", cb_cell_param_count(a), cb_cell_param_count(b));
    add_numbers(table, part, "flop, forward", x.product_flop, y.product_flop);
    add_numbers(table, part, "flop, backward", x.backward_product_flop, y.backward_product_flop);
    add_numbers(table, part, "operations, forward", x.pointwise_ops, y.pointwise_ops);
    add_numbers(table, part, "operations, backward", x.backward_pointwise_ops,
                y.backward_pointwise_ops);
    add_numbers(table, part, "stages of products", x.stages, y.stages);
    add_numbers(table, part, "values kept for backward", x.kept, y.kept);
}

static size_t elements_of(const cb_cell_operation *all, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i].forward;
    return 0;
}

static cb_status diff_operations(cbi_cli_table *table, const cb_cell *a, const cb_cell *b,
                                 cb_err *err) {
    static const char part[] = "operations, forward, by name";
    cb_cell_operation *x = NULL, *y = NULL;
    size_t n = 0, m = 0;
    cb_status st = cb_cell_get_operations(a, &x, &n, err);
    if (st == CB_OK)
        st = cb_cell_get_operations(b, &y, &m, err);
    for (size_t i = 0; st == CB_OK && i < n; i++)
        add_numbers(table, part, x[i].name, x[i].forward, elements_of(y, m, x[i].name));
    for (size_t i = 0; st == CB_OK && i < m; i++)
        if (elements_of(x, n, y[i].name) == 0)
            add_numbers(table, part, y[i].name, 0, y[i].forward);
    cb_free(x);
    cb_free(y);
    return st;
}

cb_status cbi_cells_diff(const cb_cell_def *first, const cb_cell_def *second, cbi_cells_sizes size,
                         cbi_cli_format format, cb_err *err) {
    const char *const names[] = {"part", "name", first->name, second->name};
    cbi_cli_table table = {.format = format,
                           .columns = sizeof names / sizeof *names,
                           .names = names,
                           .group_by = "part"};
    cbi_cells_built a = {0}, b = {0};
    cb_status st = cbi_cells_build(&a, first, size, NULL, 0, err);
    if (st == CB_OK)
        st = cbi_cells_build(&b, second, size, NULL, 0, err);
    if (st != CB_OK)
        goto out;
    if (format == CBI_CLI_PLAIN)
        printf("- %s: %s\n+ %s: %s\n\ntext\n", first->name, first->title, second->name,
               second->title);
    if ((st = diff_texts(&table, cb_cell_text(a.cell), cb_cell_text(b.cell), err)) != CB_OK)
        goto out;
    diff_params(&table, a.cell, b.cell);
    diff_cost(&table, a.cell, b.cell);
    if ((st = diff_operations(&table, a.cell, b.cell, err)) != CB_OK)
        goto out;
    if (format == CBI_CLI_PLAIN && table.count > 0)
        printf("\nat I = %zu, H = %zu\n\n", size.input, size.hidden);
    if (format != CBI_CLI_PLAIN || table.count > 0)
        st = cbi_cli_table_print(&table, err);
out:
    cbi_cli_table_fini(&table);
    cbi_cells_built_fini(&a);
    cbi_cells_built_fini(&b);
    return st;
}
