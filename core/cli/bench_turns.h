/* SPDX-License-Identifier: MIT */
/*
 * Turns with another program that times the same, so that its samples stand between ours, round by
 * round, and in the same run of the database. After each round this program writes a line
 *
 *     turn N
 *
 * to standard output (N counts from 0), and reads standard input up to an empty line. Each line
 * before that is a JSON object, one sample:
 *
 *     {"cell": "lstm", "shape": [100, 16, 32, 64, 1], "phase": "train", "engine": "torch",
 *      "version": "2.15.0", "kernel": "nn.LSTM", "clock": "cpu", "repeats": 8,
 *      "duration_ns": 21000000}
 *
 * shape is T, B, I, H, layers. Cell, shape and phase must be those of a case that this run times:
 * its equations, and the operations that count, are known from there. Only the phase may be "first"
 * whatever the run's is. The multiply-add peak of this program's core is measured before and after
 * the turn, and stored with its samples. The end of the input ends the run with an error.
 */
#ifndef CB_CLI_BENCH_TURNS_H
#define CB_CLI_BENCH_TURNS_H

#include <stdio.h>

#include "base/json.h"
#include "cli/bench_record.h"

/* A sample as a line tells it. The texts belong to `object`. */
typedef struct cbi_bench_foreign {
    json_t *object; /* json_decref */
    const char *cell, *engine, *version, *kernel, *clock, *phase;
    int64_t shape[5], repeats, duration_ns;
} cbi_bench_foreign;

/* Reads a line. CB_EPARSE: it is not JSON; CB_EDATA: a key is missing, unknown or of another type,
 * or a value is out of range. Then there is nothing to free. */
CB_MUST_USE cb_status cbi_bench_foreign_read(cbi_bench_foreign *out, const char *line,
                                             size_t length, cb_err *err);

/* One turn: reads the other program's samples and writes them. */
CB_MUST_USE cb_status cbi_bench_turn(cbi_bench_record *record, const cb_bench *bench, size_t round,
                                     FILE *in, FILE *out, cb_err *err);

#endif
