/* SPDX-License-Identifier: MIT */
/* The table of `cellbench bench`. */
#ifndef CB_CLI_BENCH_PRINT_H
#define CB_CLI_BENCH_PRINT_H

#include "cli/bench_plan.h"

/* A row for each case, to standard output. */
CB_MUST_USE cb_status cbi_bench_print(const cbi_bench_plan *plan, const cb_bench *bench,
                                      cbi_cli_format format, cb_err *err);
/* The same for a document: a table in Markdown, into a file that appears whole or not at all. */
CB_MUST_USE cb_status cbi_bench_markdown(const cbi_bench_plan *plan, const cb_bench *bench,
                                         const char *path, cb_err *err);

#endif
