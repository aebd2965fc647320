/* SPDX-License-Identifier: MIT */
/*
 * When a value of a pass is computed: before the loop, in it or after it, and in which stage there.
 */
#include "cell/planner.h"

#include <string.h>

static void visit_depends(cbi_planner *p, cbi_ref self, cbi_ref input, int is_operand) {
    (void)is_operand;
    p->depends[self] |= p->depends[input];
}

static void visit_feeds(cbi_planner *p, cbi_ref self, cbi_ref input, int is_operand) {
    (void)is_operand;
    p->feeds[input] |= p->feeds[self];
}

static int state_is_read(const cb_cell *cell, size_t state) {
    for (size_t i = 0; i < cell->forward_count; i++)
        for (unsigned k = 0; k < cbi_node_arity(&cell->graph.node[i]); k++)
            if (cell->graph.node[i].arg[k] == cell->states[state].old)
                return 1;
    return 0;
}

static int is_cheap(const cbi_node *n) {
    static const char *const cheap[] = {"add",  "sub",  "mul",    "neg",     "abs",
                                        "sign", "relu", "max",    "greater", "select",
                                        "copy", "stop", "square", "min"};
    if (n->kind == CBI_CLOCK || n->kind == CBI_BROADCAST)
        return 1;
    if (n->kind != CBI_POINTWISE)
        return 0;
    for (size_t i = 0; i < sizeof cheap / sizeof *cheap; i++)
        if (strcmp(cheap[i], n->op->name) == 0)
            return 1;
    return 0;
}

static void visit_bound(cbi_planner *p, cbi_ref self, cbi_ref input, int is_operand) {
    int phase = p->pass->node[self].phase;
    /* Bits: in which phases a value is used; bit 3: as operand of a product, or as a base. */
    p->bound[input] |= 1 << phase;
    if (is_operand || p->pass->node[self].n.kind == CBI_AFFINE)
        p->bound[input] |= 8;
}

/* Cheap operations before the loop whose results are read only in it are done in it: they cost the
 * same there, and their results need not be stored. */
static void sink_cheap(cbi_planner *p) {
    cbi_pass *pass = p->pass;
    for (size_t i = pass->count; i-- > 0;) {
        cbi_pass_node *n = &pass->node[i];
        if (cbi_is_given(n) || n->phase < 0)
            continue;
        if (n->phase == CBI_BEFORE && !p->outside[i] && is_cheap(&n->n) &&
            p->bound[i] == 1 << CBI_LOOP)
            n->phase = CBI_LOOP;
        cbi_each_input(p, (cbi_ref)i, visit_bound);
    }
}

static void choose_phases(cbi_planner *p) {
    cb_cell *cell = p->cell;
    cbi_pass *pass = p->pass;
    for (size_t s = 0; s < cell->state_count; s++) {
        cbi_ref carry = p->backward ? cell->d_state[s] : cell->states[s].next;
        int carries = p->backward || (cell->states[s].recurrent && state_is_read(cell, s));
        if (carry != CBI_NONE && carries)
            p->feeds[pass->map[carry]] = 1;
        if (p->backward && pass->map[cell->d_state_copy[s]] != CBI_NONE)
            p->feeds[pass->map[cell->d_state_copy[s]]] = 1;
    }
    for (size_t i = 0; i < pass->count; i++) {
        const cbi_node *n = &pass->node[i].n;
        if (cbi_is_given(&pass->node[i]))
            p->depends[i] = p->backward ? n->kind == CBI_D_STATE
                                        : n->kind == CBI_STATE && cell->states[n->index].recurrent;
        else
            cbi_each_input(p, (cbi_ref)i, visit_depends);
    }
    for (size_t i = pass->count; i-- > 0;) {
        if (!cbi_is_given(&pass->node[i]))
            cbi_each_input(p, (cbi_ref)i, visit_feeds);
    }
    for (size_t i = 0; i < pass->count; i++)
        if (!cbi_is_given(&pass->node[i]))
            pass->node[i].phase = !p->depends[i] ? CBI_BEFORE : p->feeds[i] ? CBI_LOOP : CBI_AFTER;
    /* What is handed to the step before is written step by step, whatever it depends on. */
    for (size_t s = 0; p->backward && s < cell->state_count; s++)
        if (cell->d_state[s] != CBI_NONE)
            pass->node[pass->map[cell->d_state[s]]].phase = CBI_LOOP;
    sink_cheap(p);
}

/* After the loop the gradient that arrived from the step after is gone: its copy is read instead.
 */
static void use_copies(cbi_planner *p) {
    cb_cell *cell = p->cell;
    cbi_pass *pass = p->pass;
    for (size_t i = 0; i < pass->count; i++) {
        cbi_pass_node *n = &pass->node[i];
        if (cbi_is_given(n) || n->phase != CBI_AFTER)
            continue;
        for (unsigned k = 0; k < cbi_node_arity(&n->n); k++) {
            const cbi_pass_node *arg = &pass->node[n->n.arg[k]];
            if (arg->n.kind == CBI_D_STATE)
                n->n.arg[k] = pass->map[cell->d_state_copy[arg->n.index]];
        }
    }
    for (size_t i = 0; i < cell->matrix_sink_count; i++) {
        const cbi_node *g = &p->g->node[cell->matrix_sinks[i].gradient];
        if (g->kind == CBI_D_STATE) {
            cell->matrix_sinks[i].gradient = cell->d_state_copy[g->index];
            p->outside[pass->map[cell->d_state_copy[g->index]]] = 1;
        }
    }
    for (size_t i = 0; i < cell->vector_sink_count; i++) {
        const cbi_node *g = &p->g->node[cell->vector_sinks[i].gradient];
        if (g->kind == CBI_D_STATE) {
            cell->vector_sinks[i].gradient = cell->d_state_copy[g->index];
            p->outside[pass->map[cell->d_state_copy[g->index]]] = 1;
        }
    }
    for (size_t i = 0; i < pass->product_count; i++) {
        cbi_product_call *c = &pass->product[i];
        const cbi_pass_node *operand = &pass->node[c->operand];
        if (operand->n.kind == CBI_D_STATE && pass->node[c->dst].phase == CBI_AFTER)
            c->operand = pass->map[cell->d_state_copy[operand->n.index]];
    }
}

/* What nobody reads any more (copies that were not needed) is not computed. */
static void drop_dead(cbi_planner *p) {
    cbi_pass *pass = p->pass;
    for (int changed = 1; changed;) {
        changed = 0;
        cbi_count_uses(p);
        for (size_t i = 0; i < pass->count; i++)
            if (!cbi_is_given(&pass->node[i]) && p->bound[i] == 0 && !p->outside[i]) {
                pass->node[i].home = CBI_HOME_DEAD;
                changed = 1;
            }
    }
}

/* The stage in which a node can run, given its inputs: products run before the program of their
 * stage, so an operand must come from an earlier one. */
static void visit_stage(cbi_planner *p, cbi_ref self, cbi_ref input, int is_operand) {
    cb_cell *cell = p->cell;
    cbi_pass_node *reader = &p->pass->node[self], *in = &p->pass->node[input];
    int stage = 0;
    if (!cbi_is_given(in) && in->phase == reader->phase)
        stage = in->stage + (is_operand ? 1 : 0);
    /* The shifted sequence of a delayed state is complete one stage after the state itself. */
    if (!p->backward && in->n.kind == CBI_STATE && !cell->states[in->n.index].recurrent) {
        const cbi_pass_node *next = &p->pass->node[p->pass->map[cell->states[in->n.index].next]];
        if (next->phase == reader->phase && reader->phase == CBI_BEFORE)
            stage = next->stage + 1;
    }
    if (stage > reader->stage)
        reader->stage = stage;
}

static void visit_latest(cbi_planner *p, cbi_ref self, cbi_ref input, int is_operand) {
    const cbi_pass_node *reader = &p->pass->node[self], *in = &p->pass->node[input];
    if (cbi_is_given(in) || in->phase != reader->phase)
        return;
    int latest = reader->stage - (is_operand ? 1 : 0);
    /* A base is read by the products of the stage. */
    if (reader->n.kind == CBI_AFFINE && !is_operand)
        latest = reader->stage - 1;
    if (p->bound[input] < 0 || latest < p->bound[input])
        p->bound[input] = latest;
}

static void set_stages(cbi_planner *p) {
    cb_cell *cell = p->cell;
    cbi_pass *pass = p->pass;
    for (size_t i = 0; i < pass->count; i++)
        if (!cbi_is_given(&pass->node[i]))
            pass->node[i].stage = pass->node[i].n.kind == CBI_AFFINE;
    /* Inputs stand before their readers, but for delayed states, whose equation may stand below
     * what reads them: repeated until nothing moves. */
    for (int changed = 1; changed;) {
        changed = 0;
        for (size_t i = 0; i < pass->count; i++) {
            int before = pass->node[i].stage;
            if (!cbi_is_given(&pass->node[i]))
                cbi_each_input(p, (cbi_ref)i, visit_stage);
            changed |= pass->node[i].stage != before;
        }
    }
    /* A base that grows in the same phase is ready before the products begin. */
    for (size_t i = 0; i < pass->count; i++)
        p->bound[i] = -1;
    for (size_t s = 0; !p->backward && s < cell->state_count; s++)
        if (!cell->states[s].recurrent) /* visit_stage relied on its stage */
            p->bound[pass->map[cell->states[s].next]] =
                pass->node[pass->map[cell->states[s].next]].stage;
    for (size_t i = pass->count; i-- > 0;) {
        cbi_pass_node *n = &pass->node[i];
        if (cbi_is_given(n))
            continue;
        /* As late as its readers allow, so that it lives in their strips. */
        if (n->n.kind != CBI_AFFINE && p->bound[i] > n->stage)
            n->stage = p->bound[i];
        cbi_each_input(p, (cbi_ref)i, visit_latest);
    }
}

/* What only sums over all steps read runs last, beside them. */
static void delay_sinks(cbi_planner *p) {
    cb_cell *cell = p->cell;
    cbi_pass *pass = p->pass;
    int last = 0;
    for (size_t i = 0; i < pass->count; i++)
        if (!cbi_is_given(&pass->node[i]) && pass->node[i].phase == CBI_AFTER &&
            pass->node[i].stage > last)
            last = pass->node[i].stage;
    for (size_t i = 0; p->backward && i < cell->vector_sink_count; i++) {
        cbi_ref ref = pass->map[cell->vector_sinks[i].gradient];
        cbi_pass_node *n = &pass->node[ref];
        if (!cbi_is_given(n) && n->phase == CBI_AFTER && n->n.kind == CBI_POINTWISE &&
            p->bound[ref] < 0)
            n->stage = last;
    }
}

void cbi_set_phases(cbi_planner *p) {
    choose_phases(p);
    if (p->backward)
        use_copies(p);
    drop_dead(p);
    set_stages(p);
    delay_sinks(p);
}
