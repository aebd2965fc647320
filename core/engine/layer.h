/* SPDX-License-Identifier: MIT */
/*
 * One layer of the f32 engine: its planes, packed weights and compiled programs.
 *
 * Planes are [rows][ld], ld = dim rounded up to CBI_LANES; columns from dim to ld hold anything.
 * A state's plane has B rows of initial values before the rows of its frames, so that the value
 * before a step is always some rows up.
 */
#ifndef CB_ENGINE_LAYER_H
#define CB_ENGINE_LAYER_H

#include "engine/activity.h"
#include "engine/bundle.h"
#include "engine/program.h"
#include "engine/stack_internal.h"

/* Rows of a block of steps: measured best at every size between 128 and 1,024. */
enum { CBI_BLOCK_ROWS = CB_BLOCK_FRAMES };

typedef struct cbi_plane {
    float *memory; /* owned; NULL while unused or borrowed */
    float *data;   /* of frame 0 (or row 0); a state's initial rows stand before it */
    size_t ld, dim;
    size_t capacity; /* rows that memory holds */
} cbi_plane;

/* A matrix of the layer. */
typedef struct cbi_weight {
    float *own;      /* structure: the effective matrix; NULL: the weights as they are */
    float *gradient; /* [rows][cols padded]: summed over the blocks of a backward pass */
    int32_t *map;    /* structure: while the layer is made */
    cbi_run *runs;   /* structure */
    size_t run_count;
    float *by_symbol; /* index input: M^T as rows, [cols][ld] */
    float *d_rows;    /* index input: gradient as rows, [cols][ld] */
    int on_index;     /* multiplies an index */
    int summed;       /* `gradient` holds something of this backward pass */
    cbi_reach *reach; /* structure: [groups of rows] the columns that are not all zero */
} cbi_weight;

/* Values of a mask (mask.c), a row for each frame. */
typedef struct cbi_mask_plane {
    cbi_plane plane;
    size_t expected; /* rows that hold its expectation */
} cbi_mask_plane;

/* What the caller hands in for one state (engine_states.c); its room is kept from call to call. */
typedef struct cbi_handed {
    float *initial;       /* [rows][dim] */
    unsigned char *given; /* [rows] which of them count */
    float *d_final;       /* [B][dim] */
    size_t rows;          /* of initial */
    size_t initial_capacity, given_capacity, final_capacity;
    int has_initial, has_final; /* the caller's word counts at all */
} cbi_handed;

/* Operands of gradients of large matrices, laid up over several blocks (outer.c). */
typedef struct cbi_gather {
    size_t *gradient_of, *operand_of; /* [matrix sinks] in their order: which of the layer's */
    size_t gradients, operands;       /* how many there are */
    size_t most, rows;                /* rows: at most (0: each block by itself), and so far */
    size_t gradient_floats, operand_floats;
} cbi_gather;

typedef struct cbi_phase_run {
    cbi_bundles *bundles; /* one for each stage */
    cbi_program *program; /* one for each stage, after its products */
    cbi_program *idle;    /* the same for units that stand still; NULL: no stage has one */
} cbi_phase_run;

typedef struct cbi_layer {
    const cb_cell *cell;
    size_t *offset;                   /* of each parameter in w */
    cbi_weight *weight;               /* [params]; vectors: unused */
    float **vector;                   /* [params]: strip of equal rows; matrices: NULL */
    float **sum;                      /* [vector sinks]: strip of sums */
    cbi_plane *forward;               /* [forward nodes]; storage nodes only */
    cbi_plane *backward;              /* [backward nodes] */
    cbi_plane *state;                 /* [states] data: frame 0 */
    cbi_plane *begin;                 /* [states] the same rows from the first initial one */
    cbi_plane x;                      /* input, padded; layer 0 */
    cbi_plane dy;                     /* gradient of the output */
    cbi_plane *old;                   /* [states] values before the steps of a block, gathered */
    cbi_plane *carry_in, *carry_out;  /* [states] */
    cbi_handed *handed;               /* [states] */
    cbi_phase_run run[2][CBI_PHASES]; /* forward, backward */
    int delayed;                      /* some state is a delayed sequence, read before the loop */
    const cbi_slot **kept; /* what the backward loop reads of the forward pass, once each */
    size_t kept_count, kept_floats; /* of a frame */
    cbi_lines *ahead;               /* [kept]: of the next step */
    size_t strip_rows, strip_floats;
    size_t *sink_order;   /* matrix sinks, those of one operand together */
    cbi_columns *columns; /* of the product at hand: room for any bundle, twice */
    cbi_operand *operands;
    cbi_operand *pieces; /* [2][most_pieces] of operands: what is left of them */
    size_t most_pieces;
    cbi_activity activity; /* of the block at hand */
    int is_whole;          /* nothing is left out or laid up, for tests */
    cbi_gather gather;
    float *panels; /* operands of weight gradients, packed: one of a block, or those of `gather` */
    size_t panel_floats;
    float *turned; /* gradients of `gather`, [rows of the matrix][most] */
    size_t turned_floats;
    float *scratch; /* strips of programs */
    size_t scratch_strips;
    float **number; /* [numbers] strips of one value */
    double *number_value;
    size_t numbers, number_capacity;
    const int32_t *index;            /* [frames] index input, in the order in which it runs */
    cbi_plane mask;                  /* dropout: factors of the elements of x */
    cbi_mask_plane *masks;           /* [masks of the cell] */
    struct cbi_layer *below, *above; /* NULL unless the one reads the other's plane as it stands */
} cbi_layer;

cb_status cbi_engine_no_memory(cb_err *err);
/* Rows of a strip; *floats: of the widest value in it. */
size_t cbi_strip_shape(const cb_cell *cell, size_t *floats);
/* Pieces that a product or a gradient can be cut into. */
size_t cbi_most_pieces(const cb_cell *cell, size_t operands);
/* Makes room for `rows` rows of p->ld floats; data stands `before` rows in. Never shrinks. */
CB_MUST_USE cb_status cbi_plane_reserve(cbi_plane *plane, size_t rows, size_t before, cb_err *err);

CB_MUST_USE cb_status cbi_layer_init(cbi_layer *layer, const cb_stack *stack, size_t index,
                                     cbi_layer *below, const cbi_kernels *kernels, cb_err *err);
void cbi_layer_fini(cbi_layer *layer);
/* Compiles the programs; after the layer above was initialised too. */
CB_MUST_USE cb_status cbi_layer_compile(cbi_layer *layer, const cbi_kernels *kernels, cb_err *err);
/* Makes all planes large enough; `block` rows for a block of steps. */
CB_MUST_USE cb_status cbi_layer_reserve(cbi_layer *layer, size_t B, size_t frames, size_t block,
                                        int keep, const cbi_kernels *kernels, cb_err *err);
/* Bytes that a layer of this cell will hold, from above and within twice the truth. */
CB_MUST_USE cb_status cbi_layer_bytes(const cb_cell *cell, size_t B, size_t frames, size_t block,
                                      int keep, const cbi_kernels *kernels, size_t *bytes,
                                      cb_err *err);
void cbi_layer_set_weights(cbi_layer *layer, const cbi_kernels *kernels, const float *w);

/* engine_states.c */
void cbi_handed_fini(cbi_handed *handed);

/* products.c: what structures and clocks leave out of a bundle. */
CB_MUST_USE cb_status cbi_bundle_find_reach(cbi_layer *layer, int backward, cbi_bundle *bundle,
                                            const cbi_kernels *kernels, cb_err *err);

/* The plane of a node of a pass, with the row base to be used in a phase. */
cbi_plane *cbi_layer_plane(cbi_layer *layer, int backward, int phase, cbi_ref node,
                           cbi_row_base *base);

#endif
