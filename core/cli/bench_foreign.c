/* SPDX-License-Identifier: MIT */
#include "cli/bench_foreign.h"

#include <string.h>

enum { LINE_SIZE = 4096, NAME_LENGTH = 64 };

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

/* Leaves what it has parsed in out->object, whatever comes of it. */
static cb_status parse(cbi_bench_foreign *out, const char *line, size_t length, cb_err *err) {
    json_error_t error;
    json_int_t shape[5], repeats = 0, duration = 0;
    cb_status st = cbi_json_parse(&out->object, line, length, "sample", err);
    if (st != CB_OK)
        return st;
    if (json_unpack_ex(out->object, &error, JSON_STRICT,
                       "{s:s, s:[I,I,I,I,I!], s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "cell",
                       &out->cell, "shape", &shape[0], &shape[1], &shape[2], &shape[3], &shape[4],
                       "phase", &out->phase, "engine", &out->engine, "version", &out->version,
                       "kernel", &out->kernel, "clock", &out->clock, "repeats", &repeats,
                       "duration_ns", &duration) != 0)
        return cb_fail(err, CB_EDATA, "sample: %s", error.text);
    for (int i = 0; i < 5; i++)
        out->shape[i] = shape[i];
    out->repeats = repeats;
    out->duration_ns = duration;
    return check(out, err);
}

/* Up to the end of the line or of the input; bytes of any value. */
static cb_status read_text(FILE *in, char line[LINE_SIZE], size_t *length, cb_err *err) {
    int c = getc(in);
    if (c == EOF)
        return cb_fail(err, CB_EIO, "the other program's input ended");
    for (*length = 0; c != EOF && c != '\n'; c = getc(in)) {
        if (*length + 1 == LINE_SIZE)
            return cb_fail(err, CB_EDATA, "expected lines of less than %d bytes", LINE_SIZE);
        line[(*length)++] = (char)c;
    }
    if (*length > 0 && line[*length - 1] == '\r')
        --*length;
    return CB_OK;
}

cb_status cbi_bench_foreign_next(cbi_bench_foreign *out, FILE *in, int *more, cb_err *err) {
    char line[LINE_SIZE];
    size_t length = 0;
    *out = (cbi_bench_foreign){0};
    *more = 0;
    cb_status st = read_text(in, line, &length, err);
    if (st != CB_OK || length == 0)
        return st;
    if ((st = parse(out, line, length, err)) == CB_OK) {
        *more = 1;
        return CB_OK;
    }
    json_decref(out->object);
    *out = (cbi_bench_foreign){0};
    return st;
}
