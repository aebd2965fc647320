/* SPDX-License-Identifier: MIT */
/* Turns with another program; the lines that it speaks stand in bench_turns.h. */
#include "cli/bench_turns.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/wish.h"

enum { LINE_SIZE = 4096, MOST_LINES = 256, NAME_LENGTH = 64 };

/* ---- a line ---- */

static int is_name(const char *text) {
    const size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] > '~')
            return 0;
    return length >= 1 && length <= NAME_LENGTH;
}

static cb_status check(const cbi_bench_foreign *f, cb_err *err) {
    if (!is_name(f->engine) || !is_name(f->version) || !is_name(f->kernel))
        return cb_fail(err, CB_EDATA,
                       "engine, version, kernel: expected 1 to %d printable characters",
                       NAME_LENGTH);
    if (strcmp(f->engine, "cellbench") == 0)
        return cb_fail(err, CB_EDATA, "engine: expected another program's name, got cellbench");
    if (strcmp(f->clock, "cpu") != 0 && strcmp(f->clock, "wall") != 0)
        return cb_fail(err, CB_EDATA, "clock: expected cpu or wall, got '%.20s'", f->clock);
    if (f->repeats < 1 || f->duration_ns < 1)
        return cb_fail(err, CB_EDATA, "repeats, duration_ns: expected numbers of at least 1");
    return CB_OK;
}

cb_status cbi_bench_foreign_read(cbi_bench_foreign *out, const char *line, size_t length,
                                 cb_err *err) {
    json_error_t error;
    json_int_t shape[5], repeats = 0, duration = 0;
    *out = (cbi_bench_foreign){0};
    cb_status st = cbi_json_parse(&out->object, line, length, "sample", err);
    if (st != CB_OK)
        return st;
    if (json_unpack_ex(out->object, &error, JSON_STRICT,
                       "{s:s, s:[I,I,I,I,I!], s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "cell",
                       &out->cell, "shape", &shape[0], &shape[1], &shape[2], &shape[3], &shape[4],
                       "phase", &out->phase, "engine", &out->engine, "version", &out->version,
                       "kernel", &out->kernel, "clock", &out->clock, "repeats", &repeats,
                       "duration_ns", &duration) != 0) {
        st = cb_fail(err, CB_EDATA, "sample: %s", error.text);
    } else {
        for (int i = 0; i < 5; i++)
            out->shape[i] = shape[i];
        out->repeats = repeats;
        out->duration_ns = duration;
        st = check(out, err);
    }
    if (st != CB_OK) {
        json_decref(out->object);
        *out = (cbi_bench_foreign){0};
    }
    return st;
}

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
    char line[LINE_SIZE];
    if (fgets(line, sizeof line, in) == NULL)
        return cbi_wish_to_stop() ? cb_fail(err, CB_ECANCEL, "stopped on request")
                                  : cb_fail(err, CB_EIO, "the other program's input ended");
    const size_t length = strcspn(line, "\r\n");
    if (length + 1 == sizeof line)
        return cb_fail(err, CB_EDATA, "expected lines of less than %d bytes", LINE_SIZE);
    if ((*more = length > 0) == 0)
        return CB_OK;
    if (t->count == MOST_LINES)
        return cb_fail(err, CB_EDATA, "expected at most %d samples", MOST_LINES);
    cbi_bench_foreign *f = &t->foreign[t->count];
    cb_status st = cbi_bench_foreign_read(f, line, length, err);
    return st == CB_OK ? row_of(&t->rows[t->count++], record, bench, f, err) : st;
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
