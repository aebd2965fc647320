/* SPDX-License-Identifier: MIT */
/* Turns with another program: what its samples are samples of, and where they go. */
#include "cli/bench_turns.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/bench_foreign.h"
#include "cli/wish.h"

enum { MOST_LINES = 256 };

/* ---- what it is a sample of ---- */

static int is_of(const cbi_bench_foreign *f, const cb_bench_case *c) {
    const size_t shape[] = {c->shape.T, c->shape.B, c->shape.I, c->shape.H, c->shape.layers};
    for (int i = 0; i < 5; i++)
        if (f->shape[i] != (int64_t)shape[i])
            return 0;
    return strcmp(f->cell, c->cell) == 0 &&
           (strcmp(f->phase, cb_bench_phase_name(c->phase)) == 0 || strcmp(f->phase, "first") == 0);
}

static cb_status row_of(cb_timing *out, const cbi_bench_record *record, const cb_bench *bench,
                        const cbi_bench_foreign *f, cb_err *err) {
    const cbi_bench_plan *plan = record->plan;
    size_t i = 0;
    while (i < plan->case_count &&
           !(plan->entries[i].as == CBI_BENCH_PLAIN && is_of(f, &plan->cases[i])))
        i++;
    if (i == plan->case_count)
        return cb_fail(err, CB_EDATA,
                       "a sample of '%.40s', %ld,%ld,%ld,%ld,%ld, %.10s, which is not timed here",
                       f->cell, (long)f->shape[0], (long)f->shape[1], (long)f->shape[2],
                       (long)f->shape[3], (long)f->shape[4], f->phase);
    *out = cbi_bench_record_row(record, cb_bench_get(bench, i), i);
    out->engine = f->engine;
    out->version = f->version;
    out->kernel = f->kernel;
    out->clock = f->clock;
    out->repeats = f->repeats;
    out->duration_ns = f->duration_ns;
    if (strcmp(f->phase, out->phase) != 0) {
        out->phase = "first";
        out->flop = NAN; /* what else it does is its own affair */
    }
    return CB_OK;
}

/* ---- a turn ---- */

typedef struct turn {
    cbi_bench_foreign foreign[MOST_LINES];
    cb_timing rows[MOST_LINES];
    size_t count;
} turn;

/* *more = 0 behind the empty line. */
static cb_status read_line(turn *t, const cbi_bench_record *record, const cb_bench *bench, FILE *in,
                           int *more, cb_err *err) {
    cbi_bench_foreign f;
    cb_status st = cbi_bench_foreign_next(&f, in, more, err);
    if (st != CB_OK && cbi_wish_to_stop())
        return cb_fail(err, CB_ECANCEL, "stopped on request");
    if (st != CB_OK || !*more)
        return st;
    if (t->count == MOST_LINES) {
        json_decref(f.object);
        return cb_fail(err, CB_EDATA, "expected at most %d samples", MOST_LINES);
    }
    t->foreign[t->count] = f;
    return row_of(&t->rows[t->count++], record, bench, &f, err);
}

static cb_status read_all(turn *t, const cbi_bench_record *record, const cb_bench *bench, FILE *in,
                          cb_err *err) {
    cb_status st = CB_OK;
    for (int more = 1, line = 1; st == CB_OK && more; line++) {
        st = read_line(t, record, bench, in, &more, err);
        if (st == CB_EDATA || st == CB_EPARSE)
            st = cb_fail_prefix(err, st, "line %d: ", line);
    }
    return st;
}

static cb_status take_turn(turn *t, cbi_bench_record *record, const cb_bench *bench, size_t round,
                           FILE *in, FILE *out, cb_err *err) {
    double before = 0, after = 0;
    cb_status st = cb_bench_peak(&before, err);
    if (st != CB_OK)
        return st;
    fprintf(out, "turn %zu\n", round);
    fflush(out);
    if ((st = read_all(t, record, bench, in, err)) == CB_OK)
        st = cb_bench_peak(&after, err);
    for (size_t i = 0; st == CB_OK && i < t->count; i++) {
        t->rows[i].sample = (int64_t)round;
        t->rows[i].peak_flop_per_s = fmax(before, after);
    }
    return st == CB_OK ? cb_store_timing(record->store, t->rows, t->count, err) : st;
}

cb_status cbi_bench_turn(cbi_bench_record *record, const cb_bench *bench, size_t round, FILE *in,
                         FILE *out, cb_err *err) {
    turn *t = cbi_calloc(1, sizeof *t);
    if (t == NULL)
        return cb_fail(err, CB_ENOMEM, "turn %zu: %d lines", round, (int)MOST_LINES);
    cb_status st = take_turn(t, record, bench, round, in, out, err);
    for (size_t i = 0; i < t->count; i++)
        json_decref(t->foreign[i].object);
    cbi_free(t);
    return st == CB_OK || st == CB_ECANCEL ? st : cb_fail_prefix(err, st, "turn %zu: ", round);
}
