/* SPDX-License-Identifier: MIT */
/*
 * cellbench cells: the registry; one cell with its text, parameters, states and cost; two cells and
 * what differs.
 */
#include "cli/cells.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

enum { DEFAULT_INPUT = 64, DEFAULT_HIDDEN = 128, LARGEST = 1 << 16, MOST_SETTINGS = 32 };

/* ---- settings of the command line: name=number{,number} ---- */

typedef struct settings {
    cb_cell_setting row[MOST_SETTINGS];
    size_t count;
} settings;

static void settings_fini(settings *set) {
    for (size_t i = 0; i < set->count; i++) {
        cbi_free((void *)(uintptr_t)set->row[i].name);
        cbi_free((void *)(uintptr_t)set->row[i].values);
    }
}

static int settings_add(settings *set, const char *text) {
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return cbi_cli_usage(&cbi_cmd_cells,
                             "cells: --set: expected NAME=NUMBER{,NUMBER}, got '%s'", text);
    if (set->count == MOST_SETTINGS)
        return cbi_cli_usage(&cbi_cmd_cells, "cells: more than %d times --set", MOST_SETTINGS);
    size_t most = 1, n = 0;
    for (const char *p = equals; *p != '\0'; p++)
        most += *p == ',';
    double *values = cbi_calloc(most, sizeof *values);
    char *name = cbi_strndup(text, (size_t)(equals - text));
    set->row[set->count++] = (cb_cell_setting){name, most, values};
    if (values == NULL || name == NULL)
        return cbi_cli_failf("out of memory");
    for (const char *p = equals + 1;;) {
        char *end = NULL;
        errno = 0;
        values[n++] = strtod(p, &end);
        if (end == p || errno != 0 || (*end != ',' && *end != '\0'))
            return cbi_cli_usage(&cbi_cmd_cells, "cells: --set %s: expected a number, got '%s'",
                                 name, p);
        if (*end == '\0')
            return 0;
        p = end + 1;
    }
}

static int settings_read(settings *set, const cbi_cli_args *args) {
    int status = 0;
    for (size_t i = 0; i < args->many_count && status == 0; i++)
        status = settings_add(set, args->many[i]);
    return status;
}

/* ---- building ---- */

cb_status cbi_cli_lowest(const cb_cell_def **out, const cb_cell_def *def, cb_err *err) {
    char name[64];
    *out = NULL;
    for (const char *line = def->text; line != NULL && *line != '\0';) {
        if (sscanf(line, " lowest %63[a-z0-9-]", name) == 1)
            return cb_cell_find(out, cb_variants, name, err);
        line = strchr(line, '\n');
        line += line != NULL;
    }
    return CB_OK;
}

void cbi_cells_built_fini(cbi_cells_built *made) {
    cb_cell_destroy(made->cell);
    cb_cell_destroy(made->below);
}

/* The settings that a text is made from are in it; the rest override its `set` lines. */
static cb_status create(cb_cell **out, const cb_cell_def *def, const cb_cell_setting *overrides,
                        size_t given, cb_input_kind kind, size_t I, size_t H, const cb_cell *below,
                        cb_err *err) {
    size_t left = 0;
    char *text = NULL;
    cb_cell_setting *rest = cbi_calloc(given + 1, sizeof *rest);
    cb_status st = rest == NULL ? cb_fail(err, CB_ENOMEM, "out of memory")
                                : cb_cell_def_text(&text, def, overrides, given, err);
    for (size_t i = 0; st == CB_OK && i < given; i++) {
        const cb_cell_setting *own = def->made_from;
        while (own != NULL && own->name != NULL && strcmp(own->name, overrides[i].name) != 0)
            own++;
        if (own == NULL || own->name == NULL)
            rest[left++] = overrides[i];
    }
    if (st == CB_OK)
        st = cb_cell_create(out, def->name, text, rest, left, kind, I, H, below, err);
    cbi_free(rest);
    cb_free(text);
    return st;
}

cb_status cbi_cells_build(cbi_cells_built *out, const cb_cell_def *def, cbi_cells_sizes size,
                          const cb_cell_setting *overrides, size_t override_count, cb_err *err) {
    const cb_cell_def *lowest = NULL;
    cb_input_kind kind = size.input > 0 ? CB_INPUT_DENSE : CB_INPUT_NONE;
    size_t input = size.input;
    cb_status st;
    *out = (cbi_cells_built){NULL, NULL};
    if ((st = cbi_cli_lowest(&lowest, def, err)) != CB_OK)
        return st;
    if (lowest != NULL) {
        if ((st = cb_cell_create(&out->below, lowest->name, lowest->text, NULL, 0, kind, input,
                                 size.hidden, NULL, err)) != CB_OK)
            return st;
        kind = CB_INPUT_DENSE;
        input = cb_cell_output_dim(out->below);
    }
    st = create(&out->cell, def, overrides, override_count, kind, input, size.hidden, out->below,
                err);
    if (st != CB_OK)
        cbi_cells_built_fini(out);
    return st;
}

/* ---- the registry ---- */

enum { NUMBERS = 7, PLAIN_NUMBERS = 5 }; /* in a row of the list; people get the first */

/* A cell that does not exist at these sizes has a row without numbers; why is told on stderr. */
static cb_status list_numbers(cbi_cli_table *table, const cb_cell_def *def, cbi_cells_sizes size,
                              cb_err *err) {
    cbi_cells_built made;
    size_t states = 0;
    cb_status st = cbi_cells_build(&made, def, size, NULL, 0, err);
    const size_t shown = table->format == CBI_CLI_PLAIN ? PLAIN_NUMBERS : NUMBERS;
    if (st == CB_ENOMEM || st == CB_EINTERNAL)
        return st;
    if (st != CB_OK) {
        (void)cbi_cli_fail(err);
        for (size_t i = 0; i < shown; i++)
            cbi_cli_table_text(table, NULL);
        return CB_OK;
    }
    (void)cb_cell_states(made.cell, &states);
    const cb_cell_cost cost = cb_cell_get_cost(made.cell);
    const size_t numbers[NUMBERS] = {cb_cell_param_count(made.cell),
                                     states,
                                     cost.stages,
                                     cost.product_flop,
                                     cost.pointwise_ops,
                                     cost.backward_product_flop,
                                     cost.backward_pointwise_ops};
    for (size_t i = 0; i < shown; i++)
        cbi_cli_table_int(table, (int64_t)numbers[i]);
    cbi_cells_built_fini(&made);
    return CB_OK;
}

static cb_status list_row(cbi_cli_table *table, const cb_cell_def *def, cbi_cells_sizes size,
                          cb_err *err) {
    const int plain = table->format == CBI_CLI_PLAIN;
    cbi_cli_table_text(table, def->family);
    cbi_cli_table_text(table, def->name);
    cbi_cli_table_int(table, def->year);
    const cb_cell_def *lowest = NULL;
    cb_status st = CB_OK;
    if (!plain) {
        st = cbi_cli_lowest(&lowest, def, err);
        cbi_cli_table_text(table, def->title);
        cbi_cli_table_text(table, def->source);
        cbi_cli_table_text(table, def->count);
        cbi_cli_table_text(table, lowest != NULL ? lowest->name : NULL);
    }
    if (st == CB_OK)
        st = list_numbers(table, def, size, err);
    if (plain)
        cbi_cli_table_text(table, def->title);
    return st;
}

/* CB_EARG, with the nearest name or else all of them, if no cell is of this family. Cells of one
 * family stand together in the table. */
static cb_status check_family(const char *family, cb_err *err) {
    cbi_near near;
    cbi_text known = {0};
    cb_status st = CB_OK;
    int found = 0;
    cbi_near_init(&near, family);
    for (size_t i = 0; cb_variants[i] != NULL && !found; i++) {
        const char *name = cb_variants[i]->family;
        found = strcmp(name, family) == 0;
        cbi_near_offer(&near, name);
        if (i == 0 || strcmp(cb_variants[i - 1]->family, name) != 0)
            cbi_text_addf(&known, "%s%s", i ? ", " : "", name);
    }
    if (!found && near.best != NULL)
        st = cb_fail(err, CB_EARG, "unknown family '%.60s'%s", family, cbi_near_text(&near));
    else if (!found)
        st = cb_fail(err, CB_EARG, "unknown family '%.60s'; known are: %s", family,
                     known.data != NULL && !known.failed ? known.data : "none");
    cbi_text_fini(&known);
    return st;
}

static cb_status list(const cbi_cli_args *args, cbi_cells_sizes size, cb_err *err) {
    static const char *const people[] = {"family", "cell", "year", "params",    "states",
                                         "stages", "flop", "ops",  "what it is"};
    static const char *const programs[] = {"family",
                                           "cell",
                                           "year",
                                           "title",
                                           "source",
                                           "formula",
                                           "lowest",
                                           "parameters",
                                           "states",
                                           "stages",
                                           "product_flop",
                                           "pointwise_ops",
                                           "backward_product_flop",
                                           "backward_pointwise_ops"};
    const char *family = cbi_cli_value(args, "family");
    cbi_cli_table table = {.format = cbi_cli_format_of(args), .group_by = "family"};
    const int plain = table.format == CBI_CLI_PLAIN;
    table.names = plain ? people : programs;
    table.columns = plain ? sizeof people / sizeof *people : sizeof programs / sizeof *programs;
    cb_status st = family != NULL ? check_family(family, err) : CB_OK;
    size_t count = 0;
    for (size_t i = 0; cb_variants[i] != NULL && st == CB_OK; i++)
        if (family == NULL || strcmp(cb_variants[i]->family, family) == 0) {
            st = list_row(&table, cb_variants[i], size, err);
            count++;
        }
    if (st == CB_OK)
        st = cbi_cli_table_print(&table, err);
    if (st == CB_OK && plain)
        printf(
            "\n%zu cells at I = %zu, H = %zu. flop: matrix products, ops: pointwise operations, "
            "of\n"
            "one step of one sequence, forward. stages: products in the loop over time that wait\n"
            "for each other.\n",
            count, size.input, size.hidden);
    cbi_cli_table_fini(&table);
    return st;
}

/* ---- one cell ---- */

static const char *structure_name(cb_structure structure) {
    static const char *const names[] = {"full",  "diagonal", "blockdiag",
                                        "upper", "lower",    "antisymmetric"};
    return (size_t)structure < sizeof names / sizeof *names ? names[structure] : "?";
}

void cbi_cells_shape(char text[CBI_CELLS_SHAPE], const cb_param *param) {
    if (param->cols > 0)
        snprintf(text, CBI_CELLS_SHAPE, "%zu x %zu", param->rows, param->cols);
    else
        snprintf(text, CBI_CELLS_SHAPE, "%zu", param->rows);
}

void cbi_cells_structure(char text[CBI_CELLS_SHAPE], const cb_param *param) {
    if (param->blocks > 0 && param->structure >= CB_STRUCTURE_BLOCKDIAG &&
        param->structure <= CB_STRUCTURE_LOWER)
        snprintf(text, CBI_CELLS_SHAPE, "%s(%zu)", structure_name(param->structure), param->blocks);
    else
        snprintf(text, CBI_CELLS_SHAPE, "%s",
                 param->cols > 0 ? structure_name(param->structure) : "vector");
}

static void param_row(cbi_cli_table *table, const cb_param *param) {
    char shape[CBI_CELLS_SHAPE], structure[CBI_CELLS_SHAPE], law[CB_INIT_TEXT], remark[64] = "";
    cbi_cells_shape(shape, param);
    cbi_cells_structure(structure, param);
    if (param->limit > 0.0)
        snprintf(remark, sizeof remark, "|w| <= %.6g", param->limit);
    cbi_cli_table_text(table, param->name);
    cbi_cli_table_text(table, shape);
    cbi_cli_table_text(table, structure);
    cbi_cli_table_text(table, cb_init_text(law, &param->init));
    cbi_cli_table_int(table, (int64_t)param->free_count);
    cbi_cli_table_text(table, param->fixed ? "fixed" : "learned");
    cbi_cli_table_text(table, remark);
}

static cb_status print_params(const cb_cell *cell, cbi_cli_format format, cb_err *err) {
    static const char *const names[] = {"parameter", "shape", "structure", "init",
                                        "count",     "kind",  "limit"};
    cbi_cli_table table = {
        .format = format, .columns = sizeof names / sizeof *names, .names = names};
    size_t count = 0;
    const cb_param *params = cb_cell_params(cell, &count);
    for (size_t i = 0; i < count; i++)
        param_row(&table, &params[i]);
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

static void print_states(const cb_cell *cell) {
    size_t count = 0;
    const cb_state_info *states = cb_cell_states(cell, &count);
    for (size_t i = 0; i < count; i++)
        printf("%s %s[%zu], %s%.6g", i == 0 ? "states    " : "          ", states[i].name,
               states[i].dim, states[i].learned ? "learned, from " : "starts at ", states[i].init),
            putchar('\n');
    printf("output     %s[%zu]\n", cb_cell_output_name(cell), cb_cell_output_dim(cell));
}

/* A text of several lines under a heading, each line indented. */
static void print_indented(const char *text) {
    for (const char *p = text; *p != '\0';) {
        size_t n = strcspn(p, "\n");
        printf("  %.*s\n", (int)n, p);
        p += n + (p[n] == '\n');
    }
}

static cb_status describe(const cb_cell *cell, cb_err *err) {
    char *text = NULL;
    cb_status st = cb_cell_describe(cell, &text, err);
    if (st != CB_OK)
        return st;
    printf("\nschedule\n");
    print_indented(text);
    cb_free(text);
    return CB_OK;
}

static cb_status one(const cbi_cli_args *args, cbi_cells_sizes size, const settings *set,
                     cb_err *err) {
    const cb_cell_def *def = NULL;
    cbi_cells_built made;
    const cbi_cli_format format = cbi_cli_format_of(args);
    cb_status st;
    if ((st = cb_cell_find(&def, cb_variants, args->rest[0], err)) != CB_OK)
        return st;
    if ((st = cbi_cells_build(&made, def, size, set->row, set->count, err)) != CB_OK)
        return st;
    const cb_cell *cell = made.cell;
    if (format != CBI_CLI_PLAIN) {
        st = print_params(cell, format, err);
        goto out;
    }
    printf("%s: %s\n\n", def->name, def->title);
    cbi_cli_labelled("source", def->source);
    if (def->aliases != NULL && *def->aliases != '\0')
        cbi_cli_labelled("also", def->aliases);
    if (def->notes != NULL && *def->notes != '\0')
        cbi_cli_labelled("notes", def->notes);
    printf("\ntext\n");
    print_indented(cb_cell_text(cell));
    printf("\nat I = %zu, H = %zu\n", size.input, size.hidden);
    print_states(cell);
    /* The formula counts for the settings of the registered text. */
    printf("count      %s%s%zu%s\n\n", set->count == 0 ? def->count : "",
           set->count == 0 ? " = " : "", cb_cell_param_count(cell),
           set->count == 0 && strchr(def->count, 'F') != NULL ? " (F: fit(x), H*I or 0 where I = H)"
                                                              : "");
    if ((st = print_params(cell, format, err)) != CB_OK)
        goto out;
    cb_cell_cost cost = cb_cell_get_cost(cell);
    printf("\none step of one sequence      forward    backward\n"
           "matrix products, flop    %12zu%12zu\npointwise operations     %12zu%12zu\n"
           "stages of products       %12zu\nvalues kept for backward %12zu\n",
           cost.product_flop, cost.backward_product_flop, cost.pointwise_ops,
           cost.backward_pointwise_ops, cost.stages, cost.kept);
    if (cbi_cli_flag(args, "schedule"))
        st = describe(cell, err);
out:
    cbi_cells_built_fini(&made);
    return st;
}

static cb_status diff(const cbi_cli_args *args, const char *other, cbi_cells_sizes size,
                      cb_err *err) {
    const cb_cell_def *first = NULL, *second = NULL;
    cb_status st = cb_cell_find(&first, cb_variants, args->rest[0], err);
    if (st == CB_OK)
        st = cb_cell_find(&second, cb_variants, other, err);
    return st == CB_OK ? cbi_cells_diff(first, second, size, cbi_cli_format_of(args), err) : st;
}

/* Options that do not go together; 0 if all is well. */
static int check_options(const cbi_cli_args *args, const settings *set) {
    const char *other = cbi_cli_value(args, "diff");
    if (args->count == 0 && (set->count > 0 || cbi_cli_flag(args, "schedule") || other != NULL))
        return cbi_cli_usage(args->command,
                             "cells: --set, --schedule and --diff need the name of a cell");
    if (args->count > 0 && cbi_cli_value(args, "family") != NULL)
        return cbi_cli_usage(args->command, "cells: --family is for the list, not for one cell");
    if (other != NULL && (set->count > 0 || cbi_cli_flag(args, "schedule")))
        return cbi_cli_usage(args->command,
                             "cells: --diff compares registered texts: no --set, no --schedule");
    return 0;
}

static int run(const cbi_cli_args *args) {
    cb_err err;
    settings set = {.count = 0};
    const char *other = cbi_cli_value(args, "diff");
    cbi_cells_sizes size = {(size_t)cbi_cli_number(args, "input", DEFAULT_INPUT),
                            (size_t)cbi_cli_number(args, "hidden", DEFAULT_HIDDEN)};
    int status = settings_read(&set, args);
    if (status == 0)
        status = check_options(args, &set);
    if (status == 0) {
        cb_status st = other != NULL     ? diff(args, other, size, &err)
                       : args->count > 0 ? one(args, size, &set, &err)
                                         : list(args, size, &err);
        status = st == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
    }
    settings_fini(&set);
    return status;
}

static const cbi_cli_option options[] = {
    {"input", 0, CBI_CLI_NUMBER, "I", 0, LARGEST, "input dimension (64); 0: a cell without input"},
    {"hidden", 0, CBI_CLI_NUMBER, "H", 1, LARGEST, "hidden dimension (128)"},
    {"set", 0, CBI_CLI_MANY, "K=V", 0, 0,
     "replace a setting of the cell's text, e.g. periods=1,2,4"},
    {"diff", 0, CBI_CLI_TEXT, "CELL", 0, 0, "what differs in text, parameters and operations"},
    {"family", 0, CBI_CLI_TEXT, "NAME", 0, 0, "list the cells of one family, e.g. gru"},
    {"schedule", 0, CBI_CLI_FLAG, NULL, 0, 0,
     "also print how the core runs it, operation by operation"},
    CBI_CLI_FORMAT_OPTIONS,
    {0},
};

const cbi_cli_command cbi_cmd_cells = {
    .name = "cells",
    .summary = "the cells there are; one cell in full",
    .arguments = "[NAME] [options]",
    .text =
        "Without a name: every registered cell, by family and year, with its number of parameters\n"
        "and its cost. With one: its equations, source, parameters, states and cost, and with\n"
        "--diff what another one has in their place. With a name, --csv and --json print the\n"
        "parameters, or the differences.\n",
    .example = "  cellbench cells clockwork --hidden 64 --set periods=1,2,4,8\n"
               "  cellbench cells lstm --diff peephole\n",
    .options = options,
    .most = 1,
    .run = run,
};
