/* SPDX-License-Identifier: MIT */
/*
 * Samples on their way into the database. They are written at the end of a round, and those of long
 * rounds once a second: a process that is killed leaves whole samples, and all but the last ones.
 */
#ifndef CB_CLI_BENCH_RECORD_H
#define CB_CLI_BENCH_RECORD_H

#include "cli/bench_plan.h"

/* Starts as {0}: a record without a database, which takes samples and forgets them. */
typedef struct cbi_bench_record {
    const cbi_bench_plan *plan;
    cb_store *store;
    cb_run_info info;
    int wall;
    cb_timing *rows;
    size_t count, capacity;
    double oldest; /* when the first of them came */
} cbi_bench_record;

/* Opens the database and begins a run. */
CB_MUST_USE cb_status cbi_bench_record_open(cbi_bench_record *record, const cbi_bench_plan *plan,
                                            const char *path, const cbi_cli_args *args,
                                            cb_err *err);
/* A sample of a case. */
CB_MUST_USE cb_status cbi_bench_record_sample(cbi_bench_record *record, const cb_bench *bench,
                                              size_t i, size_t round, cb_bench_part part,
                                              const cb_bench_sample *sample, cb_err *err);
/* A row of case i, without a sample's own numbers. */
cb_timing cbi_bench_record_row(const cbi_bench_record *record, const cb_bench_result *result,
                               size_t i);
/* Writes what is there. If that fails it stays. */
CB_MUST_USE cb_status cbi_bench_record_flush(cbi_bench_record *record, cb_err *err);
/* Ends the run; what was not written is lost. */
void cbi_bench_record_close(cbi_bench_record *record);

#endif
