/* SPDX-License-Identifier: MIT */
/*
 * Where a value of a pass lives: the shortest memory that reaches all its readers.
 */
#include "cell/planner.h"

static void visit_home(cbi_planner *p, cbi_ref self, cbi_ref input, int is_operand) {
    cbi_pass_node *reader = &p->pass->node[self], *in = &p->pass->node[input];
    cbi_home home = CBI_HOME_STRIP;
    if (cbi_is_given(in))
        return;
    if (in->phase != reader->phase)
        home = CBI_HOME_BLOCK;
    else if (is_operand || in->stage != reader->stage || reader->n.kind == CBI_AFFINE)
        home = reader->phase == CBI_LOOP ? CBI_HOME_STEP : CBI_HOME_BLOCK;
    if (home > in->home)
        in->home = home;
}

static void raise_home(cbi_pass *pass, cbi_ref ref, cbi_home home) {
    if (!cbi_is_given(&pass->node[ref]) && pass->node[ref].home < home)
        pass->node[ref].home = home;
}

/* What leaves the forward pass is kept for the whole sequence. */
static void keep_forward(cbi_planner *p) {
    for (size_t i = 0; i < p->cell->forward_count; i++)
        if (p->external[i] && p->needed[i])
            raise_home(p->pass, p->pass->map[i], CBI_HOME_SEQUENCE);
}

/* Gradients: of weights, for a block of steps; of states, for the step before; of what came from
 * outside, for the whole sequence. */
static void keep_backward(cbi_planner *p) {
    cb_cell *cell = p->cell;
    cbi_pass *pass = p->pass;
    for (size_t i = 0; i < cell->matrix_sink_count; i++)
        raise_home(pass, pass->map[cell->matrix_sinks[i].gradient], CBI_HOME_BLOCK);
    for (size_t i = 0; i < cell->vector_sink_count; i++) {
        cbi_ref ref = pass->map[cell->vector_sinks[i].gradient];
        if (pass->node[ref].phase != CBI_AFTER ||
            pass->node[ref].stage + 1 < (int)pass->stages[CBI_AFTER])
            raise_home(pass, ref, CBI_HOME_BLOCK);
    }
    for (size_t r = 0; r < cell->read_count; r++)
        if (cell->d_lower[r] != CBI_NONE)
            raise_home(pass, pass->map[cell->d_lower[r]], CBI_HOME_SEQUENCE);
    if (cell->d_input != CBI_NONE)
        raise_home(pass, pass->map[cell->d_input], CBI_HOME_SEQUENCE);
    for (size_t s = 0; s < cell->state_count; s++)
        if (cell->d_state[s] != CBI_NONE)
            pass->node[pass->map[cell->d_state[s]]].home = CBI_HOME_CARRY;
}

/* A sum whose base was begun before the loop goes on in the base's plane, if nobody else reads
 * either of them beyond that. */
static void grow_in_bases(cbi_planner *p) {
    cbi_pass *pass = p->pass;
    for (size_t i = 0; i < pass->count; i++) {
        cbi_pass_node *n = &pass->node[i];
        if (n->n.kind != CBI_AFFINE || n->n.arg[0] == CBI_NONE || n->home > CBI_HOME_BLOCK)
            continue;
        cbi_pass_node *base = &pass->node[n->n.arg[0]];
        if (!cbi_is_given(base) && base->home == CBI_HOME_BLOCK && p->bound[n->n.arg[0]] == 1) {
            n->home = CBI_HOME_BLOCK;
            n->storage = n->n.arg[0];
        }
    }
}

void cbi_set_homes(cbi_planner *p) {
    cbi_pass *pass = p->pass;
    cbi_count_uses(p);
    for (size_t i = 0; i < pass->count; i++) {
        cbi_pass_node *n = &pass->node[i];
        if (cbi_is_given(n))
            continue;
        cbi_home least = n->phase == CBI_LOOP ? CBI_HOME_STEP : CBI_HOME_BLOCK;
        raise_home(pass, (cbi_ref)i, n->n.kind == CBI_AFFINE ? least : CBI_HOME_STRIP);
        cbi_each_input(p, (cbi_ref)i, visit_home);
    }
    if (p->backward)
        keep_backward(p);
    else
        keep_forward(p);
    grow_in_bases(p);
}
