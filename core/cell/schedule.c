/* SPDX-License-Identifier: MIT */
/*
 * Scheduling a pass: which nodes are needed and which depend on recurrent states (here), then sums
 * of products (gather.c), phases and stages (phases.c), what stands still (standstill.c), homes
 * (homes.c) and the lists of operations in the order in which the engine runs them (emit.c).
 */
#include "cell/planner.h"

#include <string.h>
#include "base/alloc.h"

cb_status cbi_plan_no_memory(cbi_planner *p) {
    return cb_fail(p->err, CB_ENOMEM, "%s: out of memory", p->cell->name);
}

/* Trivial to do again: one operand is a number (1 - z, 2*a). */
static int is_trivial(const cbi_planner *p, cbi_ref ref) {
    const cbi_node *n = &p->g->node[ref];
    if (n->kind != CBI_POINTWISE || n->op->arity != 2)
        return 0;
    static const char *const cheap[] = {"add", "sub", "mul", NULL};
    for (int i = 0; cheap[i]; i++)
        if (strcmp(cheap[i], n->op->name) == 0)
            return p->g->node[n->arg[0]].kind == CBI_NUMBER ||
                   p->g->node[n->arg[1]].kind == CBI_NUMBER;
    return 0;
}

/* Multiplied by a matrix whose gradient reads it again, when all steps of a block are done. */
static int is_operand_of_sink(const cb_cell *cell, cbi_ref ref) {
    for (size_t i = 0; i < cell->matrix_sink_count; i++)
        if (cell->matrix_sinks[i].operand == ref)
            return 1;
    return 0;
}

/* Belongs to this pass as a computation (leaves never do, but the clock's mask is computed). What
 * is kept for the gradient of a matrix is not done again in a strip, out of which it could not be
 * read.
 */
static int is_computed(const cbi_planner *p, cbi_ref ref) {
    const cbi_node *n = &p->g->node[ref];
    if (n->kind == CBI_CLOCK)
        return 1;
    if (n->kind < CBI_PRODUCT)
        return 0;
    return !p->backward || ref >= p->cell->forward_count ||
           (is_trivial(p, ref) && !is_operand_of_sink(p->cell, ref));
}

static void need(cbi_planner *p, cbi_ref ref) {
    if (ref != CBI_NONE && is_computed(p, ref))
        p->needed[ref] = 1;
}

static void need_external(cbi_planner *p, cbi_ref ref) {
    if (ref == CBI_NONE)
        return;
    need(p, ref);
    p->external[ref] = 1;
}

/* A value of the forward pass that leaves the cell. */
static void deliver(cbi_planner *p, cbi_ref ref) {
    need_external(p, ref);
    p->delivered[ref] = 1;
}

/* Marks what is needed; p->external holds the roots of a forward pass that the backward one reads.
 */
static void mark_needed(cbi_planner *p) {
    cb_cell *cell = p->cell;
    if (p->backward) {
        for (size_t s = 0; s < cell->state_count; s++)
            need_external(p, cell->d_state[s]);
        for (size_t r = 0; r < cell->read_count; r++)
            need_external(p, cell->d_lower[r]);
        need_external(p, cell->d_input);
        for (size_t i = 0; i < cell->matrix_sink_count; i++)
            need_external(p, cell->matrix_sinks[i].gradient);
        for (size_t i = 0; i < cell->vector_sink_count; i++)
            need_external(p, cell->vector_sinks[i].gradient);
        for (size_t s = 0; s < cell->state_count; s++)
            need(p, cell->d_state_copy[s]);
    } else {
        for (size_t s = 0; s < cell->state_count; s++)
            deliver(p, cell->states[s].next);
        deliver(p, cell->output);
        for (size_t e = 0; e < cell->export_count; e++)
            deliver(p, cell->exports[e].ref);
    }
    size_t end = p->backward ? p->total : cell->forward_count;
    for (size_t i = end; i-- > 0;) {
        if (!p->needed[i])
            continue;
        const cbi_node *n = &p->g->node[i];
        for (unsigned k = 0; k < cbi_node_arity(n); k++) {
            need(p, n->arg[k]);
            p->uses[n->arg[k]]++;
            p->user[n->arg[k]] = (cbi_ref)i;
        }
    }
}

/* What the backward pass reads of the forward one is kept. */
static void mark_kept(cbi_planner *forward, const cbi_planner *backward) {
    cb_cell *cell = forward->cell;
    for (size_t i = 0; i < backward->total; i++) {
        if (!backward->needed[i])
            continue;
        const cbi_node *n = &backward->g->node[i];
        for (unsigned k = 0; k < cbi_node_arity(n); k++)
            if (n->arg[k] < cell->forward_count && !backward->needed[n->arg[k]] &&
                n->kind != CBI_CLOCK && backward->g->node[n->arg[k]].kind >= CBI_PRODUCT)
                need_external(forward, n->arg[k]);
    }
    for (size_t i = 0; i < cell->matrix_sink_count; i++)
        if (cell->graph.node[cell->matrix_sinks[i].operand].kind >= CBI_PRODUCT)
            need_external(forward, cell->matrix_sinks[i].operand);
    /* A gradient can be a forward value itself (the derivative of a constant weight). */
    for (size_t i = 0; i < backward->total && i < cell->forward_count; i++)
        if (backward->external[i] && !backward->needed[i] &&
            cell->graph.node[i].kind >= CBI_PRODUCT)
            need_external(forward, (cbi_ref)i);
}

/* Which states are recurrent: all at first; a state whose next value reads no recurrent state is a
 * delayed sequence; repeated until nothing changes. */
static void find_recurrent_states(cb_cell *cell, unsigned char *mark) {
    for (size_t s = 0; s < cell->state_count; s++)
        cell->states[s].recurrent = 1;
    for (int changed = 1; changed;) {
        changed = 0;
        for (size_t i = 0; i < cell->forward_count; i++) {
            const cbi_node *n = &cell->graph.node[i];
            mark[i] = n->kind == CBI_STATE && cell->states[n->index].recurrent;
            for (unsigned k = 0; k < cbi_node_arity(n); k++)
                mark[i] |= mark[n->arg[k]];
        }
        for (size_t s = 0; s < cell->state_count; s++)
            if (cell->states[s].recurrent && !mark[cell->states[s].next]) {
                cell->states[s].recurrent = 0;
                changed = 1;
            }
    }
}

static void mark_recurrent(cbi_planner *p) {
    for (size_t i = 0; i < p->total; i++) {
        const cbi_node *n = &p->g->node[i];
        p->recurrent[i] = 0;
        if (p->backward)
            p->recurrent[i] = n->kind == CBI_D_STATE;
        else if (n->kind == CBI_STATE)
            p->recurrent[i] = (unsigned char)p->cell->states[n->index].recurrent;
        if (is_computed(p, (cbi_ref)i))
            for (unsigned k = 0; k < cbi_node_arity(n); k++)
                p->recurrent[i] |= p->recurrent[n->arg[k]];
    }
}

void cbi_each_input(cbi_planner *p, cbi_ref self,
                    void (*visit)(cbi_planner *p, cbi_ref self, cbi_ref input, int is_operand)) {
    const cbi_node *n = &p->pass->node[self].n;
    for (unsigned k = 0; k < cbi_node_arity(n); k++)
        visit(p, self, n->arg[k], 0);
    if (n->kind == CBI_AFFINE)
        for (size_t i = 0; i < p->pass->product_count; i++)
            if (p->pass->product[i].dst == self)
                visit(p, self, p->pass->product[i].operand, 1);
}

static void visit_count(cbi_planner *p, cbi_ref self, cbi_ref input, int is_operand) {
    (void)self, (void)is_operand;
    p->bound[input]++;
}

void cbi_count_uses(cbi_planner *p) {
    memset(p->bound, 0, p->pass->count * sizeof *p->bound);
    for (size_t i = 0; i < p->pass->count; i++)
        if (!cbi_is_given(&p->pass->node[i]))
            cbi_each_input(p, (cbi_ref)i, visit_count);
}

/* Nodes, and when each is computed. */
static cb_status plan_order(cbi_planner *p) {
    cbi_pass *pass = p->pass;
    pass->map = cbi_calloc(p->total, sizeof *pass->map);
    if (pass->map == NULL)
        return cbi_plan_no_memory(p);
    mark_recurrent(p);
    cbi_gather(p);
    if (pass->failed)
        return cbi_plan_no_memory(p);
    size_t n = pass->count + 1;
    p->outside = cbi_calloc(n, 3);
    p->bound = cbi_calloc(n, sizeof *p->bound);
    if (p->outside == NULL || p->bound == NULL)
        return cbi_plan_no_memory(p);
    p->depends = p->outside + n;
    p->feeds = p->outside + 2 * n;
    for (size_t i = 0; i < p->total; i++)
        if (p->external[i] && pass->map[i] != CBI_NONE)
            p->outside[pass->map[i]] = 1;
    cbi_set_phases(p);
    return cbi_make_stages(p);
}

/* Where each value lives, and what is run. */
static cb_status plan_lists(cbi_planner *p) {
    cbi_set_homes(p);
    return cbi_emit(p);
}

static cb_status planner_init(cbi_planner *p, cb_cell *cell, cbi_pass *pass, int backward,
                              cb_err *err) {
    size_t n = cell->graph.count;
    memset(p, 0, sizeof *p);
    p->cell = cell;
    p->g = &cell->graph;
    p->pass = pass;
    p->backward = backward;
    p->total = n;
    p->err = err;
    p->needed = cbi_calloc(n, 6);
    p->uses = cbi_calloc(n, sizeof *p->uses);
    p->user = cbi_calloc(n, sizeof *p->user);
    if (p->needed == NULL || p->uses == NULL || p->user == NULL)
        return cbi_plan_no_memory(p);
    p->external = p->needed + n;
    p->recurrent = p->needed + 2 * n;
    p->absorbed = p->needed + 3 * n;
    p->products = p->needed + 4 * n;
    p->delivered = p->needed + 5 * n;
    return CB_OK;
}

static void planner_fini(cbi_planner *p) {
    cbi_free(p->needed);
    cbi_free(p->uses);
    cbi_free(p->user);
    cbi_free(p->outside);
    cbi_free(p->bound);
}

cb_status cbi_schedule(cb_cell *cell, cb_err *err) {
    cbi_planner forward, backward;
    cb_status st = planner_init(&forward, cell, &cell->forward, 0, err);
    cb_status second = planner_init(&backward, cell, &cell->backward, 1, err);
    if (st != CB_OK || (st = second) != CB_OK)
        goto out;
    find_recurrent_states(cell, forward.recurrent);
    mark_needed(&backward);
    mark_kept(&forward, &backward);
    mark_needed(&forward);
    if ((st = plan_order(&forward)) != CB_OK || (st = plan_order(&backward)) != CB_OK)
        goto out;
    cbi_find_clock(cell);
    cbi_set_idle(&backward);
    cbi_set_idle(&forward);
    if ((st = plan_lists(&forward)) == CB_OK)
        st = plan_lists(&backward);
out:
    planner_fini(&forward);
    planner_fini(&backward);
    return st;
}

void cbi_pass_fini(cbi_pass *pass) {
    cbi_free(pass->node);
    for (int phase = 0; phase < CBI_PHASES; phase++)
        cbi_free(pass->stage[phase]);
    cbi_free(pass->product);
    cbi_free(pass->instr);
    cbi_free(pass->map);
    memset(pass, 0, sizeof *pass);
}
