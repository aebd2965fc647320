/* SPDX-License-Identifier: MIT */
/* The f64 reference's own data, shared by its files: reference.c (creation, forward),
 * reference_backward.c and reference_states.c. */
#ifndef CB_ENGINE_REFERENCE_INTERNAL_H
#define CB_ENGINE_REFERENCE_INTERNAL_H

#include "engine/mask.h"
#include "engine/reference.h"

typedef struct cbi_reference_layer {
    const cb_cell *cell;
    size_t *at;          /* [nodes] offset of a node's value in a row of the tape */
    size_t length;       /* of a row: forward and backward nodes */
    double *tape;        /* [frames][length] */
    unsigned char *side; /* [frames][length] of operations with a kink, on which side they stood */
    double **matrix;     /* [params] effective matrices, dense */
    double **d_matrix;
    int32_t **map;    /* [params] structures, NULL if full */
    double **initial; /* [states] given, [B][dim], or NULL */
    size_t *initial_rows;
    double **d_final;   /* [states] given, or NULL */
    double **d_initial; /* [states] [B][dim], result */
    double *d_input;    /* [frames][I] */
    cb_random *streams; /* [masks] of the pass at hand */
    float *mask_row;    /* [widest mask] */
} cbi_reference_layer;

/* What has been run, each including those before it; after a refused call, nothing. */
typedef enum cbi_reference_progress {
    CBI_REFERENCE_NOTHING = 0,
    CBI_REFERENCE_OUTPUT,
    CBI_REFERENCE_DIFFERENTIATED
} cbi_reference_progress;

struct cb_reference {
    const cb_stack *stack;
    cbi_reference_layer *layers;
    cb_steps steps;
    uint32_t *rows;
    size_t *first;    /* [T]: first frame of each step */
    uint32_t *mirror; /* [frames]: the frame of the same sequence counted from its end */
    uint32_t *start;  /* [B]: t of each sequence's first step */
    double *weights;
    int32_t *index;
    int frozen;
    cbi_mask_source masks;
    cbi_reference_progress done;
};

cb_status cbi_reference_no_memory(cb_err *err);
/* Between a unit's own order of frames and that of its level. */
size_t cbi_reference_turned(const cb_reference *reference, size_t unit, size_t frame);
/* Computes one node of one step of one row into the tape; x [frames][I]: the layer's input. */
void cbi_reference_run_node(cb_reference *reference, size_t layer, size_t t, size_t row,
                            size_t frame, cbi_ref node, const double *x);

/* reference_states.c: element j of the value of state `s` before the first step. */
double cbi_reference_initial_value(const cb_reference *reference, size_t layer, size_t s,
                                   size_t row, size_t j);
/* Gradients of final states belong to one forward pass, and are used once. */
void cbi_reference_drop_final_gradients(cb_reference *reference);
/* After the layer's backward pass; adds to those of learned initial states in `gradient`. */
CB_MUST_USE cb_status cbi_reference_keep_initial_gradient(cb_reference *reference, size_t layer,
                                                          double *gradient, cb_err *err);

#endif
