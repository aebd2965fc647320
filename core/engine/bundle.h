/* SPDX-License-Identifier: MIT */
/*
 * Bundles: products of one stage that multiply the same operands are one product. All gates of an
 * LSTM read h: their matrices stand side by side in one set of panels. A gradient with respect to h
 * is a sum over gates: its matrices stand one below the other, and the sum is made in registers.
 * The order of summation is that of the schedule, so the bits are those of separate products.
 */
#ifndef CB_ENGINE_BUNDLE_H
#define CB_ENGINE_BUNDLE_H

#include "engine/program.h"
#include "engine/stack_internal.h"

/* Rows from ... to - 1. */
typedef struct cbi_reach {
    uint32_t from, to;
} cbi_reach;

/* Widens it so that it has the row. */
static inline void cbi_reach_add(cbi_reach *reach, size_t row) {
    if (reach->from == reach->to)
        *reach = (cbi_reach){(uint32_t)row, (uint32_t)row};
    reach->from = row < reach->from ? (uint32_t)row : reach->from;
    reach->to = row < reach->to ? reach->to : (uint32_t)row + 1;
}

/* A product of the schedule as a table: row d gives one value, the sum over its operands. */
typedef struct cbi_bundle {
    size_t *call; /* [values][operands] in cbi_pass.product */
    size_t values, operands;
    size_t k, groups; /* rows of the panels, and groups of columns */
    float *panels;    /* owned by the layer that runs it */
    cbi_reach *reach; /* [panels][operands] outside of which structures leave nothing but zeros, in
                         rows of the operand; NULL: no structure does (products.c) */
    int has_idle;     /* units that stand still: some value is not read, or some operand is zero */
} cbi_bundle;

typedef struct cbi_bundles {
    cbi_bundle *bundle;
    size_t count;
    size_t *first_index, first_indexes; /* products with an index that begin a value */
    size_t *later_index, later_indexes; /* that add to one */
} cbi_bundles;

/* The products of one stage; starts as {0}. */
CB_MUST_USE cb_status cbi_bundles_make(cbi_bundles *bundles, const cb_cell *cell, int backward,
                                       int phase, size_t stage, cb_err *err);
void cbi_bundles_fini(cbi_bundles *bundles);

/* Whether a matrix multiplies an index: its product is a gathering of columns. */
int cbi_is_on_index(const cb_cell *cell, uint32_t param);
/* Floats of the panels of all bundles of a cell, forward and, with keep, backward. */
CB_MUST_USE cb_status cbi_bundles_floats(const cb_cell *cell, int keep, const cbi_kernels *kernels,
                                         size_t *floats, cb_err *err);
/* Packs one matrix of the bundle, dense [rows][cols], into its place. */
void cbi_bundle_put(const cbi_bundle *bundle, const cb_cell *cell, int backward,
                    const cbi_kernels *kernels, size_t value, size_t operand, const float *dense);

#endif
