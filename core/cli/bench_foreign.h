/* SPDX-License-Identifier: MIT */
/*
 * A sample that another program has measured, as a line of its output: a JSON object
 *
 *     {"cell": "lstm", "shape": [100, 16, 32, 64, 1], "phase": "train", "engine": "torch",
 *      "version": "2.15.0", "kernel": "nn.LSTM", "clock": "cpu", "repeats": 8,
 *      "duration_ns": 21000000}
 *
 * shape is T, B, I, H, layers; engine is not "cellbench"; clock is "cpu" or "wall".
 */
#ifndef CB_CLI_BENCH_FOREIGN_H
#define CB_CLI_BENCH_FOREIGN_H

#include <stdio.h>

#include "base/json.h"

/* The texts belong to `object`. */
typedef struct cbi_bench_foreign {
    json_t *object; /* json_decref */
    const char *cell, *engine, *version, *kernel, *clock, *phase;
    int64_t shape[5], repeats, duration_ns;
} cbi_bench_foreign;

/* Reads the next line; *more = 0, and nothing to free, if it is empty. CB_EIO: the input has ended;
 * CB_EPARSE: it is not JSON; CB_EDATA: it is too long, a key is missing, unknown or of another
 * type, or a value is out of range. Then there is nothing to free either. */
CB_MUST_USE cb_status cbi_bench_foreign_next(cbi_bench_foreign *out, FILE *in, int *more,
                                             cb_err *err);

#endif
