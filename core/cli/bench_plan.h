/* SPDX-License-Identifier: MIT */
/* What `cellbench bench` is asked to time: cells, shapes, and the cases that follow. */
#ifndef CB_CLI_BENCH_PLAN_H
#define CB_CLI_BENCH_PLAN_H

#include "cellbench/bench.h"
#include "cli/cli.h"

enum { CBI_BENCH_SHAPES = 64, CBI_BENCH_TWO = 2 };

/* How a case differs from the plain one of its cell and shape. */
typedef enum cbi_bench_as {
    CBI_BENCH_PLAIN = 0,
    CBI_BENCH_LENGTHS = 1,   /* sequences of unequal lengths */
    CBI_BENCH_DENORMALS = 2, /* tiny inputs */
    CBI_BENCH_JOBS = 3       /* two at once */
} cbi_bench_as;
enum { CBI_BENCH_KINDS = 4 };
const char *cbi_bench_as_name(cbi_bench_as as); /* "", "lengths", "denormals", "two" */

typedef struct cbi_bench_cell {
    cb_cell_def def;
    const cb_cell_def *lowest; /* the cell that must take the lowest layer's place, or NULL */
} cbi_bench_cell;

/* A case and what it stands beside in the table. */
typedef struct cbi_bench_entry {
    const cbi_bench_cell *cell;
    cbi_bench_as as;
    size_t base; /* the case that its time is compared with; itself if there is none */
} cbi_bench_entry;

typedef struct cbi_bench_plan {
    cb_bench_shape shapes[CBI_BENCH_SHAPES];
    size_t shape_count;
    cbi_bench_cell *cells;
    size_t cell_count;
    int also[CBI_BENCH_KINDS];
    cb_bench_phase phase;
    const char *baseline; /* name of a cell, or NULL */
    cb_bench_case *cases;
    cbi_bench_entry *entries; /* [case_count] */
    size_t case_count;
    char *text; /* of --file */
} cbi_bench_plan;

/* Reads the options; returns 0, or the exit status after wrong usage was told. */
int cbi_bench_plan_options(cbi_bench_plan *plan, const cbi_cli_args *args);
/* Finds the cells and makes the cases. Without names all registered cells are taken, and one that
 * cannot be had at a shape is left out there, which is said on stderr. */
CB_MUST_USE cb_status cbi_bench_plan_make(cbi_bench_plan *plan, const cbi_cli_args *args,
                                          cb_err *err);
void cbi_bench_plan_fini(cbi_bench_plan *plan);

#endif
