/* SPDX-License-Identifier: MIT */
/* cellbench bench: how fast cells are, over shapes. */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cellbench/bench.h"
#include "cellbench/script.h"

enum { MOST_SHAPES = 64, MOST_ROUNDS = 10000, DEFAULT_ROUNDS = 11, MOST_TEXT = 1 << 20 };

/* Where the published comparisons and the frameworks' own benchmarks lie: small to large. */
static const cb_bench_shape usual_shapes[] = {
    {100, 1, 32, 32, 1},    {100, 16, 32, 64, 1},  {100, 32, 128, 128, 1},
    {100, 64, 128, 256, 1}, {50, 64, 256, 512, 1},
};
static const cb_bench_shape all_shapes[] = {
    {100, 1, 32, 32, 1},    {100, 1, 128, 256, 1}, {100, 16, 32, 64, 1},    {100, 16, 64, 36, 1},
    {100, 32, 128, 128, 1}, {35, 20, 200, 200, 1}, {28, 128, 28, 128, 1},   {100, 64, 128, 256, 1},
    {50, 64, 256, 512, 1},  {35, 20, 650, 650, 1}, {50, 64, 1024, 1024, 1},
};

typedef struct plan {
    cb_bench_shape shapes[MOST_SHAPES];
    size_t shape_count;
    cb_cell_def *cells;
    size_t cell_count;
    cb_bench_case *cases;
    size_t case_count;
    char *text; /* of --file */
} plan;

static void plan_fini(plan *p) {
    cbi_free(p->cells);
    cbi_free(p->cases);
    cbi_free(p->text);
}

/* ---- what is asked for ---- */

static int read_shape(const char *text, cb_bench_shape *out) {
    unsigned long number[5] = {0, 0, 0, 0, 1};
    size_t n = 0;
    for (;;) {
        char *end;
        if (n == 5 || *text < '0' || *text > '9')
            return 0;
        number[n++] = strtoul(text, &end, 10);
        text = end;
        if (*text == '\0')
            break;
        if (*text++ != ',')
            return 0;
    }
    *out = (cb_bench_shape){number[0], number[1], number[2], number[3], number[4]};
    return n >= 4 && out->T > 0 && out->B > 0 && out->H > 0 && out->layers > 0 &&
           out->T < 1 << 20 && out->B < 1 << 20 && out->I < 1 << 20 && out->H < 1 << 16 &&
           out->layers < 100;
}

static int read_shapes(plan *p, const cbi_cli_args *args) {
    const int all = cbi_cli_flag(args, "all-shapes");
    for (size_t i = 0; i < args->many_count; i++) {
        if (p->shape_count == MOST_SHAPES || !read_shape(args->many[i], &p->shapes[p->shape_count]))
            return cbi_cli_usage(args->command,
                                 "bench: --shape: expected T,B,I,H or T,B,I,H,LAYERS, got '%s'",
                                 args->many[i]);
        p->shape_count++;
    }
    const cb_bench_shape *from = all ? all_shapes : usual_shapes;
    const size_t n =
        all ? sizeof all_shapes / sizeof *all_shapes : sizeof usual_shapes / sizeof *usual_shapes;
    for (size_t i = 0; (all || args->many_count == 0) && i < n && p->shape_count < MOST_SHAPES; i++)
        p->shapes[p->shape_count++] = from[i];
    return 0;
}

static cb_status read_cells(plan *p, const cbi_cli_args *args, cb_err *err) {
    const char *file = cbi_cli_value(args, "file");
    size_t all = 0, length = 0;
    while (cb_variants[all] != NULL)
        all++;
    if ((p->cells = cbi_calloc(args->count + all + 1, sizeof *p->cells)) == NULL)
        return cb_fail(err, CB_ENOMEM, "a list of cells");
    for (size_t i = 0; i < args->count; i++) {
        const cb_cell_def *def = NULL;
        cb_status st = cb_cell_find(&def, cb_variants, args->rest[i], err);
        if (st != CB_OK)
            return st;
        p->cells[p->cell_count++] = *def;
    }
    for (size_t i = 0; args->count == 0 && file == NULL && i < all; i++)
        p->cells[p->cell_count++] = *cb_variants[i];
    if (file == NULL)
        return CB_OK;
    cb_status st = cbi_file_read(&p->text, &length, file, MOST_TEXT, err);
    if (st == CB_OK && strlen(p->text) != length)
        st = cb_fail(err, CB_EDATA, "%s: not a text: it holds a zero byte", file);
    p->cells[p->cell_count++] = (cb_cell_def){.name = file, .text = p->text};
    return st;
}

static cb_status make_cases(plan *p, cb_bench_phase phase, cb_err *err) {
    p->cases = cbi_calloc(p->cell_count * p->shape_count, sizeof *p->cases);
    if (p->cases == NULL)
        return cb_fail(err, CB_ENOMEM, "a list of cases");
    for (size_t s = 0; s < p->shape_count; s++)
        for (size_t c = 0; c < p->cell_count; c++)
            p->cases[p->case_count++] = (cb_bench_case){.cell = p->cells[c].name,
                                                        .text = p->cells[c].text,
                                                        .shape = p->shapes[s],
                                                        .phase = phase};
    return CB_OK;
}

/* ---- what came out ---- */

static double percent(double part, const cb_bench_result *r) {
    const double all =
        r->parts.products + r->parts.gradients + r->parts.pointwise + r->parts.packing + r->rest;
    return round(1000 * part / all) / 10;
}

static double rounded(double value, double unit) {
    return round(value / unit) * unit;
}

static cb_status print(const plan *p, const cb_bench *bench, cbi_cli_format format, cb_err *err) {
    static const char *const names[] = {
        "T",          "B",           "I",           "H",         "layers", "cell",
        "phase",      "ms",          "GF/s",        "low",       "high",   "peak_%",
        "products_%", "gradients_%", "pointwise_%", "packing_%", "rest_%", "samples"};
    cbi_cli_table table = {.format = format,
                           .columns = sizeof names / sizeof *names,
                           .names = names,
                           .fold_except = "cell"};
    for (size_t i = 0; i < p->case_count; i++) {
        const cb_bench_case *c = &p->cases[i];
        const cb_bench_result *r = cb_bench_get(bench, i);
        const size_t shape[] = {c->shape.T, c->shape.B, c->shape.I, c->shape.H, c->shape.layers};
        for (size_t k = 0; k < 5; k++)
            cbi_cli_table_int(&table, (int64_t)shape[k]);
        cbi_cli_table_text(&table, c->cell);
        cbi_cli_table_text(&table, cb_bench_phase_name(c->phase));
        cbi_cli_table_real(&table, 1e3 * r->seconds.median);
        cbi_cli_table_real(&table, rounded(1e-9 * r->speed.median, 0.1));
        cbi_cli_table_real(&table, rounded(1e-9 * r->speed.low, 0.1));
        cbi_cli_table_real(&table, rounded(1e-9 * r->speed.high, 0.1));
        cbi_cli_table_real(&table, rounded(100 * r->share.median, 0.1));
        cbi_cli_table_real(&table, percent(r->parts.products, r));
        cbi_cli_table_real(&table, percent(r->parts.gradients, r));
        cbi_cli_table_real(&table, percent(r->parts.pointwise, r));
        cbi_cli_table_real(&table, percent(r->parts.packing, r));
        cbi_cli_table_real(&table, percent(r->rest, r));
        cbi_cli_table_int(&table, (int64_t)r->samples);
    }
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

static void show(void *context, size_t done, size_t all) {
    (void)context;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, done < all ? "\r%zu of %zu samples\033[K" : "\r\033[K", done, all);
}

static int run(const cbi_cli_args *args) {
    cb_err err;
    plan p = {0};
    cb_bench *bench = NULL;
    const char *phase = cbi_cli_value(args, "phase");
    int status = read_shapes(&p, args);
    if (status != 0)
        return status;
    if (phase != NULL && strcmp(phase, "train") != 0 && strcmp(phase, "forward") != 0)
        return cbi_cli_usage(args->command, "bench: --phase: expected train or forward, got '%s'",
                             phase);
    const int forward = phase != NULL && phase[0] == 'f';
    const cb_bench_options options = {
        .rounds = (size_t)cbi_cli_number(args, "rounds", DEFAULT_ROUNDS),
        .sample_seconds = 1e-3 * (double)cbi_cli_number(args, "sample-ms", 20),
        .seed = 1,
        .core = cbi_cli_value(args, "core") ? (int)cbi_cli_number(args, "core", 0) : -1,
        .progress = show,
    };
    cb_status st = read_cells(&p, args, &err);
    if (st == CB_OK)
        st = make_cases(&p, forward ? CB_BENCH_FORWARD : CB_BENCH_TRAIN, &err);
    if (st == CB_OK)
        st = cb_bench_run(&bench, p.cases, p.case_count, &options, &err);
    if (st == CB_OK)
        st = print(&p, bench, cbi_cli_format_of(args), &err);
    cb_bench_destroy(bench);
    plan_fini(&p);
    return st == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
}

static const cbi_cli_option options[] = {
    {"shape", 's', CBI_CLI_MANY, "T,B,I,H", 0, 0, "a shape; may be given several times"},
    {"all-shapes", 0, CBI_CLI_FLAG, NULL, 0, 0, "the eleven shapes of the tables in results/"},
    {"file", 0, CBI_CLI_TEXT, "FILE", 0, 0, "time the equations in a text file"},
    {"phase", 0, CBI_CLI_TEXT, "PHASE", 0, 0, "train (default) or forward"},
    {"rounds", 0, CBI_CLI_NUMBER, "N", 1, MOST_ROUNDS, "samples of each case (11)"},
    {"sample-ms", 0, CBI_CLI_NUMBER, "N", 1, 60000, "least length of a sample (20)"},
    {"core", 0, CBI_CLI_NUMBER, "N", 0, 4095, "run on this processor only"},
    CBI_CLI_FORMAT_OPTIONS,
    {0},
};

const cbi_cli_command cbi_cmd_bench = {
    .name = "bench",
    .summary = "time cells over shapes",
    .arguments = "[CELL...] [options]",
    .text = "T steps, B sequences at once, I inputs, H units, and layers. Training is packing of\n"
            "new weights, forward, and full back-propagation with the gradient of the input;\n"
            "GF/s counts its matrix products only (multiply and add: 2), as the median over the\n"
            "samples; low and high are quartiles. peak_% is its share of the multiply-add peak of\n"
            "one core, measured beside each sample. The samples of all cases are interleaved. The\n"
            "last columns say where the time goes.\n",
    .example = "  cellbench bench lstm gru --shape 100,16,32,64 --shape 100,32,128,128\n",
    .options = options,
    .most = (size_t)-1,
    .run = run,
};
