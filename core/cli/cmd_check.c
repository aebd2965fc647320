/* SPDX-License-Identifier: MIT */
/*
 * cellbench check: gradients of cells against finite differences in f64, and the f32 engine against
 * f64, with one layer and with two; and with what may stand around a cell.
 */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "cellbench/engine.h"

/* Small, since every weight is moved four times; 8 is divisible by the usual block counts. */
enum { DEFAULT_INPUT = 5, DEFAULT_HIDDEN = 8, MOST_HIDDEN = 64, MOST_LAYERS = 2 };
enum { MOST_TEXT = 1 << 20 };

/* What stands around a cell in a check. */
typedef struct setup {
    const char *name;
    size_t layers;
    int bidirectional, residual; /* residual: of the upper layer */
    cb_regularisers rates;
} setup;

static const cb_zoneout zones[] = {{NULL, 0.3}};
#define ALL                                                                                        \
    { 0.3, 0.3, 0.3, zones, 1 }

/* --around: each by itself, and all together where they meet. */
static const setup around[] = {
    {"both directions", 1, 1, 0, {0}},
    {"residual", 2, 0, 1, {0}},
    {"variational_input 0.3", 1, 0, 0, {.variational_input = 0.3}},
    {"variational_state 0.3", 1, 0, 0, {.variational_state = 0.3}},
    {"recurrent_dropout 0.3", 1, 0, 0, {.recurrent_dropout = 0.3}},
    {"zoneout 0.3", 1, 0, 0, {.zoneout = zones, .zoneout_count = 1}},
    {"all 0.3, residual", 2, 0, 1, ALL},
    {"all 0.3, both directions", 1, 1, 0, ALL},
};

typedef struct checker {
    cbi_cli_table table;
    size_t input, hidden;
    uint64_t seed;
    int tells_setup; /* there is a column for it */
    int all_around;
    setup given; /* by options; for one layer and for two */
    cb_zoneout zone;
    size_t bad, all;
} checker;

static cb_status make_stack(cb_stack **out, const checker *c, const cb_cell_def *def,
                            const cb_cell_def *lowest, const setup *s, cb_err *err) {
    cb_layer_spec spec[MOST_LAYERS];
    for (size_t l = 0; l < s->layers; l++) {
        const cb_cell_def *cell = l == 0 && lowest != NULL ? lowest : def;
        spec[l] = (cb_layer_spec){.name = cell->name,
                                  .text = cell->text,
                                  .hidden = c->hidden,
                                  .bidirectional = s->bidirectional,
                                  .residual = s->residual && l > 0};
    }
    cb_input_kind kind = c->input > 0 ? CB_INPUT_DENSE : CB_INPUT_NONE;
    return cb_stack_create(out, spec, s->layers, kind, c->input, err);
}

static void add_row(checker *c, const char *name, const setup *s, const cb_check_result *result) {
    const char *verdict = result->mistrusted ? "MISTRUSTED" : result->passed ? "PASS" : "FAIL";
    c->all++;
    c->bad += result->mistrusted || !result->passed;
    cbi_cli_table_text(&c->table, name);
    cbi_cli_table_int(&c->table, (int64_t)s->layers);
    if (c->tells_setup)
        cbi_cli_table_text(&c->table, s->name);
    cbi_cli_table_text(&c->table, verdict);
    cbi_cli_table_real(&c->table, result->worst_gradient);
    cbi_cli_table_text(&c->table, result->worst_tensor);
    cbi_cli_table_real(&c->table, result->worst_f32);
    cbi_cli_table_text(&c->table, result->worst_f32_tensor);
    cbi_cli_table_int(&c->table, (int64_t)result->redrawn);
}

static cb_status check_setup(checker *c, const cb_cell_def *def, const cb_cell_def *lowest,
                             const setup *s, cb_err *err) {
    cb_check_result result;
    cb_stack *stack = NULL;
    memset(&result, 0, sizeof result);
    cb_status st = make_stack(&stack, c, def, lowest, s, err);
    if (st == CB_OK)
        st = cb_stack_regularise(stack, &s->rates, err);
    if (st == CB_OK && (st = cb_check_stack(stack, c->seed, &result, err)) == CB_OK)
        add_row(c, def->name, s, &result);
    if (st != CB_OK)
        cb_fail_prefix(err, st, "%.60s: ", def->name);
    cb_stack_destroy(stack);
    return st;
}

/* Whether a cell that stands by itself can stand so: not one that reads the layer below in both
 * directions, nor one whose output is narrower than its layer with a link; nor where a regulariser
 * finds no place. */
static int can_stand(const checker *c, const cb_cell_def *def, const cb_cell_def *lowest,
                     const setup *s) {
    cb_stack *stack = NULL;
    size_t masks = 0;
    const int regularised = s->rates.variational_input > 0 || s->rates.variational_state > 0 ||
                            s->rates.recurrent_dropout > 0 || s->rates.zoneout_count > 0;
    int can = make_stack(&stack, c, def, lowest, s, NULL) == CB_OK;
    if (can && regularised && cb_stack_regularise(stack, &s->rates, NULL) == CB_OK) {
        (void)cb_stack_masks(stack, &masks);
        can = masks > 0;
    }
    cb_stack_destroy(stack);
    return can;
}

static cb_status check_around(checker *c, const cb_cell_def *def, const cb_cell_def *lowest,
                              cb_err *err) {
    cb_status st = CB_OK;
    for (size_t i = 0; i < sizeof around / sizeof *around && st == CB_OK; i++) {
        setup s = around[i];
        s.layers = lowest != NULL ? 2 : s.layers;
        if (can_stand(c, def, lowest, &s))
            st = check_setup(c, def, lowest, &s, err);
    }
    return st;
}

static cb_status check_cell(checker *c, const cb_cell_def *def, cb_err *err) {
    const cb_cell_def *lowest = NULL;
    cb_status st = cbi_cli_lowest(&lowest, def, err);
    for (size_t layers = lowest != NULL ? 2 : 1; layers <= MOST_LAYERS && st == CB_OK; layers++) {
        setup s = c->given;
        s.layers = layers;
        s.rates.zoneout = &c->zone;
        st = check_setup(c, def, lowest, &s, err);
    }
    return st == CB_OK && c->all_around ? check_around(c, def, lowest, err) : st;
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

/* A rate given by an option; 0 if it is not. */
static int read_rate(const cbi_cli_args *args, const char *option, double *out, cbi_text *with) {
    const char *text = cbi_cli_value(args, option);
    char *end;
    *out = 0;
    if (text == NULL)
        return CBI_EXIT_OK;
    *out = cbi_strtod(text, &end);
    if (end == text || *end != '\0' || !(*out >= 0 && *out < 1))
        return cbi_cli_usage(args->command,
                             "check: --%s: expected a number from 0, below 1, got '%s'", option,
                             text);
    cbi_text_addf(with, "%s%s %s", with->length ? ", " : "", option, text);
    return CBI_EXIT_OK;
}

/* What the options put around each cell; `with` names it. */
static int read_setup(checker *c, const cbi_cli_args *args, cbi_text *with) {
    int status;
    cb_regularisers *r = &c->given.rates;
    if ((status = read_rate(args, "variational-input", &r->variational_input, with)) ||
        (status = read_rate(args, "variational-state", &r->variational_state, with)) ||
        (status = read_rate(args, "recurrent-dropout", &r->recurrent_dropout, with)) ||
        (status = read_rate(args, "zoneout", &c->zone.rate, with)))
        return status;
    r->zoneout_count = 1;
    c->given.residual = cbi_cli_flag(args, "residual");
    c->given.bidirectional = cbi_cli_flag(args, "bidirectional");
    if (c->given.residual)
        cbi_text_add(with, with->length ? ", residual" : "residual");
    if (c->given.bidirectional)
        cbi_text_add(with, with->length ? ", both directions" : "both directions");
    c->all_around = cbi_cli_flag(args, "around");
    c->tells_setup = c->all_around || with->length > 0;
    c->given.name = with->length > 0 ? with->data : "";
    return with->failed ? cbi_cli_failf("out of memory") : CBI_EXIT_OK;
}

static int run(const cbi_cli_args *args) {
    static const char *const plain[] = {"cell",   "layers",    "verdict",    "gradient_error",
                                        "tensor", "f32_share", "f32_tensor", "redrawn"};
    static const char *const wide[] = {"cell",      "layers",         "around",
                                       "verdict",   "gradient_error", "tensor",
                                       "f32_share", "f32_tensor",     "redrawn"};
    cb_err err;
    cbi_text with = {0};
    checker c = {
        .table = {.format = cbi_cli_format_of(args),
                  .columns = sizeof plain / sizeof *plain,
                  .names = plain},
        .input = (size_t)cbi_cli_number(args, "input", DEFAULT_INPUT),
        .hidden = (size_t)cbi_cli_number(args, "hidden", DEFAULT_HIDDEN),
        .seed = cbi_cli_number(args, "seed", 1),
    };
    int status = read_setup(&c, args, &with);
    if (status != CBI_EXIT_OK) {
        cbi_text_fini(&with);
        return status;
    }
    if (c.tells_setup) {
        c.table.columns = sizeof wide / sizeof *wide;
        c.table.names = wide;
    }
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
    cbi_text_fini(&with);
    return status;
}

static const cbi_cli_option options[] = {
    {"file", 0, CBI_CLI_TEXT, "FILE", 0, 0, "check the equations in a text file"},
    {"seed", 0, CBI_CLI_NUMBER, "N", 0, UINT64_MAX, "names the draw of weights and inputs (1)"},
    {"input", 0, CBI_CLI_NUMBER, "I", 0, MOST_HIDDEN, "input dimension (5)"},
    {"hidden", 0, CBI_CLI_NUMBER, "H", 1, MOST_HIDDEN, "hidden dimension (8)"},
    {"variational-input", 0, CBI_CLI_TEXT, "Q", 0, 0, "dropout of the input, one mask a sequence"},
    {"variational-state", 0, CBI_CLI_TEXT, "Q", 0, 0, "of states, where matrices multiply them"},
    {"recurrent-dropout", 0, CBI_CLI_TEXT, "Q", 0, 0, "of what is added to the memory"},
    {"zoneout", 0, CBI_CLI_TEXT, "Q", 0, 0, "zoneout of the states h and c"},
    {"residual", 0, CBI_CLI_FLAG, NULL, 0, 0, "the upper layer adds its input to its output"},
    {"bidirectional", 0, CBI_CLI_FLAG, NULL, 0, 0, "both directions"},
    {"around", 0, CBI_CLI_FLAG, NULL, 0, 0, "beside that, each of these by itself, and all"},
    CBI_CLI_FORMAT_OPTIONS,
    {0},
};

const cbi_cli_command cbi_cmd_check = {
    .name = "check",
    .summary = "check the gradients of cells, and f32 against f64",
    .arguments = "[NAME...] [options]",
    .text =
        "Each cell (default: all) with one layer and with two, on sequences of unequal lengths;\n"
        "with regularisers (Q: their rate) under masks that are drawn once.\n"
        "gradient_error: analytic against 4-point differences in f64, relative; limit 1e-7.\n"
        "f32_share: deviation of the f32 engine from f64, as a share of its bound; limit 1.\n"
        "redrawn: inputs drawn again because a value stood near a kink. MISTRUSTED: the output\n"
        "was nearly constant, so the check proves nothing. Exit status 1 unless all PASS.\n",
    .example = "  cellbench check lstm gru --seed 7\n"
               "  cellbench check --around\n",
    .options = options,
    .most = (size_t)-1,
    .run = run,
};
