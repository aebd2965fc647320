/* SPDX-License-Identifier: MIT */
/*
 * Units that stand still: what each node of a pass is for a unit that its clock does not update.
 *
 * Numbers go down the graph: the clock itself is 0 there, and so is what is multiplied by it. Not
 * being read goes up: clock(periods, new, old) does not read `new`, so nor do those that only `new`
 * reads need what they read. Whoever runs over all units (a sum over a row, a program outside the
 * loop, a product) reads the others as well. The backward pass comes first: what it reads of the
 * forward one decides what has to be there.
 *
 * A number is taken for what it is times anything, so an infinite value that stands still is not
 * noticed.
 */
#include "cell/planner.h"

#include <string.h>

void cbi_find_clock(cb_cell *cell) {
    const cbi_node *found = NULL;
    int several = 0;
    for (size_t i = 0; i < cell->graph.count; i++) {
        const cbi_node *n = &cell->graph.node[i];
        if (n->kind != CBI_CLOCK)
            continue;
        several |= found != NULL && (found->index != n->index || found->dim != n->dim);
        found = n;
    }
    cell->clock = found && !several ? &cell->lists[found->index] : NULL;
    cell->clock_dim = cell->clock ? found->dim : 0;
}

/* ---- known numbers ---- */

static int number_of(const cbi_pass *pass, cbi_ref ref, double *number) {
    const cbi_pass_node *n = &pass->node[ref];
    *number = n->n.kind == CBI_NUMBER ? n->n.number : n->idle_number;
    return n->n.kind == CBI_NUMBER || n->idle == CBI_IDLE_NUMBER;
}

static int is_op(const char *op, const char *name) {
    return strcmp(op, name) == 0;
}

/* An operation all of whose arguments are numbers; or zero times something; or a choice that is
 * made. */
static int is_number(const cbi_pass *pass, const cbi_node *n, double *number) {
    double arg[3] = {0, 0, 0};
    unsigned known = 0;
    int has_zero = 0;
    for (unsigned k = 0; k < n->op->arity; k++)
        if (number_of(pass, n->arg[k], &arg[k])) {
            known++;
            has_zero |= arg[k] == 0;
        }
    *number = 0;
    if (is_op(n->op->name, "mul") && has_zero)
        return 1;
    if (is_op(n->op->name, "select") && number_of(pass, n->arg[0], &arg[0]))
        return number_of(pass, n->arg[arg[0] != 0 ? 1 : 2], number);
    if (known < n->op->arity)
        return 0;
    *number = n->op->value(arg[0], arg[1], arg[2]) + 0.0; /* one zero */
    return 1;
}

static void find_numbers(cbi_planner *p) {
    cbi_pass *pass = p->pass;
    for (size_t i = 0; i < pass->count; i++) {
        cbi_pass_node *n = &pass->node[i];
        double number = 0;
        if (cbi_is_given(n) || n->n.dim != p->cell->clock_dim)
            continue;
        if (n->n.kind == CBI_CLOCK ||
            (n->n.kind == CBI_POINTWISE && is_number(pass, &n->n, &number))) {
            n->idle = CBI_IDLE_NUMBER;
            n->idle_number = number;
        }
    }
}

/* ---- programs that can run over some columns alone ---- */

static int is_separable(const cbi_planner *p, const cbi_node *n) {
    const size_t dim = p->cell->clock_dim;
    if (n->dim != dim || (n->kind != CBI_POINTWISE && n->kind != CBI_CLOCK))
        return 0;
    for (unsigned k = 0; k < cbi_node_arity(n); k++) {
        const cbi_node *arg = &p->pass->node[n->arg[k]].n;
        if (arg->dim != dim && arg->kind != CBI_NUMBER && arg->kind != CBI_VECTOR)
            return 0;
    }
    return 1;
}

/* Stages of the loop with clocked values, and no others. */
static void find_stages(cbi_planner *p) {
    cbi_pass *pass = p->pass;
    for (size_t i = 0; i < pass->count; i++) {
        const cbi_pass_node *n = &pass->node[i];
        if (!cbi_is_given(n) && n->phase == CBI_LOOP && n->n.kind != CBI_AFFINE)
            pass->stage[CBI_LOOP][n->stage].has_idle = 1;
    }
    for (size_t i = 0; i < pass->count; i++) {
        const cbi_pass_node *n = &pass->node[i];
        if (!cbi_is_given(n) && n->phase == CBI_LOOP && n->n.kind != CBI_AFFINE &&
            !is_separable(p, &n->n))
            pass->stage[CBI_LOOP][n->stage].has_idle = 0;
    }
}

/* Whether a node is computed by a program that leaves out the units that stand still. */
static int is_left_out(const cbi_pass *pass, const cbi_pass_node *n) {
    return n->phase == CBI_LOOP && n->n.kind != CBI_AFFINE &&
           pass->stage[CBI_LOOP][n->stage].has_idle;
}

/* ---- what is read ---- */

static int reads_idle(const cbi_pass *pass, const cbi_pass_node *reader, unsigned k) {
    double mask;
    if (reader->n.kind == CBI_AFFINE)
        return reader->idle != CBI_IDLE_UNREAD;
    if (reader->n.kind != CBI_POINTWISE)
        return 1;
    if (!is_left_out(pass, reader))
        return reader->idle != CBI_IDLE_UNREAD;
    if (reader->idle != CBI_IDLE_COMPUTED)
        return 0;
    return !(is_op(reader->n.op->name, "select") && k == 1 &&
             number_of(pass, reader->n.arg[0], &mask) && mask == 0);
}

static void read_everywhere(cbi_pass *pass, cbi_ref ref) {
    pass->node[ref].is_read_idle = pass->node[ref].is_spelt = 1;
}

static void read_from_outside(cbi_planner *p, const unsigned char *by_whom) {
    for (size_t i = 0; i < p->total; i++)
        if (by_whom[i] && p->pass->map[i] != CBI_NONE)
            read_everywhere(p->pass, p->pass->map[i]);
}

static void read_from_backward(cbi_planner *p) {
    const cb_cell *cell = p->cell;
    const cbi_pass *backward = &cell->backward;
    for (size_t i = 0; i < backward->count; i++)
        if (backward->node[i].n.kind == CBI_KEPT && backward->node[i].is_read_idle)
            read_everywhere(p->pass, backward->node[i].n.index);
}

static void read_from_sinks(cbi_planner *p) {
    const cb_cell *cell = p->cell;
    cbi_pass *pass = p->pass;
    for (size_t i = 0; i < cell->matrix_sink_count; i++) {
        read_everywhere(pass, pass->map[cell->matrix_sinks[i].operand]);
        read_everywhere(pass, pass->map[cell->matrix_sinks[i].gradient]);
    }
    for (size_t i = 0; i < cell->vector_sink_count; i++)
        read_everywhere(pass, pass->map[cell->vector_sinks[i].gradient]);
}

static void visit_read(cbi_planner *p, cbi_ref self, cbi_ref input, int is_operand) {
    const cbi_pass_node *reader = &p->pass->node[self];
    cbi_pass_node *in = &p->pass->node[input];
    int reads = is_operand;
    for (unsigned k = 0; !is_operand && k < cbi_node_arity(&reader->n); k++)
        reads |= reader->n.arg[k] == input && reads_idle(p->pass, reader, k);
    in->is_read_idle |= reads;
    /* Products leave out zeros; outside the loop only where that pays. */
    in->is_spelt |= is_operand ? reader->phase != CBI_LOOP || in->idle_number != 0
                               : !is_left_out(p->pass, reader);
}

/* At first nothing is read that need not be; what is read after all is found step by step, since a
 * reader may stand before what it reads (a copy, phases.c). */
static void find_unread(cbi_planner *p) {
    cbi_pass *pass = p->pass;
    for (size_t i = 0; i < pass->count; i++) {
        cbi_pass_node *n = &pass->node[i];
        if (!cbi_is_given(n) && n->idle == CBI_IDLE_COMPUTED && n->n.dim == p->cell->clock_dim &&
            (n->n.kind == CBI_AFFINE || n->n.kind == CBI_POINTWISE))
            n->idle = CBI_IDLE_UNREAD;
    }
    for (int missed = 1; missed;) {
        for (size_t i = pass->count; i-- > 0;) {
            cbi_pass_node *n = &pass->node[i];
            if (cbi_is_given(n))
                continue;
            if (n->idle == CBI_IDLE_UNREAD && n->is_read_idle)
                n->idle = CBI_IDLE_COMPUTED;
            cbi_each_input(p, (cbi_ref)i, visit_read);
        }
        missed = 0;
        for (size_t i = 0; i < pass->count; i++)
            missed |= pass->node[i].idle == CBI_IDLE_UNREAD && pass->node[i].is_read_idle;
    }
}

void cbi_set_idle(cbi_planner *p) {
    const cb_cell *cell = p->cell;
    if (cell->clock == NULL)
        return;
    find_stages(p);
    find_numbers(p);
    if (p->backward) {
        read_from_outside(p, p->external);
        read_from_sinks(p);
    } else {
        read_from_outside(p, p->delivered);
        read_from_backward(p);
    }
    find_unread(p);
}

/* ---- what is left to do ---- */

/* Whether a list says the same with and without the units that stand still. */
static int is_as_always(const cbi_pass *pass, const cbi_instr *in) {
    double number;
    for (int k = 0; k < 3 && in->src[k] != CBI_NONE; k++)
        if (pass->node[in->src[k]].n.kind != CBI_NUMBER && number_of(pass, in->src[k], &number))
            return 0;
    return pass->node[in->dst].idle == CBI_IDLE_COMPUTED;
}

int cbi_has_idle(const cbi_pass *pass, const cbi_stage *stage) {
    for (size_t i = 0; i < stage->instrs; i++)
        if (!is_as_always(pass, &pass->instr[stage->first_instr + i]))
            return 1;
    return 0;
}

static int copies(cbi_instr *out, cbi_ref from) {
    out->op = "copy";
    out->src[0] = from;
    out->src[1] = out->src[2] = CBI_NONE;
    return 1;
}

static void adds(cbi_instr *out, const char *op, cbi_ref a, cbi_ref b) {
    out->op = op;
    out->src[0] = a;
    out->src[1] = b;
    out->src[2] = CBI_NONE;
}

/* With factors of which one is a number: the sum c + a*b, or c - a*b. */
static int without_factor(const cbi_pass *pass, const cbi_instr *in, cbi_instr *out) {
    for (int k = 0; k < 2; k++) {
        double factor;
        if (!number_of(pass, in->src[k], &factor))
            continue;
        if (factor == 0)
            return copies(out, in->src[2]);
        if (factor == 1) {
            if (is_op(in->op, "fma"))
                adds(out, "add", in->src[1 - k], in->src[2]);
            else
                adds(out, "sub", in->src[2], in->src[1 - k]);
            return 1;
        }
    }
    return 1;
}

int cbi_idle_instr(const cbi_pass *pass, const cbi_instr *in, cbi_instr *out) {
    const cbi_pass_node *dst = &pass->node[in->dst];
    double number;
    *out = *in;
    if (dst->idle == CBI_IDLE_UNREAD)
        return 0;
    if (dst->idle == CBI_IDLE_NUMBER) {
        out->kind = CBI_POINTWISE;
        return dst->is_spelt && dst->home > CBI_HOME_STRIP ? copies(out, in->dst) : 0;
    }
    if (is_op(in->op, "select") && number_of(pass, in->src[0], &number))
        return copies(out, in->src[number != 0 ? 1 : 2]);
    if (is_op(in->op, "fma") || is_op(in->op, "fnma"))
        return without_factor(pass, in, out);
    for (int k = 0; k < 2 && in->src[k] != CBI_NONE; k++)
        if (number_of(pass, in->src[k], &number) && in->src[1 - k] != CBI_NONE &&
            ((number == 1 && is_op(in->op, "mul")) ||
             (number == 0 && (is_op(in->op, "add") || (is_op(in->op, "sub") && k == 1)))))
            return copies(out, in->src[1 - k]);
    return 1;
}
