/* SPDX-License-Identifier: MIT */
/* A stack as the engines see it. */
#ifndef CB_ENGINE_STACK_INTERNAL_H
#define CB_ENGINE_STACK_INTERNAL_H

#include "cell/cell_internal.h"
#include "cellbench/engine.h"

/*
 * A unit is a cell that runs over the sequences once: a layer has one, or two if it is
 * bidirectional. Units are numbered from the lowest layer up, the forward one of a layer first;
 * what the engines call a layer is a unit.
 */
typedef struct cbi_unit {
    size_t level;              /* the layer that it belongs to */
    int reverse;               /* runs from each sequence's last step to its first */
    size_t column;             /* of its output in that of its level */
    size_t below, below_count; /* units of the level below */
    size_t above, above_count;
    int direct; /* its input is the output of one forward unit, as it stands */
} cbi_unit;

struct cb_stack {
    cb_cell **cells;
    cbi_unit *units;
    size_t layers; /* units */
    cb_input_kind kind;
    size_t I;
    cb_stack_param *params;
    size_t param_count;
    size_t *first; /* [layers]: index in params of each layer's first */
    size_t weights;
    cb_stack_mask *masks;
    size_t mask_count;
    size_t *first_mask; /* [layers] index in masks of each layer's first */
    int regularised;
};

/* Offset in w of parameter `param` of layer `layer`. */
size_t cbi_stack_offset(const cb_stack *stack, size_t layer, uint32_t param);

/*
 * Structures: map [rows * cols] says where each element of the effective matrix comes from: 0: it
 * is zero; k > 0: learned number k - 1; k < 0: minus learned number -k - 1.
 */
void cbi_structure_map(const cb_param *param, int32_t *map);

/* The same as stretches of a row: elements column ... column + count - 1 are the learned numbers
 * from ... on; count -1: one element, minus that number. What is in no run is zero. */
typedef struct cbi_run {
    uint32_t row, column, from;
    int32_t count;
} cbi_run;
/* How many a structured matrix has; fills runs [that many]. */
size_t cbi_structure_run_count(const cb_param *param);
void cbi_structure_runs(const cb_param *param, const int32_t *map, cbi_run *runs);

/* Index of a state by name; CB_EARG names the nearest. */
CB_MUST_USE cb_status cbi_stack_state(const cb_stack *stack, size_t layer, const char *name,
                                      size_t *state, cb_err *err);
/* Checks the shape of a batch: rows never increase, sum to frames. */
CB_MUST_USE cb_status cbi_steps_check(const cb_steps *steps, cb_err *err);
CB_MUST_USE cb_status cbi_index_check(const cb_stack *stack, const cb_steps *steps,
                                      const int32_t *index, cb_err *err);

#endif
