/* SPDX-License-Identifier: MIT */
/*
 * White-box: walks through a cell's schedule as an engine would, and finds values that are read
 * before they are made, or where they are no longer. For tests and the fuzzer.
 */
#ifndef CB_TESTS_SCHEDULE_CHECK_H
#define CB_TESTS_SCHEDULE_CHECK_H

#include <stdlib.h>

#include "cell/cell_internal.h"

typedef struct schedule_walk {
    const cb_cell *cell;
    const cbi_pass *pass;
    int *phase, *stage; /* where a value was made; phase -1: not yet */
    int at_phase, at_stage;
    const char *broken;
} schedule_walk;

static inline void schedule_promise(schedule_walk *w, int kept, const char *promise) {
    if (!kept && w->broken == NULL)
        w->broken = promise;
}

static inline int schedule_is_here(const schedule_walk *w, cbi_ref ref) {
    return w->phase[ref] == w->at_phase && w->stage[ref] == w->at_stage;
}

static inline void schedule_read_leaf(schedule_walk *w, const cbi_node *n) {
    if (n->kind == CBI_D_STATE)
        schedule_promise(w, w->at_phase == CBI_LOOP, "a carried gradient is read in the loop");
    if (n->kind != CBI_STATE || w->pass != &w->cell->forward)
        return;
    const cbi_state *s = &w->cell->states[n->index];
    cbi_ref next = w->pass->map[s->next];
    if (s->recurrent)
        schedule_promise(w, w->at_phase != CBI_BEFORE, "a state is not read before the loop");
    else
        schedule_promise(w, w->phase[next] == CBI_BEFORE && !schedule_is_here(w, next),
                         "a delayed state is complete before it is read");
}

/* `early`: by a product, which runs before the program of its stage. */
static inline void schedule_read(schedule_walk *w, cbi_ref ref, int early) {
    const cbi_pass_node *n = &w->pass->node[ref];
    if (n->home == CBI_HOME_LEAF) {
        schedule_read_leaf(w, &n->n);
        return;
    }
    int here = schedule_is_here(w, ref);
    schedule_promise(w, w->phase[ref] >= 0, "a value is made before it is read");
    schedule_promise(w, n->home > CBI_HOME_LEAF, "what is read has a home");
    schedule_promise(w, !early || !here || n->n.kind == CBI_AFFINE,
                     "an operand comes from an earlier stage");
    schedule_promise(w, n->home != CBI_HOME_STRIP || (here && !early),
                     "a strip is read in its own program");
    schedule_promise(w, n->home != CBI_HOME_STEP || w->phase[ref] == w->at_phase,
                     "a value of a step is read in its phase");
}

static inline void schedule_make(schedule_walk *w, cbi_ref ref) {
    const cbi_pass_node *n = &w->pass->node[ref];
    schedule_promise(w, w->phase[ref] == -1, "a value is made once");
    schedule_promise(w, n->phase == w->at_phase && n->stage == w->at_stage,
                     "a value is made in its stage");
    schedule_promise(w, n->home > CBI_HOME_LEAF, "what is made has a home");
    w->phase[ref] = w->at_phase;
    w->stage[ref] = w->at_stage;
}

static inline void schedule_stage(schedule_walk *w, const cbi_stage *stage) {
    for (size_t i = 0; i < stage->products; i++) {
        const cbi_product_call *c = &w->pass->product[stage->first_product + i];
        schedule_read(w, c->operand, 1);
        if (c->first && c->base != CBI_NONE)
            schedule_read(w, c->base, 1);
        if (c->first)
            schedule_make(w, c->dst);
        schedule_promise(w, schedule_is_here(w, c->dst), "a sum of products is begun first");
    }
    for (size_t i = 0; i < stage->instrs; i++) {
        const cbi_instr *in = &w->pass->instr[stage->first_instr + i];
        for (int k = 0; k < 3; k++)
            if (in->src[k] != CBI_NONE)
                schedule_read(w, in->src[k], 0);
        if (!in->sink)
            schedule_make(w, in->dst);
    }
}

/* A value that leaves the pass: made, or given. */
static inline void schedule_leaves(schedule_walk *w, cbi_ref ref, cbi_home least) {
    if (ref == CBI_NONE || w->broken)
        return;
    cbi_ref own = w->pass->map[ref];
    schedule_promise(w, own != CBI_NONE, "what leaves a pass is part of it");
    if (own == CBI_NONE || w->pass->node[own].home == CBI_HOME_LEAF)
        return;
    schedule_promise(w, w->phase[own] >= 0, "what leaves a pass was made");
    schedule_promise(w, w->pass->node[own].home >= least, "what leaves a pass outlives it");
}

static inline void schedule_walk_pass(schedule_walk *w) {
    const cb_cell *cell = w->cell;
    for (w->at_phase = 0; w->at_phase < CBI_PHASES; w->at_phase++)
        for (w->at_stage = 0; w->at_stage < (int)w->pass->stages[w->at_phase]; w->at_stage++)
            schedule_stage(w, &w->pass->stage[w->at_phase][w->at_stage]);
    if (w->pass == &cell->forward) {
        for (size_t s = 0; s < cell->state_count; s++)
            schedule_leaves(w, cell->states[s].next, CBI_HOME_SEQUENCE);
        schedule_leaves(w, cell->output, CBI_HOME_SEQUENCE);
        return;
    }
    for (size_t s = 0; s < cell->state_count; s++)
        schedule_leaves(w, cell->d_state[s], CBI_HOME_CARRY);
    schedule_leaves(w, cell->d_input, CBI_HOME_SEQUENCE);
    for (size_t r = 0; r < cell->read_count; r++)
        schedule_leaves(w, cell->d_lower[r], CBI_HOME_SEQUENCE);
    for (size_t i = 0; i < cell->matrix_sink_count; i++)
        schedule_leaves(w, cell->matrix_sinks[i].gradient, CBI_HOME_BLOCK);
}

/* NULL if all promises of both passes are kept, else the first that is not. */
static inline const char *schedule_broken(const cb_cell *cell) {
    const char *broken = NULL;
    for (int b = 0; b < 2 && broken == NULL; b++) {
        const cbi_pass *pass = b ? &cell->backward : &cell->forward;
        schedule_walk w = {.cell = cell, .pass = pass};
        w.phase = malloc((pass->count + 1) * 2 * sizeof *w.phase);
        if (w.phase == NULL)
            return "memory";
        w.stage = w.phase + pass->count + 1;
        for (size_t i = 0; i < pass->count; i++)
            w.phase[i] = w.stage[i] = -1;
        schedule_walk_pass(&w);
        broken = w.broken;
        free(w.phase);
    }
    return broken;
}

#endif
