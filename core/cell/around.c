/* SPDX-License-Identifier: MIT */
/*
 * What stands around a cell: residual links, and regularisers as changes of its forward graph (what
 * each changes stands in cellbench/cell.h). The graph is made anew, node by node, with masks where
 * they belong; then it is differentiated and scheduled like that of any text.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cell/cell_internal.h"

/* ---- residual links ---- */

/* After everything else: the link goes around masks too, and x itself passes through it. */
static void link_output(cb_cell *cell) {
    cell->output = cell->own_output;
    if (cell->residual)
        cell->output = cbi_graph_op2(&cell->graph, "add", cell->own_output,
                                     cbi_graph_leaf(&cell->graph, CBI_INPUT, cell->I, 0));
}

cb_status cbi_cell_add_residual(cb_cell *cell, cb_err *err) {
    const size_t dim = cb_cell_output_dim(cell);
    if (cell->kind != CB_INPUT_DENSE)
        return cb_fail(err, CB_EARG,
                       "%s: residual: there is no input to add: expected numbers, "
                       "got %s",
                       cell->name, cell->kind == CB_INPUT_INDEX ? "symbols" : "none");
    if (cell->I != dim)
        return cb_fail(err, CB_EARG,
                       "%s: residual: output + input needs one dimension, got %zu and %zu",
                       cell->name, dim, cell->I);
    cell->residual = 1;
    cell->graph.count = cell->forward_count;
    link_output(cell);
    cell->forward_count = cell->graph.count;
    return cbi_cell_derive_again(cell, err);
}

/* ---- where a regulariser acts ---- */

static int is_op(const cbi_node *n, const char *name) {
    return n->kind == CBI_POINTWISE && strcmp(n->op->name, name) == 0;
}

/* Whether a share of state `s` is in a value: s itself is a factor of a term of its sum. */
static int keeps(const cbi_graph *g, cbi_ref ref, uint32_t s) {
    const cbi_node *n = &g->node[ref];
    if (n->kind == CBI_STATE)
        return n->index == s;
    if (is_op(n, "add") || is_op(n, "sub"))
        return keeps(g, n->arg[0], s) || keeps(g, n->arg[1], s);
    if (is_op(n, "mul")) /* the square of a state is no share of it */
        return keeps(g, n->arg[0], s) != keeps(g, n->arg[1], s);
    if (is_op(n, "neg") || is_op(n, "copy") || is_op(n, "div"))
        return keeps(g, n->arg[0], s);
    if (is_op(n, "select")) /* clock(periods, new, old) */
        return keeps(g, n->arg[1], s);
    return 0;
}

/* Whether something else is added to it. */
static int adds(const cbi_graph *g, cbi_ref ref, uint32_t s) {
    const cbi_node *n = &g->node[ref];
    if (n->kind != CBI_POINTWISE || !keeps(g, ref, s))
        return 0;
    if (is_op(n, "add") || is_op(n, "sub"))
        for (int k = 0; k < 2; k++)
            if (!keeps(g, n->arg[k], s))
                return 1;
    for (unsigned k = 0; k < n->op->arity; k++)
        if (adds(g, n->arg[k], s))
            return 1;
    return 0;
}

static int is_memory(const cb_cell *cell, size_t s) {
    return adds(&cell->graph, cell->states[s].next, (uint32_t)s);
}

/* -1: none has this name. */
static int find_state(const cb_cell *cell, const char *name) {
    for (size_t s = 0; s < cell->state_count; s++)
        if (strcmp(cell->states[s].name, name) == 0)
            return (int)s;
    return -1;
}

/* c, or else h, or else all that keep a share of themselves. */
static int drops_update(const cb_cell *cell, size_t s) {
    static const char *const first[] = {"c", "h"};
    for (size_t i = 0; i < 2; i++) {
        const int known = find_state(cell, first[i]);
        if (known >= 0 && is_memory(cell, (size_t)known))
            return (size_t)known == s;
    }
    return is_memory(cell, s);
}

/* The rate at which state `s` is zoned. */
static double zone_rate(const cb_cell *cell, const cb_regularisers *r, size_t s) {
    const char *name = cell->states[s].name;
    const int usual = strcmp(name, "h") == 0 || strcmp(name, "c") == 0 ||
                      (find_state(cell, "h") < 0 && find_state(cell, "c") < 0);
    double rate = 0;
    for (size_t i = 0; i < r->zoneout_count; i++)
        if (r->zoneout[i].state && strcmp(r->zoneout[i].state, name) == 0)
            return r->zoneout[i].rate;
        else if (r->zoneout[i].state == NULL && usual)
            rate = r->zoneout[i].rate;
    return rate;
}

/* ---- the graph anew ---- */

typedef struct rewriter {
    cb_cell *cell;
    const cb_regularisers *r;
    const cbi_graph *from;
    cbi_graph to;
    cbi_ref *map;            /* [from] */
    unsigned char *products; /* [from] a matrix stands in the value */
    int failed;
} rewriter;

/* The same mask for the same name. */
static cbi_ref mask(rewriter *w, cb_mask_kind kind, const char *what, double rate, size_t dim) {
    static const char *const kinds[] = {"variational", "variational", "recurrent-dropout",
                                        "zoneout"};
    cb_cell *cell = w->cell;
    cbi_mask made = {.kind = kind, .rate = rate, .dim = dim};
    snprintf(made.name, sizeof made.name, "%s.%s", kinds[kind], what);
    for (uint32_t i = 0; i < cell->mask_count; i++)
        if (strcmp(cell->masks[i].name, made.name) == 0)
            return cbi_graph_leaf(&w->to, CBI_MASK, dim, i);
    if (cbi_grow((void **)&cell->masks, &cell->mask_capacity, cell->mask_count + 1,
                 sizeof *cell->masks) != CB_OK) {
        w->failed = 1;
        return 0;
    }
    cell->masks[cell->mask_count] = made;
    return cbi_graph_leaf(&w->to, CBI_MASK, dim, (uint32_t)cell->mask_count++);
}

static cbi_ref apply(rewriter *w, const cbi_node *n, const cbi_ref *arg) {
    return is_op(n, "copy") ? cbi_graph_copy(&w->to, n->dim, arg[0])
                            : cbi_graph_apply(&w->to, n->op, arg);
}

static cbi_ref operand(rewriter *w, cbi_ref ref);

/* A value whose arguments are seen as those of a matrix. */
static cbi_ref through(rewriter *w, cbi_ref ref) {
    const cbi_node *n = &w->from->node[ref];
    cbi_ref arg[3] = {0, 0, 0};
    int same = 1;
    for (unsigned k = 0; k < cbi_node_arity(n); k++) {
        arg[k] = operand(w, n->arg[k]);
        same &= arg[k] == w->map[n->arg[k]];
    }
    if (same)
        return w->map[ref];
    return n->kind == CBI_POINTWISE ? apply(w, n, arg)
                                    : cbi_graph_map(&w->to, n->kind, n->dim, arg[0]);
}

/* A value as the operand of a matrix: states in it are masked, through products with gates and
 * through functions, but not inside gates. */
static cbi_ref operand(rewriter *w, cbi_ref ref) {
    const cbi_node *n = &w->from->node[ref];
    if (n->kind == CBI_STATE) {
        const cbi_state *s = &w->cell->states[n->index];
        const cbi_ref m = mask(w, CB_MASK_STATE, s->name, w->r->variational_state, s->dim);
        return cbi_graph_op2(&w->to, "mul", m, w->map[ref]);
    }
    return w->products[ref] && !is_op(n, "mul") ? w->map[ref] : through(w, ref);
}

/* The next value of state `s` with its update dropped: the terms without s are masked. */
static cbi_ref drop_update(rewriter *w, cbi_ref ref, uint32_t s, cbi_ref m) {
    const cbi_node *n = &w->from->node[ref];
    const int is_sum = is_op(n, "add") || is_op(n, "sub");
    cbi_ref arg[3] = {0, 0, 0};
    if (n->kind == CBI_STATE)
        return w->map[ref];
    for (unsigned k = 0; k < n->op->arity; k++)
        if (keeps(w->from, n->arg[k], s) && (k == 0 || !is_op(n, "div")))
            arg[k] = drop_update(w, n->arg[k], s, m);
        else
            arg[k] =
                is_sum ? cbi_graph_op2(&w->to, "mul", m, w->map[n->arg[k]]) : w->map[n->arg[k]];
    return apply(w, n, arg);
}

/* The state whose next value this node is and whose update is dropped; -1: none. */
static int dropped_here(const rewriter *w, cbi_ref ref) {
    for (size_t s = 0; w->r->recurrent_dropout > 0 && s < w->cell->state_count; s++)
        if (w->cell->states[s].next == ref && drops_update(w->cell, s))
            return (int)s;
    return -1;
}

static cbi_ref rewrite_pointwise(rewriter *w, cbi_ref ref) {
    const cbi_node *n = &w->from->node[ref];
    const int s = dropped_here(w, ref);
    if (s >= 0) {
        const cbi_state *state = &w->cell->states[s];
        return drop_update(
            w, ref, (uint32_t)s,
            mask(w, CB_MASK_UPDATE, state->name, w->r->recurrent_dropout, state->dim));
    }
    cbi_ref arg[3] = {0, 0, 0};
    for (unsigned k = 0; k < n->op->arity; k++)
        arg[k] = w->map[n->arg[k]];
    return apply(w, n, arg);
}

static cbi_ref rewrite(rewriter *w, cbi_ref ref) {
    const cbi_node *n = &w->from->node[ref];
    switch (n->kind) {
    case CBI_NUMBER:
        return cbi_graph_number(&w->to, n->number);
    case CBI_INPUT: {
        const cbi_ref x = cbi_graph_leaf(&w->to, CBI_INPUT, n->dim, n->index);
        if (w->cell->kind != CB_INPUT_DENSE || w->r->variational_input <= 0)
            return x;
        const cbi_ref m = mask(w, CB_MASK_INPUT, "x", w->r->variational_input, n->dim);
        return cbi_graph_op2(&w->to, "mul", m, x);
    }
    case CBI_PRODUCT: {
        const cbi_ref a = w->r->variational_state > 0 ? operand(w, n->arg[0]) : w->map[n->arg[0]];
        return cbi_graph_product(&w->to, CBI_PRODUCT, n->dim, n->index, a);
    }
    case CBI_POINTWISE:
        return rewrite_pointwise(w, ref);
    case CBI_SUM:
    case CBI_BROADCAST:
    case CBI_SPREAD:
    case CBI_FOLD:
        return cbi_graph_map(&w->to, n->kind, n->dim, w->map[n->arg[0]]);
    default:
        return cbi_graph_leaf(&w->to, n->kind, n->dim, n->index);
    }
}

/* m*s + (1 - m)*s', so that an element is exactly the one or the other. */
static cbi_ref zone(rewriter *w, const cbi_state *s, cbi_ref next, double rate) {
    cbi_graph *g = &w->to;
    const cbi_ref m = mask(w, CB_MASK_ZONE, s->name, rate, s->dim);
    const cbi_ref kept = cbi_graph_op2(g, "mul", m, w->map[s->old]);
    const cbi_ref rest = cbi_graph_op2(g, "sub", cbi_graph_number(g, 1), m);
    return cbi_graph_op2(g, "add", kept, cbi_graph_op2(g, "mul", rest, next));
}

/* Everything that names a node of the old graph names one of the new. What was a state after the
 * step still is. */
static void take_over(rewriter *w) {
    cb_cell *cell = w->cell;
    for (size_t s = 0; s < cell->state_count; s++) {
        const cbi_state *state = &cell->states[s];
        const double rate = zone_rate(cell, w->r, s);
        if (rate > 0)
            w->map[state->next] = zone(w, state, w->map[state->next], rate);
    }
    for (size_t i = 0; i < cell->value_count; i++)
        cell->values[i].ref = w->map[cell->values[i].ref];
    for (size_t i = 0; i < cell->read_count; i++)
        cell->reads[i].node = w->map[cell->reads[i].node];
    for (size_t s = 0; s < cell->state_count; s++) {
        cell->states[s].next = w->map[cell->states[s].next];
        cell->states[s].old = w->map[cell->states[s].old];
    }
    cell->own_output = w->map[cell->own_output];
}

static void mark_products(rewriter *w, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const cbi_node *node = &w->from->node[i];
        w->products[i] = node->kind == CBI_PRODUCT;
        for (unsigned k = 0; k < cbi_node_arity(node); k++)
            w->products[i] |= w->products[node->arg[k]];
    }
}

cb_status cbi_cell_regularise(cb_cell *cell, const cb_regularisers *r, cb_err *err) {
    const size_t n = cell->forward_count;
    rewriter w = {.cell = cell, .r = r, .from = &cell->graph};
    cb_status st = cbi_graph_init(&w.to, err);
    w.map = cbi_calloc(n, sizeof *w.map);
    w.products = cbi_calloc(n, 1);
    if (st == CB_OK && (w.map == NULL || w.products == NULL))
        st = CB_ENOMEM;
    if (st == CB_OK) {
        mark_products(&w, n);
        for (cbi_ref i = 0; i < n; i++)
            w.map[i] = rewrite(&w, i);
        take_over(&w);
        st = w.failed || w.to.failed ? CB_ENOMEM : CB_OK;
    }
    if (st == CB_OK) {
        cbi_graph_fini(&cell->graph);
        cell->graph = w.to;
        w.to = (cbi_graph){0};
        link_output(cell);
        cell->forward_count = cell->graph.count;
        st = cbi_cell_derive_again(cell, err);
    } else {
        cb_fail(err, st, "%s: out of memory", cell->name);
    }
    cbi_graph_fini(&w.to);
    cbi_free(w.map);
    cbi_free(w.products);
    return st;
}
