/* SPDX-License-Identifier: MIT */
/* Cells and shapes of the command line, and the cases that they make. */
#include "cli/bench_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"

enum { MOST_TEXT = 1 << 20 };

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

const char *cbi_bench_as_name(cbi_bench_as as) {
    static const char *const names[CBI_BENCH_KINDS] = {"", "lengths", "denormals", "two"};
    return names[as];
}

/* ---- options ---- */

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

static int read_shapes(cbi_bench_plan *p, const cbi_cli_args *args) {
    const int all = cbi_cli_flag(args, "all-shapes");
    for (size_t i = 0; i < args->many_count; i++) {
        if (p->shape_count == CBI_BENCH_SHAPES ||
            !read_shape(args->many[i], &p->shapes[p->shape_count]))
            return cbi_cli_usage(args->command,
                                 "bench: --shape: expected T,B,I,H or T,B,I,H,LAYERS, got '%s'",
                                 args->many[i]);
        p->shape_count++;
    }
    const cb_bench_shape *from = all ? all_shapes : usual_shapes;
    const size_t n =
        all ? sizeof all_shapes / sizeof *all_shapes : sizeof usual_shapes / sizeof *usual_shapes;
    for (size_t i = 0; (all || args->many_count == 0) && i < n && p->shape_count < CBI_BENCH_SHAPES;
         i++)
        p->shapes[p->shape_count++] = from[i];
    return 0;
}

static int read_phase(cbi_bench_plan *p, const cbi_cli_args *args) {
    const char *text = cbi_cli_value(args, "phase");
    p->phase = CB_BENCH_TRAIN;
    for (int i = CB_BENCH_FORWARD; text != NULL; i++) {
        if (i > CB_BENCH_FIRST)
            return cbi_cli_usage(
                args->command, "bench: --phase: expected train, forward or first, got '%s'", text);
        p->phase = (cb_bench_phase)i;
        if (strcmp(text, cb_bench_phase_name(p->phase)) == 0)
            break;
    }
    return 0;
}

/* A list of words, with commas between them. */
static int read_also(cbi_bench_plan *p, const cbi_cli_args *args) {
    const char *text = cbi_cli_value(args, "also");
    p->also[CBI_BENCH_PLAIN] = 1;
    while (text != NULL) {
        const size_t length = strcspn(text, ",");
        int kind = CBI_BENCH_LENGTHS;
        for (; kind < CBI_BENCH_KINDS; kind++) {
            const char *name = cbi_bench_as_name((cbi_bench_as)kind);
            if (strlen(name) == length && strncmp(name, text, length) == 0)
                break;
        }
        if (kind == CBI_BENCH_KINDS)
            return cbi_cli_usage(args->command,
                                 "bench: --also: expected lengths, denormals or two, got '%.*s'",
                                 (int)length, text);
        p->also[kind] = 1;
        text = text[length] == ',' ? text + length + 1 : NULL;
    }
    if (p->also[CBI_BENCH_JOBS] && cbi_cli_value(args, "core") != NULL)
        return cbi_cli_usage(args->command, "bench: --core and --also two exclude each other");
    return 0;
}

int cbi_bench_plan_options(cbi_bench_plan *p, const cbi_cli_args *args) {
    int status = read_shapes(p, args);
    if (status == 0)
        status = read_phase(p, args);
    p->baseline = cbi_cli_value(args, "baseline");
    return status == 0 ? read_also(p, args) : status;
}

/* ---- cells ---- */

static cb_status add_cell(cbi_bench_plan *p, const cb_cell_def *def, cb_err *err) {
    cbi_bench_cell *cell = &p->cells[p->cell_count++];
    cell->def = *def;
    return cbi_cli_lowest(&cell->lowest, def, err);
}

static cb_status add_file(cbi_bench_plan *p, const char *path, cb_err *err) {
    size_t length = 0;
    cb_status st = cbi_file_read(&p->text, &length, path, MOST_TEXT, err);
    if (st == CB_OK && strlen(p->text) != length)
        st = cb_fail(err, CB_EDATA, "%s: not a text: it holds a zero byte", path);
    const char *slash = strrchr(path, '/');
    const cb_cell_def def = {.name = slash != NULL ? slash + 1 : path, .text = p->text};
    return st == CB_OK ? add_cell(p, &def, err) : st;
}

static cb_status read_cells(cbi_bench_plan *p, const cbi_cli_args *args, cb_err *err) {
    const char *file = cbi_cli_value(args, "file");
    const cb_cell_def *def = NULL;
    size_t all = 0;
    cb_status st = CB_OK;
    while (cb_variants[all] != NULL)
        all++;
    if ((p->cells = cbi_calloc(args->count + all + 1, sizeof *p->cells)) == NULL)
        return cb_fail(err, CB_ENOMEM, "a list of cells");
    for (size_t i = 0; st == CB_OK && i < args->count; i++)
        if ((st = cb_cell_find(&def, cb_variants, args->rest[i], err)) == CB_OK)
            st = add_cell(p, def, err);
    for (size_t i = 0; st == CB_OK && args->count == 0 && file == NULL && i < all; i++)
        st = add_cell(p, cb_variants[i], err);
    return st == CB_OK && file != NULL ? add_file(p, file, err) : st;
}

/* ---- cases ---- */

/* A cell that reads the layer below it needs one. */
static cb_bench_case case_of(const cbi_bench_plan *p, const cbi_bench_cell *cell,
                             const cb_bench_shape *shape, cbi_bench_as as) {
    cb_bench_case c = {.cell = cell->def.name,
                       .text = cell->def.text,
                       .shape = *shape,
                       .phase = p->phase,
                       .spread = as == CBI_BENCH_LENGTHS,
                       .denormal = as == CBI_BENCH_DENORMALS,
                       .jobs = as == CBI_BENCH_JOBS ? CBI_BENCH_TWO : 1};
    if (cell->lowest != NULL) {
        c.lowest = cell->lowest->name;
        c.lowest_text = cell->lowest->text;
        c.shape.layers = shape->layers > 1 ? shape->layers : 2;
    }
    return c;
}

/* Whether the cell can be had at that shape; *skip instead of an error, if it was not named. */
static cb_status try_cell(const cb_bench_case *c, int named, int *skip, cb_err *err) {
    cb_cell *cell = NULL, *below = NULL;
    const size_t I = c->shape.I, H = c->shape.H;
    const cb_input_kind kind = I > 0 ? CB_INPUT_DENSE : CB_INPUT_NONE;
    cb_status st = CB_OK;
    *skip = 0;
    if (c->lowest_text != NULL)
        st = cb_cell_create(&below, c->lowest, c->lowest_text, NULL, 0, kind, I, H, NULL, err);
    if (st == CB_OK)
        st = cb_cell_create(&cell, c->cell, c->text, NULL, 0, below ? CB_INPUT_DENSE : kind,
                            below ? cb_cell_output_dim(below) : I, H, below, err);
    cb_cell_destroy(cell);
    cb_cell_destroy(below);
    if (st == CB_OK || st == CB_ENOMEM || named)
        return st;
    fprintf(stderr, "cellbench: left out at I %zu, H %zu: ", I, H);
    cbi_cli_put(stderr, err->text);
    fputc('\n', stderr);
    *skip = 1;
    return CB_OK;
}

static void add_case(cbi_bench_plan *p, const cbi_bench_cell *cell, const cb_bench_shape *shape,
                     cbi_bench_as as, size_t base) {
    p->cases[p->case_count] = case_of(p, cell, shape, as);
    p->entries[p->case_count++] = (cbi_bench_entry){cell, as, base};
}

/* Plain cases stand beside the baseline's, the others beside the plain one of their cell. */
static void set_bases(cbi_bench_plan *p, size_t from) {
    size_t baseline = p->case_count;
    for (size_t i = from; i < p->case_count; i++)
        if (p->entries[i].as == CBI_BENCH_PLAIN &&
            strcmp(p->cases[i].cell, p->baseline != NULL ? p->baseline : "lstm") == 0)
            baseline = i;
    for (size_t i = from; baseline < p->case_count && i < p->case_count; i++)
        if (p->entries[i].as == CBI_BENCH_PLAIN)
            p->entries[i].base = baseline;
}

static cb_status make_shape(cbi_bench_plan *p, const cb_bench_shape *shape, int named,
                            cb_err *err) {
    const size_t from = p->case_count;
    for (size_t c = 0; c < p->cell_count; c++) {
        const cb_bench_case plain = case_of(p, &p->cells[c], shape, CBI_BENCH_PLAIN);
        const size_t base = p->case_count;
        int skip;
        cb_status st = try_cell(&plain, named, &skip, err);
        if (st != CB_OK)
            return st;
        for (int as = 0; !skip && as < CBI_BENCH_KINDS; as++)
            if (p->also[as])
                add_case(p, &p->cells[c], shape, (cbi_bench_as)as, base);
    }
    set_bases(p, from);
    return CB_OK;
}

static cb_status check_baseline(const cbi_bench_plan *p, cb_err *err) {
    cbi_near near;
    if (p->baseline == NULL)
        return CB_OK;
    cbi_near_init(&near, p->baseline);
    for (size_t i = 0; i < p->cell_count; i++) {
        if (strcmp(p->cells[i].def.name, p->baseline) == 0)
            return CB_OK;
        cbi_near_offer(&near, p->cells[i].def.name);
    }
    return cb_fail(err, CB_EARG, "--baseline: '%.60s' is not among the cells to time%s",
                   p->baseline, cbi_near_text(&near));
}

cb_status cbi_bench_plan_make(cbi_bench_plan *p, const cbi_cli_args *args, cb_err *err) {
    const int named = args->count > 0 || cbi_cli_value(args, "file") != NULL;
    cb_status st = read_cells(p, args, err);
    if (st != CB_OK || (st = check_baseline(p, err)) != CB_OK)
        return st;
    const size_t most = p->cell_count * p->shape_count * CBI_BENCH_KINDS;
    p->cases = cbi_calloc(most, sizeof *p->cases);
    p->entries = cbi_calloc(most, sizeof *p->entries);
    if (p->cases == NULL || p->entries == NULL)
        return cb_fail(err, CB_ENOMEM, "a list of cases");
    for (size_t i = 0; st == CB_OK && i < p->shape_count; i++)
        st = make_shape(p, &p->shapes[i], named, err);
    return st;
}

void cbi_bench_plan_fini(cbi_bench_plan *p) {
    cbi_free(p->cells);
    cbi_free(p->cases);
    cbi_free(p->entries);
    cbi_free(p->text);
}
