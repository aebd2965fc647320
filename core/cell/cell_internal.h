/* SPDX-License-Identifier: MIT */
/* A built cell, as the engine and the schedule see it. Only core/cell and core/engine include this.
 */
#ifndef CB_CELL_INTERNAL_H
#define CB_CELL_INTERNAL_H

#include "cell/ast.h"
#include "cell/graph.h"
#include "cell/schedule.h"
#include "cellbench/cell.h"

typedef struct cbi_state {
    char name[CBI_NAME_SIZE];
    cbi_place place;
    size_t dim;
    double init;
    int learned;
    uint32_t init_param; /* learned: the parameter that holds the initial value */
    int recurrent;       /* 0: a delayed sequence (schedule.h) */
    cbi_ref old, next;   /* next: a computed node that no other state or output has */
} cbi_state;

/* A value that the layer above may read: an equation's, or a state's after the step. */
typedef struct cbi_value {
    char name[CBI_NAME_SIZE];
    cbi_ref ref;
    size_t dim;
} cbi_value;

/* A value of the layer below that this cell reads. */
typedef struct cbi_read {
    uint32_t value; /* index into below->values */
    cbi_ref node;
} cbi_read;

/* A value that the layer above does read. */
typedef struct cbi_export {
    uint32_t value;
    cbi_ref ref; /* computed node that holds it */
} cbi_export;

typedef struct cbi_list {
    uint32_t *values;
    size_t count;
} cbi_list;

/* A mask that a regulariser multiplies with; its values are the engine's business. */
typedef struct cbi_mask {
    cb_mask_kind kind;
    char name[CBI_NAME_SIZE + 24]; /* "zoneout.h" */
    double rate;
    size_t dim;
} cbi_mask;

typedef struct cbi_matrix_sink {
    uint32_t param;
    cbi_ref gradient, operand; /* d matrix += gradient * operand^T, summed over steps and rows */
} cbi_matrix_sink;

typedef struct cbi_vector_sink {
    uint32_t param;
    cbi_ref gradient;
} cbi_vector_sink;

struct cb_cell {
    char *name, *text, *lowest;
    cb_input_kind kind;
    size_t I, H;
    const cb_cell *below;

    cb_param *params;
    size_t param_count, param_capacity;
    cbi_state *states;
    size_t state_count, state_capacity;
    cb_state_info *state_infos;
    cbi_value *values;
    size_t value_count, value_capacity;
    cbi_read *reads;
    size_t read_count, read_capacity;
    cbi_list *lists;
    size_t list_count, list_capacity;
    const cbi_list *clock; /* the periods of all clock() of the cell; NULL: none, or several */
    size_t clock_dim;
    cbi_export *exports;
    size_t export_count;

    char output_name[CBI_NAME_SIZE + 1];
    cbi_ref output;     /* what is seen from outside */
    cbi_ref own_output; /* the same without the residual link */
    int residual;       /* output = own_output + x */
    cbi_mask *masks;
    size_t mask_count, mask_capacity;

    cbi_graph graph;
    size_t forward_count; /* nodes below are of the forward step */

    /* The derived backward step; CBI_NONE: no gradient. */
    cbi_ref d_input;
    cbi_ref *d_state; /* [state_count], with respect to the value before the step */
    cbi_ref *d_lower; /* [read_count] */
    cbi_matrix_sink *matrix_sinks;
    size_t matrix_sink_count, matrix_sink_capacity;
    cbi_vector_sink *vector_sinks;
    size_t vector_sink_count, vector_sink_capacity;

    cbi_pass forward, backward;
    /* Copies of CBI_D_STATE leaves, for use after the loop; [state_count] nodes of the graph. */
    cbi_ref *d_state_copy;
};

/* build.c: text -> parameters, states, forward graph. */
CB_MUST_USE cb_status cbi_cell_build(cb_cell *cell, cbi_ast *ast, const cb_cell_setting *settings,
                                     size_t setting_count, cb_err *err);
/* backward.c: the forward graph -> the backward graph and the sinks. */
CB_MUST_USE cb_status cbi_cell_differentiate(cb_cell *cell, cb_err *err);
/* around.c: output + x is the output from here on. CB_EARG unless they have one dimension. */
CB_MUST_USE cb_status cbi_cell_add_residual(cb_cell *cell, cb_err *err);
/* around.c: rewrites the forward graph with masks and derives anew; once for a cell. States that
 * the cell has not are passed over. */
CB_MUST_USE cb_status cbi_cell_regularise(cb_cell *cell, const cb_regularisers *regularisers,
                                          cb_err *err);
/* cell.c: derives again, for the same reads from above. */
CB_MUST_USE cb_status cbi_cell_derive_again(cb_cell *cell, cb_err *err);
/* cell.c: derives and schedules, with these values (indices into values) read from above. */
CB_MUST_USE cb_status cbi_cell_derive(cb_cell *cell, const uint32_t *exports, size_t count,
                                      cb_err *err);

static inline const cbi_pass *cbi_pass_of(const cb_cell *cell, int backward) {
    return backward ? &cell->backward : &cell->forward;
}

#endif
