/* SPDX-License-Identifier: MIT */
/* The results of a benchmark as a table: on the terminal, for programs, for documents. */
#include "cli/bench_print.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"

/* ---- numbers ---- */

static double rounded(double value, double unit) {
    return round(value / unit) * unit;
}

static double percent(double share) {
    return rounded(100 * share, 0.1);
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double sample_ns(const cb_bench_result *r, size_t round) {
    return (double)r->sample[round].duration_ns / (double)r->sample[round].repeats;
}

/* The median over the rounds of the time as a multiple of that of another case. */
static cb_status ratio(const cb_bench_result *r, const cb_bench_result *base, double *out,
                       cb_err *err) {
    const size_t n = r->samples;
    double *values = cbi_calloc(n, sizeof *values);
    if (values == NULL)
        return cb_fail(err, CB_ENOMEM, "%zu samples", n);
    for (size_t k = 0; k < n; k++)
        values[k] = sample_ns(r, k) / sample_ns(base, k);
    qsort(values, n, sizeof *values, by_value);
    *out = (values[(n - 1) / 2] + values[n / 2]) / 2;
    cbi_free(values);
    return CB_OK;
}

/* ---- the table ---- */

/* The last three are for programs and documents: terminals are not that wide. */
static const char *const names[] = {
    "T",           "B",           "I",         "H",      "layers",       "cell",   "as",
    "phase",       "ms",          "GF/s",      "low",    "high",         "peak_%", "products_%",
    "gradients_%", "pointwise_%", "packing_%", "rest_%", "time_to_base", "base",   "params",
    "flop",        "samples"};
enum { COLUMNS = sizeof names / sizeof *names, PLAIN_COLUMNS = COLUMNS - 3 };

static void add_shape(cbi_cli_table *table, const cb_bench_shape *s) {
    const size_t shape[] = {s->T, s->B, s->I, s->H, s->layers};
    for (size_t k = 0; k < sizeof shape / sizeof *shape; k++)
        cbi_cli_table_int(table, (int64_t)shape[k]);
}

static void add_speed(cbi_cli_table *table, const cb_bench_result *r) {
    cbi_cli_table_real(table, 1e3 * r->seconds.median);
    cbi_cli_table_real(table, rounded(1e-9 * r->speed.median, 0.1));
    cbi_cli_table_real(table, rounded(1e-9 * r->speed.low, 0.1));
    cbi_cli_table_real(table, rounded(1e-9 * r->speed.high, 0.1));
    cbi_cli_table_real(table, percent(r->share.median));
    double whole = 0;
    for (int part = CB_BENCH_PRODUCTS; part < CB_BENCH_PARTS; part++)
        whole += r->part[part];
    for (int part = CB_BENCH_PRODUCTS; part < CB_BENCH_PARTS; part++)
        cbi_cli_table_real(table, whole > 0 ? percent(r->part[part]) : (double)NAN);
}

static cb_status fill(cbi_cli_table *table, const cbi_bench_plan *plan, const cb_bench *bench,
                      cb_err *err) {
    cb_status st = CB_OK;
    for (size_t i = 0; st == CB_OK && i < plan->case_count; i++) {
        const cbi_bench_entry *entry = &plan->entries[i];
        const cb_bench_case *c = &plan->cases[i];
        const cb_bench_result *r = cb_bench_get(bench, i);
        const char *base = entry->as == CBI_BENCH_PLAIN ? plan->cases[entry->base].cell : "plain";
        double times = NAN;
        add_shape(table, &c->shape);
        cbi_cli_table_text(table, c->cell);
        cbi_cli_table_text(table, cbi_bench_as_name(entry->as));
        cbi_cli_table_text(table, cb_bench_phase_name(c->phase));
        add_speed(table, r);
        if (entry->base != i)
            st = ratio(r, cb_bench_get(bench, entry->base), &times, err);
        cbi_cli_table_real(table, rounded(times, 0.001));
        cbi_cli_table_text(table, entry->base != i ? base : "");
        if (table->columns == PLAIN_COLUMNS)
            continue;
        cbi_cli_table_int(table, (int64_t)r->param_count);
        cbi_cli_table_int(table, (int64_t)r->step_flop);
        cbi_cli_table_int(table, (int64_t)r->samples);
    }
    return st;
}

static cbi_cli_table table_of(cbi_cli_format format, size_t columns) {
    return (cbi_cli_table){
        .format = format, .columns = columns, .names = names, .fold_except = "cell"};
}

cb_status cbi_bench_print(const cbi_bench_plan *plan, const cb_bench *bench, cbi_cli_format format,
                          cb_err *err) {
    cbi_cli_table table = table_of(format, format == CBI_CLI_PLAIN ? PLAIN_COLUMNS : COLUMNS);
    cb_status st = fill(&table, plan, bench, err);
    if (st == CB_OK)
        st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

/* ---- Markdown ---- */

static void add_cell(cbi_text *text, const cbi_cli_cell *cell) {
    char *safe = NULL;
    switch (cell->type) {
    case CB_VALUE_INT:
        cbi_text_addf(text, " %lld |", (long long)cell->integer);
        break;
    case CB_VALUE_REAL:
        cbi_text_addf(text, " %.5g |", cell->real);
        break;
    case CB_VALUE_TEXT:
        safe = cbi_cli_printable(cell->text, cell->length, 0);
        cbi_text_addf(text, " %s |", safe != NULL ? safe : "?");
        cbi_free(safe);
        break;
    case CB_VALUE_NULL:
    default:
        cbi_text_add(text, " |");
    }
}

/* A name with a bar in it would end its column; names of cells have none, those of files may. */
static void add_rows(cbi_text *text, const cbi_cli_table *table) {
    for (size_t i = 0; i < 2 * table->columns; i++) {
        cbi_text_add(text, i % table->columns == 0 ? "|" : "");
        if (i < table->columns)
            cbi_text_addf(text, " %s |", table->names[i]);
        else
            cbi_text_add(text, " --- |");
        cbi_text_add(text, (i + 1) % table->columns == 0 ? "\n" : "");
    }
    for (size_t i = 0; i < table->count; i++) {
        cbi_text_add(text, i % table->columns == 0 ? "|" : "");
        add_cell(text, &table->cells[i]);
        cbi_text_add(text, (i + 1) % table->columns == 0 ? "\n" : "");
    }
}

cb_status cbi_bench_markdown(const cbi_bench_plan *plan, const cb_bench *bench, const char *path,
                             cb_err *err) {
    cbi_cli_table table = table_of(CBI_CLI_PLAIN, COLUMNS);
    cbi_text text = {0};
    cb_status st = fill(&table, plan, bench, err);
    if (st == CB_OK)
        add_rows(&text, &table);
    if (st == CB_OK && (table.failed || text.failed))
        st = cb_fail(err, CB_ENOMEM, "a table of %zu cells", table.count);
    if (st == CB_OK)
        st = cbi_file_write(path, text.data, text.length, err);
    cbi_text_fini(&text);
    cbi_cli_table_fini(&table);
    return st;
}
