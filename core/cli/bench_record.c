/* SPDX-License-Identifier: MIT */
/* Samples as rows of the table timing, written in groups. */
#include "cli/bench_record.h"

#include <math.h>

#include "base/alloc.h"
#include "cellbench/sweep.h"

static const double most_seconds = 1; /* that a sample waits for its round to end */

cb_status cbi_bench_record_open(cbi_bench_record *record, const cbi_bench_plan *plan,
                                const char *path, const cbi_cli_args *args, cb_err *err) {
    record->plan = plan;
    record->wall = plan->also[CBI_BENCH_JOBS] || cbi_cli_flag(args, "wall");
    cb_run_info_fill(&record->info);
    record->info.command = args->line;
    record->info.jobs = plan->also[CBI_BENCH_JOBS] ? CBI_BENCH_TWO : 1;
    cb_status st = cb_store_open(&record->store, path, CB_STORE_WRITE, err);
    return st == CB_OK ? cb_store_run_begin(record->store, &record->info, err) : st;
}

cb_status cbi_bench_record_flush(cbi_bench_record *record, cb_err *err) {
    if (record->store == NULL || record->count == 0)
        return CB_OK;
    cb_status st = cb_store_timing(record->store, record->rows, record->count, err);
    if (st == CB_OK)
        record->count = 0;
    return st;
}

static cb_status add(cbi_bench_record *record, const cb_timing *row, cb_err *err) {
    void *rows = record->rows;
    cb_status st = cbi_grow(&rows, &record->capacity, record->count + 1, sizeof *record->rows);
    if (st != CB_OK)
        return cb_fail(err, st, "%zu samples", record->count + 1);
    record->rows = rows;
    if (record->count == 0)
        record->oldest = cbi_cli_seconds();
    record->rows[record->count++] = *row;
    return CB_OK;
}

cb_timing cbi_bench_record_row(const cbi_bench_record *record, const cb_bench_result *result,
                               size_t i) {
    const cb_bench_case *c = &record->plan->cases[i];
    const cb_cell_def *def = &record->plan->entries[i].cell->def;
    return (cb_timing){.cell = def->name,
                       .cell_text = result->text,
                       .cell_source = def->source != NULL ? def->source : "",
                       .engine = "cellbench",
                       .version = record->info.version,
                       .kernel = record->info.kernel,
                       .inputs = c->denormal ? "denormal" : "normal",
                       .phase = cb_bench_phase_name(c->phase),
                       .part = cb_bench_part_name(CB_BENCH_ALL),
                       .clock = record->wall ? "wall" : "cpu",
                       .steps = (int64_t)c->shape.T,
                       .batch = (int64_t)c->shape.B,
                       .input = (int64_t)c->shape.I,
                       .hidden = (int64_t)c->shape.H,
                       .layers = (int64_t)c->shape.layers,
                       .frames = (int64_t)result->frames,
                       .jobs = (int64_t)c->jobs,
                       .flop = result->flop};
}

cb_status cbi_bench_record_sample(cbi_bench_record *record, const cb_bench *bench, size_t i,
                                  size_t round, cb_bench_part part, const cb_bench_sample *sample,
                                  cb_err *err) {
    if (record->store == NULL)
        return CB_OK;
    cb_timing row = cbi_bench_record_row(record, cb_bench_get(bench, i), i);
    row.sample = (int64_t)round;
    row.repeats = (int64_t)sample->repeats;
    row.duration_ns = (int64_t)sample->duration_ns;
    row.peak_flop_per_s = sample->peak;
    if (part != CB_BENCH_ALL) { /* by the wall: cb_bench_result says why */
        row.part = cb_bench_part_name(part);
        row.clock = "wall";
        row.flop = NAN;
    }
    cb_status st = add(record, &row, err);
    if (st == CB_OK && cbi_cli_seconds() - record->oldest >= most_seconds)
        st = cbi_bench_record_flush(record, err);
    return st;
}

void cbi_bench_record_close(cbi_bench_record *record) {
    cb_store_close(record->store);
    cbi_free(record->rows);
    record->store = NULL;
    record->rows = NULL;
}
