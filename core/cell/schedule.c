/* SPDX-License-Identifier: MIT */
/*
 * Scheduling a pass, in this order: which nodes are needed; which depend on recurrent states; sums
 * of products are gathered (affine.c's part is below, "gather"); phases; stages; homes; and the
 * lists of products and pointwise operations in the order in which the engine runs them.
 */
#include "cell/cell_internal.h"

#include <string.h>

#include "base/alloc.h"

typedef struct planner {
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
    uint32_t *uses;
    cbi_ref *user; /* of the last use */
    cb_err *err;
} planner;

static cb_status no_memory(planner *p) {
    return cb_fail(p->err, CB_ENOMEM, "%s: out of memory", p->cell->name);
}

/* Trivial to do again: one operand is a number (1 - z, 2*a). */
static int is_trivial(const planner *p, cbi_ref ref) {
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

/* Belongs to this pass as a computation (leaves never do, but the clock's mask is computed). */
static int is_computed(const planner *p, cbi_ref ref) {
    const cbi_node *n = &p->g->node[ref];
    if (n->kind == CBI_CLOCK)
        return 1;
    if (n->kind < CBI_PRODUCT)
        return 0;
    return !p->backward || ref >= p->cell->forward_count || is_trivial(p, ref);
}

static void need(planner *p, cbi_ref ref) {
    if (ref != CBI_NONE && is_computed(p, ref))
        p->needed[ref] = 1;
}

static void need_external(planner *p, cbi_ref ref) {
    if (ref == CBI_NONE)
        return;
    need(p, ref);
    p->external[ref] = 1;
}

/* Marks what is needed; p->external holds the roots of a forward pass that the backward one reads.
 */
static void mark_needed(planner *p) {
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
            need_external(p, cell->states[s].next);
        need_external(p, cell->output);
        for (size_t e = 0; e < cell->export_count; e++)
            need_external(p, cell->exports[e].ref);
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
static void mark_kept(planner *forward, const planner *backward) {
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

static void mark_recurrent(planner *p) {
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

/* ---- gathering sums of products ---- */

static int is_add(const cbi_node *n) {
    return n->kind == CBI_POINTWISE && strcmp(n->op->name, "add") == 0;
}

static int is_product(const cbi_node *n) {
    return n->kind == CBI_PRODUCT || n->kind == CBI_PRODUCT_T;
}

static void find_sums(planner *p) {
    for (size_t i = 0; i < p->total; i++) {
        const cbi_node *n = &p->g->node[i];
        if (!p->needed[i] || !(is_add(n) || is_product(n)))
            continue;
        p->products[i] = (unsigned char)is_product(n);
        for (unsigned k = 0; is_add(n) && k < 2; k++)
            p->products[i] |= p->absorbed[n->arg[k]];
        const cbi_node *user = &p->g->node[p->user[i]];
        p->absorbed[i] = p->products[i] && p->uses[i] == 1 && !p->external[i] && is_add(user) &&
                         user->dim == n->dim;
    }
}

static cbi_ref append(planner *p, const cbi_node *n) {
    cbi_pass *pass = p->pass;
    if (pass->failed || cbi_grow((void **)&pass->node, &pass->capacity, pass->count + 1,
                                 sizeof *pass->node) != CB_OK) {
        pass->failed = 1;
        return 0;
    }
    cbi_pass_node *node = &pass->node[pass->count];
    memset(node, 0, sizeof *node);
    node->n = *n;
    node->phase = -1;
    node->storage = (cbi_ref)pass->count;
    return (cbi_ref)pass->count++;
}

/* The node of the pass that stands for a node of the cell's graph. */
static cbi_ref mapped(planner *p, cbi_ref ref) {
    cbi_pass *pass = p->pass;
    if (pass->map[ref] != CBI_NONE)
        return pass->map[ref];
    cbi_node n = p->g->node[ref];
    if (p->backward && ref < p->cell->forward_count && n.kind >= CBI_PRODUCT) {
        n.kind = CBI_KEPT;
        n.index = p->cell->forward.map[ref];
    }
    cbi_ref made = append(p, &n);
    if (!pass->failed) /* else there may be no node at all */
        pass->node[made].home = CBI_HOME_LEAF;
    return pass->map[ref] = made;
}

static void add_product(planner *p, cbi_ref dst, cbi_ref base, cbi_ref product, int first) {
    cbi_pass *pass = p->pass;
    const cbi_node n = p->g->node[product];
    cbi_ref operand = mapped(p, n.arg[0]);
    if (cbi_grow((void **)&pass->product, &pass->product_capacity, pass->product_count + 1,
                 sizeof *pass->product) != CB_OK) {
        pass->failed = 1;
        return;
    }
    pass->product[pass->product_count++] =
        (cbi_product_call){dst, base, operand, n.index, n.kind == CBI_PRODUCT_T, first};
}

typedef struct sum {
    cbi_ref leaf[256];
    size_t count;
    int overflow;
} sum;

static void collect(planner *p, cbi_ref ref, sum *out) {
    const cbi_node *n = &p->g->node[ref];
    if (!is_add(n)) {
        if (out->count == sizeof out->leaf / sizeof *out->leaf)
            out->overflow = 1;
        else
            out->leaf[out->count++] = ref;
        return;
    }
    for (unsigned k = 0; k < 2; k++) {
        if (p->absorbed[n->arg[k]]) {
            collect(p, n->arg[k], out);
        } else if (out->count == sizeof out->leaf / sizeof *out->leaf) {
            out->overflow = 1;
        } else {
            out->leaf[out->count++] = n->arg[k];
        }
    }
}

/* AFFINE with the products of one class (recurrent or not) in a sum; CBI_NONE if it has none. */
static cbi_ref gather_class(planner *p, const sum *s, size_t dim, cbi_ref base, int recurrent) {
    cbi_ref affine = CBI_NONE;
    for (size_t i = 0; i < s->count; i++) {
        cbi_ref leaf = s->leaf[i];
        if (!is_product(&p->g->node[leaf]) || !(p->absorbed[leaf] || s->count == 1) ||
            p->recurrent[leaf] != recurrent)
            continue;
        mapped(p, p->g->node[leaf].arg[0]); /* operands stand before the sum */
        int first = affine == CBI_NONE;
        if (first) {
            cbi_node n = {.kind = CBI_AFFINE, .dim = dim, .arg = {base}};
            affine = append(p, &n);
        }
        add_product(p, affine, base, leaf, first);
    }
    return affine;
}

static cbi_ref gather(planner *p, cbi_ref root) {
    sum s = {.count = 0};
    size_t dim = p->g->node[root].dim;
    collect(p, root, &s);
    if (s.overflow)
        p->pass->failed = 1;
    cbi_ref base = CBI_NONE;
    size_t base_leaf = s.count;
    for (size_t i = 0; i < s.count && base == CBI_NONE; i++)
        if (p->g->node[s.leaf[i]].kind == CBI_VECTOR && p->g->node[s.leaf[i]].dim == dim) {
            base = mapped(p, s.leaf[i]);
            base_leaf = i;
        }
    for (size_t i = 0; i < s.count; i++)
        if (is_product(&p->g->node[s.leaf[i]]))
            mapped(p, p->g->node[s.leaf[i]].arg[0]);
    cbi_ref still = gather_class(p, &s, dim, base, 0);
    cbi_ref moving = gather_class(p, &s, dim, still != CBI_NONE ? still : base, 1);
    cbi_ref value = moving != CBI_NONE ? moving : still;
    for (size_t i = 0; i < s.count; i++) {
        int gathered =
            is_product(&p->g->node[s.leaf[i]]) && (p->absorbed[s.leaf[i]] || s.count == 1);
        if (gathered || i == base_leaf)
            continue;
        cbi_node n = {.kind = CBI_POINTWISE,
                      .dim = dim,
                      .op = cbi_op_find("add"),
                      .arg = {value, mapped(p, s.leaf[i])}};
        value = append(p, &n);
    }
    return value;
}

static void translate(planner *p) {
    cb_cell *cell = p->cell;
    for (size_t i = 0; i < p->total; i++)
        p->pass->map[i] = CBI_NONE;
    for (size_t i = 0; i < p->total; i++) {
        if (!p->needed[i] || p->absorbed[i])
            continue;
        if (p->products[i]) {
            p->pass->map[i] = gather(p, (cbi_ref)i);
            continue;
        }
        cbi_node n = p->g->node[i];
        for (unsigned k = 0; k < cbi_node_arity(&n); k++)
            n.arg[k] = mapped(p, n.arg[k]);
        p->pass->map[i] = append(p, &n);
    }
    /* Leaves that only sinks and products outside the pass read. */
    for (size_t i = 0; p->backward && i < cell->matrix_sink_count; i++) {
        mapped(p, cell->matrix_sinks[i].gradient);
        mapped(p, cell->matrix_sinks[i].operand);
    }
    for (size_t i = 0; p->backward && i < cell->vector_sink_count; i++)
        mapped(p, cell->vector_sinks[i].gradient);
}

/* ---- phases and stages ---- */

/* Given, or found to be read by nobody. */
static int is_leaf(const cbi_pass_node *n) {
    return n->home == CBI_HOME_LEAF || n->home == CBI_HOME_DEAD;
}

/* Calls visit for each node that a node of the pass reads. */
static void each_input(const cbi_pass *pass, cbi_ref ref, void *context,
                       void (*visit)(void *context, cbi_ref input, int is_operand)) {
    const cbi_node *n = &pass->node[ref].n;
    for (unsigned k = 0; k < cbi_node_arity(n); k++)
        visit(context, n->arg[k], 0);
    if (n->kind == CBI_AFFINE)
        for (size_t i = 0; i < pass->product_count; i++)
            if (pass->product[i].dst == ref)
                visit(context, pass->product[i].operand, 1);
}

typedef struct flags {
    planner *p;
    cbi_ref self;
    unsigned char *depends, *feeds;
    int *bound;
} flags;

static void visit_depends(void *context, cbi_ref input, int is_operand) {
    flags *f = context;
    (void)is_operand;
    f->depends[f->self] |= f->depends[input];
}

static void visit_feeds(void *context, cbi_ref input, int is_operand) {
    flags *f = context;
    (void)is_operand;
    f->feeds[input] |= f->feeds[f->self];
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

static void visit_bound(void *context, cbi_ref input, int is_operand) {
    flags *f = context;
    int phase = f->p->pass->node[f->self].phase;
    /* Bits: in which phases a value is used; bit 3: as operand of a product, or as a base. */
    f->bound[input] |= 1 << phase;
    if (is_operand || f->p->pass->node[f->self].n.kind == CBI_AFFINE)
        f->bound[input] |= 8;
}

/* Cheap operations before the loop whose results are read only in it are done in it: they cost the
 * same there, and their results need not be stored. */
static void sink_cheap(planner *p, flags *f, const unsigned char *outside) {
    cbi_pass *pass = p->pass;
    for (size_t i = pass->count; i-- > 0;) {
        cbi_pass_node *n = &pass->node[i];
        if (is_leaf(n) || n->phase < 0)
            continue;
        if (n->phase == CBI_BEFORE && !outside[i] && is_cheap(&n->n) &&
            f->bound[i] == 1 << CBI_LOOP)
            n->phase = CBI_LOOP;
        f->self = (cbi_ref)i;
        each_input(pass, (cbi_ref)i, f, visit_bound);
    }
}

static void set_phases(planner *p, flags *f, const unsigned char *outside) {
    cb_cell *cell = p->cell;
    cbi_pass *pass = p->pass;
    for (size_t s = 0; s < cell->state_count; s++) {
        cbi_ref carry = p->backward ? cell->d_state[s] : cell->states[s].next;
        int carries = p->backward || (cell->states[s].recurrent && state_is_read(cell, s));
        if (carry != CBI_NONE && carries)
            f->feeds[pass->map[carry]] = 1;
        if (p->backward && pass->map[cell->d_state_copy[s]] != CBI_NONE)
            f->feeds[pass->map[cell->d_state_copy[s]]] = 1;
    }
    for (size_t i = 0; i < pass->count; i++) {
        const cbi_node *n = &pass->node[i].n;
        f->self = (cbi_ref)i;
        if (is_leaf(&pass->node[i]))
            f->depends[i] = p->backward ? n->kind == CBI_D_STATE
                                        : n->kind == CBI_STATE && cell->states[n->index].recurrent;
        else
            each_input(pass, (cbi_ref)i, f, visit_depends);
    }
    for (size_t i = pass->count; i-- > 0;) {
        f->self = (cbi_ref)i;
        if (!is_leaf(&pass->node[i]))
            each_input(pass, (cbi_ref)i, f, visit_feeds);
    }
    for (size_t i = 0; i < pass->count; i++)
        if (!is_leaf(&pass->node[i]))
            pass->node[i].phase = !f->depends[i] ? CBI_BEFORE : f->feeds[i] ? CBI_LOOP : CBI_AFTER;
    /* What is handed to the step before is written step by step, whatever it depends on. */
    for (size_t s = 0; p->backward && s < cell->state_count; s++)
        if (cell->d_state[s] != CBI_NONE)
            pass->node[pass->map[cell->d_state[s]]].phase = CBI_LOOP;
    sink_cheap(p, f, outside);
}

/* After the loop the gradient that arrived from the step after is gone: its copy is read instead.
 */
static void use_copies(planner *p, unsigned char *outside) {
    cb_cell *cell = p->cell;
    cbi_pass *pass = p->pass;
    for (size_t i = 0; i < pass->count; i++) {
        cbi_pass_node *n = &pass->node[i];
        if (is_leaf(n) || n->phase != CBI_AFTER)
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
            outside[pass->map[cell->d_state_copy[g->index]]] = 1;
        }
    }
    for (size_t i = 0; i < cell->vector_sink_count; i++) {
        const cbi_node *g = &p->g->node[cell->vector_sinks[i].gradient];
        if (g->kind == CBI_D_STATE) {
            cell->vector_sinks[i].gradient = cell->d_state_copy[g->index];
            outside[pass->map[cell->d_state_copy[g->index]]] = 1;
        }
    }
    for (size_t i = 0; i < pass->product_count; i++) {
        cbi_product_call *c = &pass->product[i];
        const cbi_pass_node *operand = &pass->node[c->operand];
        if (operand->n.kind == CBI_D_STATE && pass->node[c->dst].phase == CBI_AFTER)
            c->operand = pass->map[cell->d_state_copy[operand->n.index]];
    }
}

static void visit_count(void *context, cbi_ref input, int is_operand) {
    flags *f = context;
    (void)is_operand;
    f->bound[input]++;
}

static void count_uses(planner *p, flags *f) {
    memset(f->bound, 0, p->pass->count * sizeof *f->bound);
    for (size_t i = 0; i < p->pass->count; i++) {
        f->self = (cbi_ref)i;
        if (!is_leaf(&p->pass->node[i]))
            each_input(p->pass, (cbi_ref)i, f, visit_count);
    }
}

/* What nobody reads any more (copies that were not needed) is not computed. */
static void drop_dead(planner *p, flags *f, const unsigned char *outside) {
    cbi_pass *pass = p->pass;
    for (int changed = 1; changed;) {
        changed = 0;
        count_uses(p, f);
        for (size_t i = 0; i < pass->count; i++)
            if (!is_leaf(&pass->node[i]) && f->bound[i] == 0 && !outside[i]) {
                pass->node[i].home = CBI_HOME_DEAD;
                changed = 1;
            }
    }
}

/* The stage in which a node can run, given its inputs: products run before the program of their
 * stage, so an operand must come from an earlier one. */
static void visit_stage(void *context, cbi_ref input, int is_operand) {
    flags *f = context;
    cb_cell *cell = f->p->cell;
    cbi_pass_node *self = &f->p->pass->node[f->self], *in = &f->p->pass->node[input];
    int stage = 0;
    if (!is_leaf(in) && in->phase == self->phase)
        stage = in->stage + (is_operand ? 1 : 0);
    /* The shifted sequence of a delayed state is complete one stage after the state itself. */
    if (!f->p->backward && in->n.kind == CBI_STATE && !cell->states[in->n.index].recurrent) {
        const cbi_pass_node *next =
            &f->p->pass->node[f->p->pass->map[cell->states[in->n.index].next]];
        if (next->phase == self->phase && self->phase == CBI_BEFORE)
            stage = next->stage + 1;
    }
    if (stage > self->stage)
        self->stage = stage;
}

static void visit_latest(void *context, cbi_ref input, int is_operand) {
    flags *f = context;
    const cbi_pass_node *self = &f->p->pass->node[f->self], *in = &f->p->pass->node[input];
    if (is_leaf(in) || in->phase != self->phase)
        return;
    int latest = self->stage - (is_operand ? 1 : 0);
    /* A base is read by the products of the stage. */
    if (self->n.kind == CBI_AFFINE && !is_operand)
        latest = self->stage - 1;
    if (f->bound[input] < 0 || latest < f->bound[input])
        f->bound[input] = latest;
}

static void set_stages(planner *p, flags *f) {
    cb_cell *cell = p->cell;
    cbi_pass *pass = p->pass;
    for (size_t i = 0; i < pass->count; i++) {
        cbi_pass_node *n = &pass->node[i];
        if (is_leaf(n))
            continue;
        n->stage = n->n.kind == CBI_AFFINE;
        f->self = (cbi_ref)i;
        each_input(pass, (cbi_ref)i, f, visit_stage);
    }
    /* A base that grows in the same phase is ready before the products begin. */
    for (size_t i = 0; i < pass->count; i++)
        f->bound[i] = -1;
    for (size_t s = 0; !p->backward && s < cell->state_count; s++)
        if (!cell->states[s].recurrent) /* visit_stage relied on its stage */
            f->bound[pass->map[cell->states[s].next]] =
                pass->node[pass->map[cell->states[s].next]].stage;
    for (size_t i = pass->count; i-- > 0;) {
        cbi_pass_node *n = &pass->node[i];
        if (is_leaf(n))
            continue;
        /* As late as its readers allow, so that it lives in their strips. */
        if (n->n.kind != CBI_AFFINE && f->bound[i] > n->stage)
            n->stage = f->bound[i];
        f->self = (cbi_ref)i;
        each_input(pass, (cbi_ref)i, f, visit_latest);
    }
}

/* What only sums over all steps read runs last, beside them. */
static void delay_sinks(planner *p, const flags *f) {
    cb_cell *cell = p->cell;
    cbi_pass *pass = p->pass;
    int last = 0;
    for (size_t i = 0; i < pass->count; i++)
        if (!is_leaf(&pass->node[i]) && pass->node[i].phase == CBI_AFTER &&
            pass->node[i].stage > last)
            last = pass->node[i].stage;
    for (size_t i = 0; p->backward && i < cell->vector_sink_count; i++) {
        cbi_ref ref = pass->map[cell->vector_sinks[i].gradient];
        cbi_pass_node *n = &pass->node[ref];
        if (!is_leaf(n) && n->phase == CBI_AFTER && n->n.kind == CBI_POINTWISE && f->bound[ref] < 0)
            n->stage = last;
    }
}

/* ---- homes ---- */

static void visit_home(void *context, cbi_ref input, int is_operand) {
    flags *f = context;
    cbi_pass_node *self = &f->p->pass->node[f->self], *in = &f->p->pass->node[input];
    cbi_home home = CBI_HOME_STRIP;
    if (is_leaf(in))
        return;
    if (in->phase != self->phase)
        home = CBI_HOME_BLOCK;
    else if (is_operand || in->stage != self->stage || self->n.kind == CBI_AFFINE)
        home = self->phase == CBI_LOOP ? CBI_HOME_STEP : CBI_HOME_BLOCK;
    if (home > in->home)
        in->home = home;
}

static void raise_home(cbi_pass *pass, cbi_ref ref, cbi_home home) {
    if (!is_leaf(&pass->node[ref]) && pass->node[ref].home < home)
        pass->node[ref].home = home;
}

static void set_homes(planner *p, flags *f) {
    cb_cell *cell = p->cell;
    cbi_pass *pass = p->pass;
    for (size_t i = 0; i < pass->count; i++) {
        cbi_pass_node *n = &pass->node[i];
        if (is_leaf(n))
            continue;
        cbi_home least = n->phase == CBI_LOOP ? CBI_HOME_STEP : CBI_HOME_BLOCK;
        raise_home(pass, (cbi_ref)i, n->n.kind == CBI_AFFINE ? least : CBI_HOME_STRIP);
        f->self = (cbi_ref)i;
        each_input(pass, (cbi_ref)i, f, visit_home);
    }
    if (!p->backward) {
        for (size_t i = 0; i < cell->forward_count; i++)
            if (p->external[i] && p->needed[i])
                raise_home(pass, pass->map[i], CBI_HOME_SEQUENCE);
    } else {
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
    for (size_t i = 0; i < pass->count; i++) {
        cbi_pass_node *n = &pass->node[i];
        if (n->n.kind != CBI_AFFINE || n->n.arg[0] == CBI_NONE || n->home > CBI_HOME_BLOCK)
            continue;
        cbi_pass_node *base = &pass->node[n->n.arg[0]];
        if (!is_leaf(base) && base->home == CBI_HOME_BLOCK && f->bound[n->n.arg[0]] == 1) {
            n->home = CBI_HOME_BLOCK;
            n->storage = n->n.arg[0];
        }
    }
}

/* ---- lists in running order ---- */

static void emit(planner *p, const cbi_instr *instr) {
    cbi_pass *pass = p->pass;
    if (cbi_grow((void **)&pass->instr, &pass->instr_capacity, pass->instr_count + 1,
                 sizeof *pass->instr) != CB_OK)
        pass->failed = 1;
    else
        pass->instr[pass->instr_count++] = *instr;
}

/* A node that can be done inside its only reader. */
static int can_join(const planner *p, const flags *f, cbi_ref reader, cbi_ref ref, const char *op) {
    const cbi_pass_node *n = &p->pass->node[ref], *r = &p->pass->node[reader];
    return n->home == CBI_HOME_STRIP && f->bound[ref] == 1 && n->n.kind == CBI_POINTWISE &&
           strcmp(n->n.op->name, op) == 0 && n->phase == r->phase && n->stage == r->stage &&
           n->n.dim == r->n.dim;
}

static int is_one(const cbi_pass *pass, cbi_ref ref) {
    return pass->node[ref].n.kind == CBI_NUMBER && pass->node[ref].n.number == 1;
}

/* 1 - y with its argument of the reader's dimension. */
static int is_one_minus(const planner *p, const flags *f, cbi_ref reader, cbi_ref ref, cbi_ref *y) {
    if (!can_join(p, f, reader, ref, "sub") || !is_one(p->pass, p->pass->node[ref].n.arg[0]))
        return 0;
    *y = p->pass->node[ref].n.arg[1];
    return 1;
}

static int same_dim(const cbi_pass *pass, cbi_ref a, size_t dim) {
    return pass->node[a].n.dim == dim;
}

/* An operation found to stand for several nodes; `inner` are done inside it. */
typedef struct joined {
    cbi_instr instr;
    cbi_ref inner[2];
} joined;

/* g * (y * (1 - y)) and g * (1 - y*y). */
static int find_derivative(const planner *p, const flags *f, cbi_ref ref, joined *out) {
    const cbi_pass *pass = p->pass;
    const cbi_node *n = &pass->node[ref].n;
    if (n->kind != CBI_POINTWISE || strcmp(n->op->name, "mul") != 0)
        return 0;
    for (unsigned k = 0; k < 2; k++) {
        cbi_ref g = n->arg[1 - k], part = n->arg[k], y;
        if (!same_dim(pass, g, n->dim))
            continue;
        const cbi_node *m = &pass->node[part].n;
        for (unsigned j = 0; j < 2 && can_join(p, f, ref, part, "mul"); j++)
            /* y is read twice, by the product and by 1 - y. */
            if (is_one_minus(p, f, part, m->arg[j], &y) && y == m->arg[1 - j] &&
                same_dim(pass, y, n->dim)) {
                *out = (joined){{CBI_POINTWISE, "d_sigmoid", ref, {g, y, CBI_NONE}, 0},
                                {part, m->arg[j]}};
                return 1;
            }
        if (is_one_minus(p, f, ref, part, &y) && can_join(p, f, part, y, "mul")) {
            m = &pass->node[y].n;
            if (m->arg[0] == m->arg[1] && same_dim(pass, m->arg[0], n->dim)) {
                *out = (joined){{CBI_POINTWISE, "d_tanh", ref, {g, m->arg[0], CBI_NONE}, 0},
                                {part, y}};
                return 1;
            }
        }
    }
    return 0;
}

/* a*b + c, and c - a*b; a product that is a derivative is left to find_derivative. */
static int find_fma(const planner *p, const flags *f, cbi_ref ref, int subtract, joined *out) {
    const cbi_node *n = &p->pass->node[ref].n;
    for (unsigned k = subtract ? 1 : 0; k < 2; k++) {
        cbi_ref product = n->arg[k], c = n->arg[1 - k];
        joined other;
        if (!can_join(p, f, ref, product, "mul") || find_derivative(p, f, product, &other))
            continue;
        const cbi_node *m = &p->pass->node[product].n;
        *out =
            (joined){{CBI_POINTWISE, subtract ? "fnma" : "fma", ref, {m->arg[0], m->arg[1], c}, 0},
                     {product, product}};
        return 1;
    }
    return 0;
}

static cbi_instr select_instr(planner *p, flags *f, cbi_ref ref) {
    cbi_pass *pass = p->pass;
    const cbi_node *n = &pass->node[ref].n;
    cbi_instr instr = {n->kind, NULL, ref, {CBI_NONE, CBI_NONE, CBI_NONE}, 0};
    for (unsigned k = 0; k < cbi_node_arity(n); k++)
        instr.src[k] = n->arg[k];
    if (n->kind != CBI_POINTWISE)
        return instr;
    instr.op = strcmp(n->op->name, "stop") == 0 ? "copy" : n->op->name;
    joined found;
    int is_sub = strcmp(instr.op, "sub") == 0;
    if (is_sub && is_one(pass, n->arg[0])) {
        instr.op = "one_minus";
        instr.src[0] = n->arg[1];
        instr.src[1] = CBI_NONE;
    } else if (find_derivative(p, f, ref, &found) ||
               ((is_sub || strcmp(instr.op, "add") == 0) && find_fma(p, f, ref, is_sub, &found))) {
        pass->node[found.inner[0]].home = pass->node[found.inner[1]].home = CBI_HOME_NONE;
        instr = found.instr;
    }
    return instr;
}

static int stage_order(const cbi_pass *pass, const cbi_product_call *c, int phase, int stage) {
    return pass->node[c->dst].phase == phase && pass->node[c->dst].stage == stage;
}

/* Products move to their place in running order, by a stable pass for each stage. */
static cb_status order_products(planner *p) {
    cbi_pass *pass = p->pass;
    cbi_product_call *ordered = cbi_calloc(pass->product_count + 1, sizeof *ordered);
    size_t n = 0;
    if (ordered == NULL)
        return no_memory(p);
    for (int phase = 0; phase < CBI_PHASES; phase++)
        for (size_t s = 0; s < pass->stages[phase]; s++) {
            cbi_stage *stage = &pass->stage[phase][s];
            stage->first_product = n;
            for (size_t i = 0; i < pass->product_count; i++)
                if (stage_order(pass, &pass->product[i], phase, (int)s))
                    ordered[n++] = pass->product[i];
            stage->products = n - stage->first_product;
        }
    cbi_free(pass->product);
    pass->product = ordered;
    return CB_OK;
}

static void emit_sinks(planner *p, flags *f) {
    cb_cell *cell = p->cell;
    cbi_pass *pass = p->pass;
    for (uint32_t i = 0; i < cell->vector_sink_count; i++) {
        cbi_ref ref = pass->map[cell->vector_sinks[i].gradient];
        cbi_pass_node *n = &pass->node[ref];
        cbi_instr instr = {CBI_POINTWISE, "add", i, {ref, CBI_NONE, CBI_NONE}, 1};
        /* A product that nobody else reads is added as it is formed. */
        if (n->home == CBI_HOME_STRIP && f->bound[ref] == 0 && n->n.kind == CBI_POINTWISE &&
            strcmp(n->n.op->name, "mul") == 0 && p->uses[cell->vector_sinks[i].gradient] == 0) {
            int shared = 0;
            for (size_t k = 0; k < cell->vector_sink_count; k++)
                shared += cell->vector_sinks[k].gradient == cell->vector_sinks[i].gradient;
            if (shared == 1) {
                n->home = CBI_HOME_NONE;
                instr =
                    (cbi_instr){CBI_POINTWISE, "fma", i, {n->n.arg[0], n->n.arg[1], CBI_NONE}, 2};
            }
        }
        emit(p, &instr);
    }
}

static cb_status emit_phase(planner *p, flags *f, int phase) {
    cbi_pass *pass = p->pass;
    cbi_instr *chosen = cbi_calloc(pass->count + 1, sizeof *chosen);
    if (chosen == NULL)
        return no_memory(p);
    for (size_t s = 0; s < pass->stages[phase]; s++) {
        cbi_stage *stage = &pass->stage[phase][s];
        int last = p->backward && phase == CBI_AFTER && s + 1 == pass->stages[phase];
        size_t sinks_at = 0;
        stage->first_instr = pass->instr_count;
        /* Sinks choose first what they take in; they run last. */
        if (last) {
            emit_sinks(p, f);
            sinks_at = pass->instr_count - stage->first_instr;
        }
        for (size_t i = pass->count; i-- > 0;) {
            const cbi_pass_node *n = &pass->node[i];
            if (!is_leaf(n) && n->phase == phase && n->stage == (int)s &&
                n->home != CBI_HOME_NONE && n->n.kind != CBI_AFFINE)
                chosen[i] = select_instr(p, f, (cbi_ref)i);
        }
        for (size_t i = 0; i < pass->count; i++) {
            const cbi_pass_node *n = &pass->node[i];
            if (!is_leaf(n) && n->phase == phase && n->stage == (int)s &&
                n->home != CBI_HOME_NONE && n->n.kind != CBI_AFFINE)
                emit(p, &chosen[i]);
        }
        for (size_t i = 0; i < sinks_at && !pass->failed; i++) {
            cbi_instr sink = pass->instr[stage->first_instr];
            memmove(&pass->instr[stage->first_instr], &pass->instr[stage->first_instr + 1],
                    (pass->instr_count - stage->first_instr - 1) * sizeof sink);
            pass->instr[pass->instr_count - 1] = sink;
        }
        stage->instrs = pass->instr_count - stage->first_instr;
    }
    cbi_free(chosen);
    return CB_OK;
}

static cb_status make_stages(planner *p) {
    cbi_pass *pass = p->pass;
    for (size_t i = 0; i < pass->count; i++) {
        const cbi_pass_node *n = &pass->node[i];
        if (!is_leaf(n) && pass->stages[n->phase] < (size_t)n->stage + 1)
            pass->stages[n->phase] = (size_t)n->stage + 1;
    }
    if (p->backward && p->cell->vector_sink_count && pass->stages[CBI_AFTER] == 0)
        pass->stages[CBI_AFTER] = 1;
    for (int phase = 0; phase < CBI_PHASES; phase++) {
        pass->stage[phase] = cbi_calloc(pass->stages[phase] + 1, sizeof(cbi_stage));
        if (pass->stage[phase] == NULL)
            return no_memory(p);
    }
    return CB_OK;
}

/* Values that leave the pass: never sunk into the loop, never joined. */
static void mark_outside(planner *p, unsigned char *outside) {
    for (size_t i = 0; i < p->total; i++)
        if (p->external[i] && p->pass->map[i] != CBI_NONE)
            outside[p->pass->map[i]] = 1;
}

static cb_status plan(planner *p) {
    cbi_pass *pass = p->pass;
    cb_status st = CB_OK;
    pass->map = cbi_calloc(p->total, sizeof *pass->map);
    if (pass->map == NULL)
        return no_memory(p);
    mark_recurrent(p);
    find_sums(p);
    translate(p);
    if (pass->failed)
        return no_memory(p);
    size_t n = pass->count + 1;
    unsigned char *bytes = cbi_calloc(n, 3);
    int *bound = cbi_calloc(n, sizeof *bound);
    flags f = {p, 0, bytes, bytes ? bytes + n : NULL, bound};
    if (bytes == NULL || bound == NULL) {
        st = no_memory(p);
        goto out;
    }
    mark_outside(p, bytes + 2 * n);
    set_phases(p, &f, bytes + 2 * n);
    if (p->backward)
        use_copies(p, bytes + 2 * n);
    drop_dead(p, &f, bytes + 2 * n);
    set_stages(p, &f);
    delay_sinks(p, &f);
    if ((st = make_stages(p)) != CB_OK)
        goto out;
    count_uses(p, &f);
    set_homes(p, &f);
    if ((st = order_products(p)) != CB_OK)
        goto out;
    for (int phase = 0; phase < CBI_PHASES && st == CB_OK; phase++)
        st = emit_phase(p, &f, phase);
    if (st == CB_OK && pass->failed)
        st = no_memory(p);
out:
    cbi_free(bytes);
    cbi_free(bound);
    return st;
}

static cb_status planner_init(planner *p, cb_cell *cell, cbi_pass *pass, int backward,
                              cb_err *err) {
    size_t n = cell->graph.count;
    memset(p, 0, sizeof *p);
    p->cell = cell;
    p->g = &cell->graph;
    p->pass = pass;
    p->backward = backward;
    p->total = n;
    p->err = err;
    p->needed = cbi_calloc(n, 5);
    p->uses = cbi_calloc(n, sizeof *p->uses);
    p->user = cbi_calloc(n, sizeof *p->user);
    if (p->needed == NULL || p->uses == NULL || p->user == NULL)
        return no_memory(p);
    p->external = p->needed + n;
    p->recurrent = p->needed + 2 * n;
    p->absorbed = p->needed + 3 * n;
    p->products = p->needed + 4 * n;
    return CB_OK;
}

static void planner_fini(planner *p) {
    cbi_free(p->needed);
    cbi_free(p->uses);
    cbi_free(p->user);
}

cb_status cbi_schedule(cb_cell *cell, cb_err *err) {
    planner forward, backward;
    cb_status st = planner_init(&forward, cell, &cell->forward, 0, err);
    cb_status second = planner_init(&backward, cell, &cell->backward, 1, err);
    if (st != CB_OK || (st = second) != CB_OK)
        goto out;
    find_recurrent_states(cell, forward.recurrent);
    mark_needed(&backward);
    mark_kept(&forward, &backward);
    mark_needed(&forward);
    if ((st = plan(&forward)) == CB_OK)
        st = plan(&backward);
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
