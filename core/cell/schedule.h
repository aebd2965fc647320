/* SPDX-License-Identifier: MIT */
/*
 * The schedule of a step graph: what is computed before the time loop, in it and after it, in which
 * order, and where each value lives. Pure data; the engine executes it.
 *
 * A pass (forward or backward) has three phases. BEFORE: what depends on no recurrent state; the
 * engine computes it for a block of steps at a time. LOOP: step by step. AFTER: what no recurrent
 * state depends on; by blocks again. A phase is a list of stages; a stage is a list of products,
 * all ready at the same time, and then one pointwise program.
 *
 * Sums of products (W x + R h + b) become CBI_AFFINE nodes: products that accumulate in one plane,
 * begun from a base (a learned vector, or the part of the sum that was computed before the loop).
 *
 * Units that stand still. Where all clock() of a cell have the same periods, it is known at each
 * step which units (columns) are not updated, and a node says what it is there: not read by anybody
 * (what would be their new value) or a known number (0, of most gradients). Neither is computed: a
 * stage of the loop has a second program for those columns, with what is left to do there, and
 * products leave out the rows that nobody reads and the operands that are 0.
 */
#ifndef CB_CELL_SCHEDULE_H
#define CB_CELL_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "cell/graph.h"
#include "cellbench/status.h"

struct cb_cell;

typedef enum cbi_phase_name {
    CBI_BEFORE = 0,
    CBI_LOOP = 1,
    CBI_AFTER = 2,
    CBI_PHASES = 3
} cbi_phase_name;

/* Where a value lives while its pass runs. */
typedef enum cbi_home {
    CBI_HOME_NONE = 0, /* not computed in this pass */
    CBI_HOME_DEAD,     /* read by nobody */
    CBI_HOME_LEAF,     /* given: input, state before the step, vector, number, kept value, ... */
    CBI_HOME_STRIP,    /* inside one program only */
    CBI_HOME_STEP,     /* between stages of one step */
    CBI_HOME_BLOCK,    /* one row for each row of a block of steps */
    CBI_HOME_SEQUENCE, /* one row for each frame, kept: states, output, what backward needs */
    CBI_HOME_CARRY     /* backward: gradient of a state, handed to the step before */
} cbi_home;

/* The graph of a pass adds one kind of leaf to those of graph.h: a value of the forward pass, kept;
 * index: node of the forward pass. */
#define CBI_KEPT ((cbi_kind)(CBI_AFFINE + 1))

/* What a value is for units that are not updated at a step. */
typedef enum cbi_idle {
    CBI_IDLE_COMPUTED = 0, /* as for all others */
    CBI_IDLE_UNREAD,       /* read by nobody */
    CBI_IDLE_NUMBER        /* a number that is known */
} cbi_idle;

typedef struct cbi_pass_node {
    cbi_node n;
    cbi_home home;
    cbi_ref storage; /* the node whose plane holds the value (itself, or the base it grows in) */
    int phase;       /* cbi_phase_name, or -1: not needed */
    int stage;
    cbi_idle idle;
    double idle_number; /* CBI_IDLE_NUMBER: +0 for either zero */
    int is_spelt;       /* CBI_IDLE_NUMBER: and read where that is not known */
    int is_read_idle;   /* somebody reads it of units that stand still */
} cbi_pass_node;

/* 1 if it is zero for units that stand still. */
static inline int cbi_rests_at_zero(const cbi_pass_node *node) {
    return node->idle == CBI_IDLE_NUMBER && node->idle_number == 0;
}

/* dst = base + products, begun when `first`: dst = (base or 0) + M v, else dst += M v. */
typedef struct cbi_product_call {
    cbi_ref dst, base, operand;
    uint32_t matrix;
    int transposed, first;
} cbi_product_call;

/* One operation of a pointwise program. */
typedef struct cbi_instr {
    cbi_kind kind;  /* POINTWISE, SUM, BROADCAST, SPREAD, FOLD, CLOCK */
    const char *op; /* POINTWISE: name of the kernel; may join several nodes ("fma") */
    cbi_ref dst;    /* node; or, with `sink`, index of a vector sink */
    cbi_ref src[3]; /* nodes; CBI_NONE: none */
    int sink;       /* 1: sink[dst] += src[0]   2: sink[dst] += src[0] * src[1] */
} cbi_instr;

typedef struct cbi_stage {
    size_t first_product, products; /* in cbi_pass.product */
    size_t first_instr, instrs;     /* in cbi_pass.instr */
    int has_idle;                   /* runs without the units that stand still, and for them: */
    size_t first_idle, idles;       /* in cbi_pass.instr; sources that are numbers there stand for
                                       their number, and so does the source of a copy to itself */
} cbi_stage;

typedef struct cbi_pass {
    cbi_pass_node *node;
    size_t count, capacity;
    cbi_stage *stage[CBI_PHASES];
    size_t stages[CBI_PHASES];
    cbi_product_call *product;
    size_t product_count, product_capacity;
    cbi_instr *instr;
    size_t instr_count, instr_capacity;
    /* From the cell's graph to this pass; CBI_NONE: merged away or not of this pass. */
    cbi_ref *map;
    int failed;
} cbi_pass;

/* Builds both passes of a differentiated cell. */
CB_MUST_USE cb_status cbi_schedule(struct cb_cell *cell, cb_err *err);
void cbi_pass_fini(cbi_pass *pass);

#endif
