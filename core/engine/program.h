/* SPDX-License-Identifier: MIT */
/*
 * Pointwise programs: the operations of one stage, interpreted over strips. A strip is a few
 * consecutive rows (about CBI_STRIP floats a value), so that all values of a program stay in the
 * first-level cache between its operations.
 */
#ifndef CB_ENGINE_PROGRAM_H
#define CB_ENGINE_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"
#include "cell/cell_internal.h"

enum { CBI_STRIP = 512 };

/* What the first row of a program is, counted in different ways. */
typedef enum cbi_row_base {
    CBI_ROW_ZERO = 0, /* step planes, carries, gathered blocks */
    CBI_ROW_FRAME,    /* planes with a row for each frame */
    CBI_ROW_BLOCK,    /* planes with a row for each frame of the block */
    CBI_ROW_OLD,      /* state planes, read before the step */
    CBI_ROW_BASES
} cbi_row_base;

/* Where a program finds a value. */
typedef struct cbi_slot {
    float **plane; /* rows at *plane + row*ld; NULL: fixed */
    float *fixed;  /* strip that stays where it is */
    size_t ld;
    cbi_row_base base;
    int columns; /* fixed: 1: moves with the columns (vectors, sums), 0: scratch, numbers */
} cbi_slot;

typedef struct cbi_step {
    cbi_kind kind;
    cbi_pointwise run;
    uint32_t d, a, b, c; /* slots */
    size_t dim, ld;      /* of the result */
    size_t arg_dim;      /* of the argument, for SUM, SPREAD, FOLD */
    const cbi_list *list;
} cbi_step;

typedef struct cbi_program {
    cbi_slot *slot;
    float **at; /* [slots] where each stands for the current strip */
    size_t slots, slot_capacity;
    cbi_step *step;
    size_t steps, step_capacity;
    size_t strip_rows;
    size_t chunk; /* columns at a time; 0: whole rows */
} cbi_program;

/* rows: how many; base: of each kind of plane; step_of_row: t of each row, from the first. */
void cbi_program_run(const cbi_program *program, const cbi_kernels *kernels, size_t rows,
                     const size_t base[CBI_ROW_BASES], const int32_t *step_of_row);
/* The same for columns from ... to - 1 alone, whole groups of CBI_LANES: of programs in which every
 * operation is element-wise over one dimension. */
void cbi_program_run_columns(const cbi_program *program, const cbi_kernels *kernels, size_t rows,
                             const size_t base[CBI_ROW_BASES], const int32_t *step_of_row,
                             size_t from, size_t to);
void cbi_program_fini(cbi_program *program);

#endif
