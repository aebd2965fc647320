/* SPDX-License-Identifier: MIT */
/*
 * cellbench check: gradients of cells against finite differences in f64, and the f32 engine against
 * f64, with one layer and with two.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cellbench/engine.h"

/* Small, since every weight is moved four times; 8 is divisible by the usual block counts. */
enum { DEFAULT_INPUT = 5, DEFAULT_HIDDEN = 8, MOST_HIDDEN = 64, MOST_LAYERS = 2 };
enum { MOST_TEXT = 1 << 20 };

typedef struct checker {
    cbi_cli_table table;
    size_t input, hidden;
    uint64_t seed;
    size_t bad, all;
} checker;

static cb_status check_layers(checker *c, const cb_cell_def *def, const cb_cell_def *lowest,
                              size_t layers, cb_check_result *result, cb_err *err) {
    cb_layer_spec spec[MOST_LAYERS];
    cb_stack *stack = NULL;
    for (size_t l = 0; l < layers; l++) {
        const cb_cell_def *cell = l == 0 && lowest != NULL ? lowest : def;
        spec[l] = (cb_layer_spec){.name = cell->name, .text = cell->text, .hidden = c->hidden};
    }
    cb_input_kind kind = c->input > 0 ? CB_INPUT_DENSE : CB_INPUT_NONE;
    cb_status st = cb_stack_create(&stack, spec, layers, kind, c->input, err);
    if (st == CB_OK)
        st = cb_check_stack(stack, c->seed, result, err);
    cb_stack_destroy(stack);
    return st;
}

static void add_row(checker *c, const char *name, size_t layers, const cb_check_result *result) {
    const char *verdict = result->mistrusted ? "MISTRUSTED" : result->passed ? "PASS" : "FAIL";
    c->all++;
    c->bad += result->mistrusted || !result->passed;
    cbi_cli_table_text(&c->table, name);
    cbi_cli_table_int(&c->table, (int64_t)layers);
    cbi_cli_table_text(&c->table, verdict);
    cbi_cli_table_real(&c->table, result->worst_gradient);
    cbi_cli_table_text(&c->table, result->worst_tensor);
    cbi_cli_table_real(&c->table, result->worst_f32);
    cbi_cli_table_text(&c->table, result->worst_f32_tensor);
    cbi_cli_table_int(&c->table, (int64_t)result->redrawn);
}

static cb_status check_cell(checker *c, const cb_cell_def *def, cb_err *err) {
    const cb_cell_def *lowest = NULL;
    cb_status st = cbi_cli_lowest(&lowest, def, err);
    for (size_t layers = lowest != NULL ? 2 : 1; layers <= MOST_LAYERS && st == CB_OK; layers++) {
        cb_check_result result;
        memset(&result, 0, sizeof result);
        if ((st = check_layers(c, def, lowest, layers, &result, err)) == CB_OK)
            add_row(c, def->name, layers, &result);
        else
            cb_fail_prefix(err, st, "%.60s: ", def->name);
    }
    return st;
}

static cb_status check_file(checker *c, const char *path, cb_err *err) {
    char *text = NULL;
    size_t length = 0;
    cb_status st = cbi_file_read(&text, &length, path, MOST_TEXT, err);
    if (st != CB_OK)
        return st;
    if (strlen(text) != length)
        st = cb_fail(err, CB_EDATA, "%s: not a text: it holds a zero byte", path);
    const cb_cell_def def = {.name = path, .text = text};
    if (st == CB_OK)
        st = check_cell(c, &def, err);
    cbi_free(text);
    return st;
}

static cb_status check_all(checker *c, const cbi_cli_args *args, cb_err *err) {
    cb_status st = CB_OK;
    const char *file = cbi_cli_value(args, "file");
    for (size_t i = 0; i < args->count && st == CB_OK; i++) {
        const cb_cell_def *def = NULL;
        if ((st = cb_cell_find(&def, cb_variants, args->rest[i], err)) == CB_OK)
            st = check_cell(c, def, err);
    }
    if (st == CB_OK && file != NULL)
        st = check_file(c, file, err);
    for (size_t i = 0; args->count == 0 && file == NULL && cb_variants[i] != NULL && st == CB_OK;
         i++)
        st = check_cell(c, cb_variants[i], err);
    return st;
}

static int run(const cbi_cli_args *args) {
    static const char *const names[] = {"cell",   "layers",    "verdict",    "gradient_error",
                                        "tensor", "f32_share", "f32_tensor", "redrawn"};
    cb_err err;
    checker c = {
        .table = {.format = cbi_cli_format_of(args),
                  .columns = sizeof names / sizeof *names,
                  .names = names},
        .input = (size_t)cbi_cli_number(args, "input", DEFAULT_INPUT),
        .hidden = (size_t)cbi_cli_number(args, "hidden", DEFAULT_HIDDEN),
        .seed = cbi_cli_number(args, "seed", 1),
    };
    int status = CBI_EXIT_OK;
    cb_status st = check_all(&c, args, &err);
    if (c.all > 0 && st != CB_ENOMEM) {
        cb_err print_err;
        cb_status printed = cbi_cli_table_print(&c.table, &print_err);
        if (printed != CB_OK)
            status = cbi_cli_fail(&print_err);
    }
    if (st != CB_OK)
        status = cbi_cli_fail(&err);
    else if (c.bad > 0)
        status = cbi_cli_failf("%zu of %zu checks did not pass", c.bad, c.all);
    cbi_cli_table_fini(&c.table);
    return status;
}

static const cbi_cli_option options[] = {
    {"file", 0, CBI_CLI_TEXT, "FILE", 0, 0, "check the equations in a text file"},
    {"seed", 0, CBI_CLI_NUMBER, "N", 0, UINT64_MAX, "names the draw of weights and inputs (1)"},
    {"input", 0, CBI_CLI_NUMBER, "I", 0, MOST_HIDDEN, "input dimension (5)"},
    {"hidden", 0, CBI_CLI_NUMBER, "H", 1, MOST_HIDDEN, "hidden dimension (8)"},
    CBI_CLI_FORMAT_OPTIONS,
    {0},
};

const cbi_cli_command cbi_cmd_check = {
    .name = "check",
    .summary = "check the gradients of cells, and f32 against f64",
    .arguments = "[NAME...] [options]",
    .text =
        "Each cell (default: all) with one layer and with two, on sequences of unequal lengths.\n"
        "gradient_error: analytic against 4-point differences in f64, relative; limit 1e-7.\n"
        "f32_share: deviation of the f32 engine from f64, as a share of its bound; limit 1.\n"
        "redrawn: inputs drawn again because a value stood near a kink. MISTRUSTED: the output\n"
        "was nearly constant, so the check proves nothing. Exit status 1 unless all PASS.\n",
    .example = "  cellbench check lstm gru --seed 7\n",
    .options = options,
    .most = (size_t)-1,
    .run = run,
};
