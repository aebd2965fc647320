/* SPDX-License-Identifier: MIT */
/*
 * A stack of layers with its weights, gradients and sequences in f64, run by the f32 engine or by
 * the f64 reference: what cb.net is made of. Knows nothing of Lua.
 *
 * Sequences are numbered as the caller gives them; sequence b stands in row `place[b]` of every
 * step that it reaches.
 */
#ifndef CB_SCRIPT_NET_RUN_H
#define CB_SCRIPT_NET_RUN_H

#include "cellbench/engine.h"

enum { CBI_NET_LABEL = 32 };

typedef struct cbi_net {
    cb_stack *stack;   /* NULL: closed */
    cb_engine *engine; /* one of the two */
    cb_reference *reference;
    char (*label)[CBI_NET_LABEL]; /* of each cell of the stack: "1", "1.reverse", "2" */
    size_t weights;
    double *w;        /* [weights]; numbers that a float can hold, where the engine runs them */
    double *gradient; /* [weights], accumulated */
    double *fresh;    /* [weights], of the last backward pass */
    float *single;    /* where numbers change their width */
    size_t single_capacity;

    size_t T, B;
    cb_steps steps;
    uint32_t *rows;  /* [T] */
    size_t *first;   /* [T], first frame of each step */
    size_t *length;  /* [B] */
    size_t *place;   /* [B], row of a sequence */
    uint32_t *start; /* [B] in rows, t of the first step */
    uint64_t *named; /* [B] in rows, names of the sequences for masks */
    double *x, *dx;  /* [frames][I] */
    double *y, *dy;  /* [frames][output dim] */
    int32_t *index;  /* [frames] */
    size_t rows_capacity, first_capacity, length_capacity, place_capacity, start_capacity;
    size_t named_capacity;
    size_t x_capacity, dx_capacity, y_capacity, dy_capacity, index_capacity;
    double *state; /* [B][dim of a state], for one at a time */
    size_t state_capacity;
    int ran, differentiated; /* whether y, and dx, are of the last pass */
} cbi_net;

/* `net` is zeroed by the caller, and cbi_net_fini is due whatever this returns. */
CB_MUST_USE cb_status cbi_net_init(cbi_net *net, const cb_layer_spec *layers, size_t n,
                                   cb_input_kind kind, size_t I,
                                   const cb_regularisers *regularisers, int use_reference,
                                   cb_err *err);
void cbi_net_fini(cbi_net *net);

/* A number as the net can hold it; not finite if it cannot. */
double cbi_net_number(const cbi_net *net, double value);

/* Draws the weights; clears the gradient. */
CB_MUST_USE cb_status cbi_net_draw(cbi_net *net, uint64_t seed, const cb_init_override *overrides,
                                   size_t n, cb_err *err);

/* The weights as a safetensors file, in f32; and back. */
CB_MUST_USE cb_status cbi_net_save(cbi_net *net, const char *path, cb_err *err);
CB_MUST_USE cb_status cbi_net_load(cbi_net *net, const char *path, cb_err *err);

/* Takes B lengths >= 1, of which the longest is T, from net->length (made room for by
 * cbi_net_lengths), and makes room for the sequences. */
CB_MUST_USE cb_status cbi_net_lengths(cbi_net *net, size_t B, cb_err *err);
CB_MUST_USE cb_status cbi_net_shape(cbi_net *net, cb_err *err);
/* Sequences go on at these steps: t of each one's first, in the caller's order (cells with clocks
 * read it); without this call, at 0. After cbi_net_shape. */
CB_MUST_USE cb_status cbi_net_start(cbi_net *net, size_t b, uint32_t t, cb_err *err);
/* Masks of regularisers for the next pass: drawn from a seed, or their expectations. Sequences are
 * told apart by their place in the caller's order. After cbi_net_shape. */
CB_MUST_USE cb_status cbi_net_masks(cbi_net *net, int drawn, uint64_t seed, cb_err *err);
/* The frame of sequence b at step t < length[b]. */
size_t cbi_net_frame(const cbi_net *net, size_t t, size_t b);

/* Room for a state of `dim` in net->state. */
CB_MUST_USE cb_status cbi_net_state_room(cbi_net *net, size_t dim, cb_err *err);
/* net->state [B][dim] (in rows, see `place`) as the initial state of the next passes; every other
 * is the cell's own after cbi_net_forget_initial. */
CB_MUST_USE cb_status cbi_net_set_initial(cbi_net *net, size_t layer, const char *state, size_t dim,
                                          cb_err *err);
CB_MUST_USE cb_status cbi_net_forget_initial(cbi_net *net, cb_err *err);
/* net->state as the gradient of the final state, for the next backward pass. */
CB_MUST_USE cb_status cbi_net_set_final_gradient(cbi_net *net, size_t layer, const char *state,
                                                 size_t dim, cb_err *err);
/* Into net->state: the final state, or the gradient of the initial one. */
CB_MUST_USE cb_status cbi_net_final_state(cbi_net *net, size_t layer, const char *state, size_t dim,
                                          cb_err *err);
CB_MUST_USE cb_status cbi_net_initial_gradient(cbi_net *net, size_t layer, const char *state,
                                               size_t dim, cb_err *err);

/* From x or index to y. */
CB_MUST_USE cb_status cbi_net_forward(cbi_net *net, cb_err *err);
/* From dy to dx (dense input), and adds to the gradient. */
CB_MUST_USE cb_status cbi_net_backward(cbi_net *net, cb_err *err);

#endif
