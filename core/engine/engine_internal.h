/* SPDX-License-Identifier: MIT */
/* The f32 engine's own data, shared by its files: engine.c (creation, forward), products.c,
 * engine_backward.c, engine_states.c and route.c (what passes between layers). */
#ifndef CB_ENGINE_ENGINE_INTERNAL_H
#define CB_ENGINE_ENGINE_INTERNAL_H

#include "engine/layer.h"
#include "engine/mask.h"

typedef struct cbi_block {
    size_t from, to;    /* steps */
    size_t frame, rows; /* first frame, number of frames */
    int uniform;        /* the rows before its steps stand one after the other too */
} cbi_block;

/* What has been run, each including those before it; a refused call leaves CBI_NOTHING. */
typedef enum cbi_progress {
    CBI_NOTHING = 0,
    CBI_OUTPUT,
    CBI_KEPT_ALL,
    CBI_DIFFERENTIATED
} cbi_progress;

struct cb_engine {
    const cb_stack *stack;
    const cbi_kernels *kernels;
    cbi_layer *layers;
    int have_weights;
    cb_steps steps;
    int equal_counts; /* all sequences stand at the same count of steps */
    int is_holding;   /* sums of gradients go on from the last backward pass */
    uint32_t *rows;
    size_t *first;        /* [T] first frame of each step */
    int32_t *step_of_row; /* [frames] */
    int32_t *index;       /* [frames], index input */
    cbi_block *blocks;
    size_t block_count, block_rows;
    size_t step_capacity, frame_capacity, block_capacity, index_capacity;
    size_t first_capacity, row_capacity, mirror_capacity, mirrored_capacity;
    uint32_t *mirror;        /* [frames] the frame of the same sequence counted from its end */
    int32_t *mirrored_index; /* index input, as a layer that runs backwards sees it */
    cbi_plane out, d_out;    /* the output of several units side by side, and its gradient */
    double dropout;          /* rate between layers, for passes with keep */
    uint64_t dropout_seed, dropout_pass;
    cbi_mask_source masks; /* of regularisers, for passes with keep */
    cbi_progress done;
    int is_timed;           /* somebody wants to know the times */
    cb_engine_times *times; /* never NULL */
    cb_engine_times unread; /* what it points to otherwise */
    double lap;             /* when the last one ended */
};

/* A lap ends, another begins: its time is added to *part (NULL: to none). While nobody wants to
 * know no clock is read. */
void cbi_lap(cb_engine *engine, double *part);

/* The rows that a phase runs over: a step's in the loop, a block's outside. */
typedef struct cbi_scope {
    int backward, phase;
    size_t rows, base[CBI_ROW_BASES];
    const cbi_block *block;     /* outside the loop */
    const unsigned char *moves; /* of one step: groups of columns that do not stand still; NULL: all
                                   (activity.h) */
    cbi_ahead *ahead;           /* what the next step reads; NULL: nothing is fetched */
    cbi_ref skip;               /* products into it are left out; CBI_NONE: of none */
} cbi_scope;

/* From now on nothing is left out that structures and clocks make zero or unread, and no gradients
 * are laid up: for tests, which hold the one against the other. */
void cbi_engine_compute_all(cb_engine *engine);
/* The row at which step t begins in planes that have one for each frame. */
size_t cbi_row_of(const cb_engine *engine, cbi_row_base base, size_t t);
/* What runs over a block, and over step t of it. */
cbi_scope cbi_block_scope(const cbi_block *block, int backward, int phase);
cbi_scope cbi_step_scope(const cb_engine *engine, const cbi_layer *layer, const cbi_block *block,
                         size_t t, int backward);
/* Stage by stage: products, then the program. */
void cbi_run_phase(cb_engine *engine, cbi_layer *layer, const cbi_scope *scope);
/* Says for each step of a block which units are updated. */
void cbi_find_activity(const cb_engine *engine, cbi_layer *layer, const cbi_block *block);

/* products.c: where the rows of a node of a pass begin. */
float *cbi_rows_at(cbi_layer *layer, const cbi_scope *scope, cbi_ref node, size_t *ld);
void cbi_run_products(const cb_engine *engine, cbi_layer *layer, const cbi_scope *scope,
                      size_t stage);
/* The values before each step of a block, as planes with the block's rows. */
void cbi_find_old(cb_engine *engine, cbi_layer *layer, const cbi_block *block);

/* outer.c: after the backward phases of a block. */
void cbi_add_outer_products(cb_engine *engine, cbi_layer *layer, const cbi_block *block);

/* engine_states.c: 1 if row `row` starts from a state that the caller gave. */
int cbi_is_given_row(const cbi_layer *layer, size_t state, size_t row);
/* Gradients of final states belong to one forward pass, and are used once. */
void cbi_drop_final_gradients(cb_engine *engine);

/* mask.c: the masks of unit u for the pass at hand; and what they take of each frame. */
CB_MUST_USE cb_status cbi_masks_fill(cb_engine *engine, size_t u, int keep, cb_err *err);
size_t cbi_masks_floats(const cb_cell *cell);

/* route.c: what goes from layer to layer. */
cbi_plane *cbi_output_plane(cbi_layer *layer);
/* NULL: the layer does not read its input. */
cbi_plane *cbi_input_gradient(cbi_layer *layer, cbi_ref *node);
CB_MUST_USE cb_status cbi_route_prepare(cb_engine *engine, const int32_t *index, int keep,
                                        cb_err *err);
/* Puts the input of unit u in its place; x: the caller's. */
void cbi_route_input(cb_engine *engine, size_t u, const float *x, size_t ldx, int keep);
cb_rows cbi_route_output(cb_engine *engine);
cb_rows cbi_route_output_gradient(cb_engine *engine);
/* Puts the gradient of the output of unit u in its place, from the units above or the caller's. */
CB_MUST_USE cb_status cbi_route_gradient(cb_engine *engine, size_t u, cb_err *err);
/* Before a backward pass: where dx looks like the plane of the input's gradient it stands in for
 * it, and nothing is left to be put there afterwards. That plane, which gets its memory back after
 * the pass; NULL: it does not. */
cbi_plane *cbi_route_lend(cb_engine *engine, float *dx, size_t lddx);
void cbi_route_input_gradient(cb_engine *engine, float *dx, size_t lddx);
void cbi_route_fini(cb_engine *engine);

#endif
