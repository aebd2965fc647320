/* SPDX-License-Identifier: MIT */
/*
 * Reverse-mode differentiation of the step graph. The derivative of an operation is an expression
 * of the language (ops.c), so the backward graph is an ordinary graph, appended to the forward one.
 *
 * The gradient of a matrix is not formed here: a sink names the two values whose outer products
 * are summed over steps and rows.
 */
#include "cell/cell_internal.h"

#include <string.h>

#include "base/alloc.h"

typedef struct deriver {
    cb_cell *cell;
    cbi_graph *g;
    cbi_ref *adjoint; /* [forward_count] */
    unsigned char *needs;
    cb_err *err;
} deriver;

static size_t dim_of(const deriver *d, cbi_ref ref) {
    return d->g->node[ref].dim;
}

/* A gradient may stand as one number for all elements; where it must be spelt out: */
static cbi_ref full(deriver *d, cbi_ref g, size_t dim) {
    return dim_of(d, g) == dim ? g : cbi_graph_map(d->g, CBI_BROADCAST, dim, g);
}

static void accumulate(deriver *d, cbi_ref node, cbi_ref gradient) {
    cbi_ref *a = &d->adjoint[node];
    *a = *a == CBI_NONE ? gradient : cbi_graph_op2(d->g, "add", *a, gradient);
}

static int is_zero(const deriver *d, cbi_ref ref) {
    return d->g->node[ref].kind == CBI_NUMBER && d->g->node[ref].number == 0;
}

/* Which nodes depend on something that is differentiated. */
static void mark_needs(deriver *d) {
    cb_cell *cell = d->cell;
    for (cbi_ref i = 0; i < cell->forward_count; i++) {
        const cbi_node *n = &d->g->node[i];
        int need = 0;
        switch (n->kind) {
        case CBI_INPUT:
            need = cell->kind == CB_INPUT_DENSE;
            break;
        case CBI_STATE:
        case CBI_LOWER:
            need = 1;
            break;
        case CBI_VECTOR:
            need = !cell->params[n->index].fixed;
            break;
        case CBI_PRODUCT:
            need = !cell->params[n->index].fixed || d->needs[n->arg[0]];
            break;
        case CBI_POINTWISE:
            for (unsigned k = 0; k < n->op->arity; k++)
                need |= d->needs[n->arg[k]] && strcmp(n->op->derivative[k], "0") != 0;
            break;
        case CBI_SUM:
        case CBI_BROADCAST:
        case CBI_SPREAD:
        case CBI_FOLD:
            need = d->needs[n->arg[0]];
            break;
        default:
            break;
        }
        d->needs[i] = (unsigned char)need;
    }
}

/* Builds a derivative's expression with a, b, c, y bound to nodes. */
static cbi_ref bind(deriver *d, const cbi_ast *ast, int index, const cbi_ref *abcy) {
    static const char *const operators[] = {"add", "sub", "mul", "div", "neg"};
    const cbi_expr *e = &ast->exprs[index];
    cbi_ref arg[3] = {0, 0, 0};
    if (e->kind == CBI_EXPR_NUMBER)
        return cbi_graph_number(d->g, e->number);
    if (e->kind == CBI_EXPR_NAME) {
        const char *at = strchr("abcy", e->name[0]);
        return abcy[at ? at - "abcy" : 3];
    }
    for (int i = 0; i < e->args; i++)
        arg[i] = bind(d, ast, e->arg[i], abcy);
    const char *name = e->kind == CBI_EXPR_CALL ? e->name : operators[e->kind - CBI_EXPR_ADD];
    return cbi_graph_apply(d->g, cbi_op_find(name), arg);
}

static cb_status pointwise(deriver *d, cbi_ref node, cbi_ref g) {
    const cbi_node n = d->g->node[node]; /* a copy: the array grows below */
    cbi_ref abcy[4] = {n.arg[0], n.arg[1], n.arg[2], node};
    for (unsigned k = 0; k < n.op->arity; k++) {
        if (!d->needs[n.arg[k]] || strcmp(n.op->derivative[k], "0") == 0)
            continue;
        cbi_ast ast;
        int root;
        cb_status st = cbi_ast_parse_expr(&ast, n.op->derivative[k], &root, d->err);
        if (st == CB_OK) {
            cbi_ref part = bind(d, &ast, root, abcy);
            cbi_ref gradient = cbi_graph_op2(d->g, "mul", g, part);
            if (!is_zero(d, gradient)) {
                if (dim_of(d, n.arg[k]) == 1 && n.dim > 1)
                    gradient = cbi_graph_map(d->g, CBI_SUM, 1, full(d, gradient, n.dim));
                accumulate(d, n.arg[k], gradient);
            }
        }
        cbi_ast_fini(&ast);
        if (st != CB_OK)
            return st;
    }
    return CB_OK;
}

static cb_status product(deriver *d, cbi_ref node, cbi_ref g) {
    cb_cell *cell = d->cell;
    const cbi_node n = d->g->node[node];
    g = full(d, g, n.dim);
    if (!cell->params[n.index].fixed) {
        if (cbi_grow((void **)&cell->matrix_sinks, &cell->matrix_sink_capacity,
                     cell->matrix_sink_count + 1, sizeof *cell->matrix_sinks) != CB_OK)
            return cb_fail(d->err, CB_ENOMEM, "%s: out of memory", cell->name);
        cell->matrix_sinks[cell->matrix_sink_count++] = (cbi_matrix_sink){n.index, g, n.arg[0]};
    }
    if (d->needs[n.arg[0]])
        accumulate(d, n.arg[0],
                   cbi_graph_product(d->g, CBI_PRODUCT_T, dim_of(d, n.arg[0]), n.index, g));
    return CB_OK;
}

static cb_status vector_sink(deriver *d, uint32_t param, cbi_ref g) {
    cb_cell *cell = d->cell;
    if (cbi_grow((void **)&cell->vector_sinks, &cell->vector_sink_capacity,
                 cell->vector_sink_count + 1, sizeof *cell->vector_sinks) != CB_OK)
        return cb_fail(d->err, CB_ENOMEM, "%s: out of memory", cell->name);
    cell->vector_sinks[cell->vector_sink_count++] =
        (cbi_vector_sink){param, full(d, g, cell->params[param].rows)};
    return CB_OK;
}

static cb_status visit(deriver *d, cbi_ref node, cbi_ref g) {
    cb_cell *cell = d->cell;
    const cbi_node n = d->g->node[node];
    switch (n.kind) {
    case CBI_POINTWISE:
        return pointwise(d, node, g);
    case CBI_PRODUCT:
        return product(d, node, g);
    case CBI_VECTOR:
        return vector_sink(d, n.index, g);
    case CBI_SUM: /* one number for all: full() spells it out where needed */
        accumulate(d, n.arg[0], g);
        return CB_OK;
    case CBI_BROADCAST:
        accumulate(d, n.arg[0], cbi_graph_map(d->g, CBI_SUM, 1, full(d, g, n.dim)));
        return CB_OK;
    case CBI_SPREAD:
        accumulate(d, n.arg[0],
                   cbi_graph_map(d->g, CBI_FOLD, dim_of(d, n.arg[0]), full(d, g, n.dim)));
        return CB_OK;
    case CBI_FOLD:
        accumulate(d, n.arg[0],
                   cbi_graph_map(d->g, CBI_SPREAD, dim_of(d, n.arg[0]), full(d, g, n.dim)));
        return CB_OK;
    case CBI_STATE:
        cell->d_state[n.index] = full(d, g, n.dim);
        return CB_OK;
    case CBI_LOWER:
        cell->d_lower[n.index] = full(d, g, n.dim);
        return CB_OK;
    case CBI_INPUT:
        cell->d_input = full(d, g, n.dim);
        return CB_OK;
    default:
        return CB_OK;
    }
}

static int is_used(const deriver *d, cbi_ref ref) {
    const cb_cell *cell = d->cell;
    for (size_t i = cell->forward_count; i < d->g->count; i++)
        for (unsigned k = 0; k < cbi_node_arity(&d->g->node[i]); k++)
            if (d->g->node[i].arg[k] == ref)
                return 1;
    for (size_t i = 0; i < cell->matrix_sink_count; i++)
        if (cell->matrix_sinks[i].gradient == ref)
            return 1;
    for (size_t i = 0; i < cell->vector_sink_count; i++)
        if (cell->vector_sinks[i].gradient == ref)
            return 1;
    return 0;
}

/* Gradients that leave the step are nodes of their own, read by nobody else: a schedule gives each
 * a plane that is handed on. A node that two of them share is copied for both. */
static void own_nodes(deriver *d, cbi_ref **out, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const cbi_ref ref = *out[i];
        int shared = 0;
        if (ref == CBI_NONE)
            continue;
        for (size_t k = i + 1; k < n; k++)
            shared |= *out[k] == ref;
        if (shared || d->g->node[ref].kind < CBI_PRODUCT || ref < d->cell->forward_count ||
            is_used(d, ref))
            *out[i] = cbi_graph_copy(d->g, dim_of(d, ref), ref);
    }
}

static void seed(deriver *d) {
    cb_cell *cell = d->cell;
    cbi_graph *g = d->g;
    accumulate(d, cell->output, cbi_graph_leaf(g, CBI_D_OUTPUT, dim_of(d, cell->output), 0));
    for (uint32_t s = 0; s < cell->state_count; s++)
        accumulate(d, cell->states[s].next, cbi_graph_leaf(g, CBI_D_STATE, cell->states[s].dim, s));
    for (uint32_t e = 0; e < cell->export_count; e++)
        accumulate(d, cell->exports[e].ref,
                   cbi_graph_leaf(g, CBI_D_UPPER, dim_of(d, cell->exports[e].ref), e));
}

cb_status cbi_cell_differentiate(cb_cell *cell, cb_err *err) {
    const size_t n = cell->forward_count, most = cell->state_count + cell->read_count + 1;
    size_t outs = 0;
    cb_status st = CB_ENOMEM;
    deriver d = {cell, &cell->graph, cbi_calloc(n, sizeof(cbi_ref)), cbi_calloc(n, 1), err};
    cbi_ref **out = cbi_calloc(most, sizeof *out);
    if (d.adjoint == NULL || d.needs == NULL || out == NULL) {
        cb_fail(err, CB_ENOMEM, "%s: out of memory", cell->name);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        d.adjoint[i] = CBI_NONE;
    cell->d_input = CBI_NONE;
    for (size_t s = 0; s < cell->state_count; s++)
        cell->d_state[s] = CBI_NONE;
    for (size_t r = 0; r < cell->read_count; r++)
        cell->d_lower[r] = CBI_NONE;
    mark_needs(&d);
    seed(&d);
    for (size_t i = n; i-- > 0;)
        if (d.needs[i] && d.adjoint[i] != CBI_NONE &&
            (st = visit(&d, (cbi_ref)i, d.adjoint[i])) != CB_OK)
            goto done;
    for (size_t s = 0; s < cell->state_count; s++)
        out[outs++] = &cell->d_state[s];
    for (size_t r = 0; r < cell->read_count; r++)
        out[outs++] = &cell->d_lower[r];
    out[outs++] = &cell->d_input;
    own_nodes(&d, out, outs);
    st = cell->graph.failed ? cb_fail(err, CB_ENOMEM, "%s: out of memory", cell->name) : CB_OK;
done:
    cbi_free(d.adjoint);
    cbi_free(d.needs);
    cbi_free(out);
    return st;
}
