/* SPDX-License-Identifier: MIT */
/*
 * Between the files that schedule a pass: schedule.c (what is needed, and the order of the steps),
 * gather.c, phases.c, standstill.c, homes.c, emit.c.
 */
#ifndef CB_CELL_PLANNER_H
#define CB_CELL_PLANNER_H

#include "cell/cell_internal.h"

/* A pass in the making. The arrays have one element for each node of the cell's graph. */
typedef struct cbi_planner {
    cb_cell *cell;
    const cbi_graph *g;
    cbi_pass *pass;
    int backward;
    size_t total;             /* nodes of the cell's graph */
    unsigned char *needed;    /* computed in this pass */
    unsigned char *external;  /* read from outside: by the other pass, as state, output, sink */
    unsigned char *recurrent; /* depends on a recurrent state */
    unsigned char *absorbed;  /* part of a sum of products */
    unsigned char *products;  /* the sum under this node has products */
    unsigned char *delivered; /* read from outside other than by the other pass */
    uint32_t *uses;
    cbi_ref *user; /* of the last use */
    /* From here on one element for each node of the pass. */
    unsigned char *outside; /* leaves the pass: never sunk into the loop, never joined */
    unsigned char *depends; /* on a recurrent state */
    unsigned char *feeds;   /* a recurrent state depends on it */
    int *bound;             /* of each step of the planning, its own: see there */
    cb_err *err;
} cbi_planner;

cb_status cbi_plan_no_memory(cbi_planner *p);

/* Given, or found to be read by nobody. */
static inline int cbi_is_given(const cbi_pass_node *n) {
    return n->home == CBI_HOME_LEAF || n->home == CBI_HOME_DEAD;
}

/* Calls visit for each node that node `self` of the pass reads; is_operand: in a product. */
void cbi_each_input(cbi_planner *p, cbi_ref self,
                    void (*visit)(cbi_planner *p, cbi_ref self, cbi_ref input, int is_operand));
/* bound: how often each node is read inside the pass. */
void cbi_count_uses(cbi_planner *p);

/* gather.c: the pass gets its nodes and products. */
void cbi_gather(cbi_planner *p);
/* phases.c: the phase and the stage of each node; what is dead is found. */
void cbi_set_phases(cbi_planner *p);
/* standstill.c: finds the cell's clock; and, backward pass first, what the nodes of both passes are
 * for units that stand still. */
void cbi_find_clock(cb_cell *cell);
void cbi_set_idle(cbi_planner *p);
/* Whether the operations of a stage differ for units that stand still. */
int cbi_has_idle(const cbi_pass *pass, const cbi_stage *stage);
/* What is left of an operation for units that stand still; 0: nothing. */
int cbi_idle_instr(const cbi_pass *pass, const cbi_instr *instr, cbi_instr *left);
/* emit.c: makes room for the stages of each phase; homes ask which stage is the last. */
CB_MUST_USE cb_status cbi_make_stages(cbi_planner *p);
/* homes.c: where each value lives. */
void cbi_set_homes(cbi_planner *p);
/* emit.c: products and pointwise operations in running order. */
CB_MUST_USE cb_status cbi_emit(cbi_planner *p);

#endif
