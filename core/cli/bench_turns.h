/* SPDX-License-Identifier: MIT */
/*
 * Turns with another program that times the same, so that its samples stand between ours, round by
 * round, and in the same run of the database. After each round this program writes a line
 *
 *     turn N
 *
 * to standard output (N counts from 0), and reads standard input up to an empty line. Each line
 * before that is one sample (cli/bench_foreign.h).
 *
 * Cell, shape and phase must be those of a case that this run times: its equations, and the
 * operations that count, are known from there. Only the phase may be "first" whatever the run's is.
 * The multiply-add peak of this program's core is measured before and after the turn, and stored
 * with its samples. The end of the input ends the run with an error.
 */
#ifndef CB_CLI_BENCH_TURNS_H
#define CB_CLI_BENCH_TURNS_H

#include <stdio.h>

#include "cli/bench_record.h"

/* One turn: reads the other program's samples and writes them. */
CB_MUST_USE cb_status cbi_bench_turn(cbi_bench_record *record, const cb_bench *bench, size_t round,
                                     FILE *in, FILE *out, cb_err *err);

#endif
