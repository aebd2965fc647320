/* SPDX-License-Identifier: MIT */
/* Nodes and their constructors: equal nodes are made once, and trivial arithmetic is folded. */
#include "cell/graph.h"

#include <string.h>

#include "base/alloc.h"

cb_status cbi_graph_init(cbi_graph *graph, cb_err *err) {
    memset(graph, 0, sizeof *graph);
    /* Node 0 is the number 0: what a failed constructor returns is always readable. */
    cb_status st = cbi_grow((void **)&graph->node, &graph->capacity, 64, sizeof *graph->node);
    if (st != CB_OK)
        return cb_fail(err, st, "cell graph: out of memory");
    memset(&graph->node[0], 0, sizeof graph->node[0]);
    graph->node[0].dim = 1;
    graph->count = 1;
    return CB_OK;
}

void cbi_graph_fini(cbi_graph *graph) {
    cbi_free(graph->node);
    memset(graph, 0, sizeof *graph);
}

unsigned cbi_node_arity(const cbi_node *node) {
    switch (node->kind) {
    case CBI_POINTWISE:
        return node->op->arity;
    case CBI_PRODUCT:
    case CBI_PRODUCT_T:
    case CBI_SUM:
    case CBI_BROADCAST:
    case CBI_SPREAD:
    case CBI_FOLD:
        return 1;
    case CBI_AFFINE:
        return node->arg[0] == CBI_NONE ? 0 : 1;
    default:
        return 0;
    }
}

static cbi_ref append(cbi_graph *graph, const cbi_node *node) {
    if (graph->failed || cbi_grow((void **)&graph->node, &graph->capacity, graph->count + 1,
                                  sizeof *graph->node) != CB_OK) {
        graph->failed = 1;
        return 0;
    }
    graph->node[graph->count] = *node;
    return (cbi_ref)graph->count++;
}

static cbi_ref intern(cbi_graph *graph, const cbi_node *node) {
    unsigned n = cbi_node_arity(node);
    for (size_t i = 0; i < graph->count; i++) {
        const cbi_node *o = &graph->node[i];
        if (o->kind == node->kind && o->dim == node->dim && o->op == node->op &&
            o->index == node->index && memcmp(&o->number, &node->number, sizeof o->number) == 0 &&
            memcmp(o->arg, node->arg, n * sizeof *o->arg) == 0)
            return (cbi_ref)i;
    }
    return append(graph, node);
}

cbi_ref cbi_graph_leaf(cbi_graph *graph, cbi_kind kind, size_t dim, uint32_t index) {
    cbi_node node = {.kind = kind, .dim = dim, .index = index};
    return intern(graph, &node);
}

cbi_ref cbi_graph_number(cbi_graph *graph, double value) {
    cbi_node node = {.kind = CBI_NUMBER, .dim = 1, .number = value + 0.0};
    return intern(graph, &node);
}

cbi_ref cbi_graph_product(cbi_graph *graph, cbi_kind kind, size_t dim, uint32_t matrix,
                          cbi_ref operand) {
    cbi_node node = {.kind = kind, .dim = dim, .index = matrix, .arg = {operand}};
    return intern(graph, &node);
}

cbi_ref cbi_graph_map(cbi_graph *graph, cbi_kind kind, size_t dim, cbi_ref arg) {
    if (graph->node[arg].dim == dim && kind != CBI_SUM)
        return arg;
    if (graph->node[arg].dim == 1 && kind == CBI_SUM)
        return arg;
    cbi_node node = {.kind = kind, .dim = dim, .arg = {arg}};
    return intern(graph, &node);
}

static int is_number(const cbi_graph *graph, cbi_ref ref, double value) {
    const cbi_node *n = &graph->node[ref];
    return n->kind == CBI_NUMBER && n->number == value;
}

/* x + 0, x * 1 and their like; CBI_NONE if there is nothing to drop. A product with the number 0 is
 * the number 0: a cell's derivative must not depend on terms that the text multiplies by 0. */
static cbi_ref simplify(cbi_graph *graph, const char *op, const cbi_ref *arg) {
    cbi_ref a = arg[0], b = arg[1];
    if (strcmp(op, "add") == 0) {
        if (is_number(graph, a, 0))
            return b;
        if (is_number(graph, b, 0))
            return a;
    } else if (strcmp(op, "sub") == 0) {
        if (is_number(graph, b, 0))
            return a;
    } else if (strcmp(op, "mul") == 0) {
        if (is_number(graph, a, 0) || is_number(graph, b, 1))
            return a;
        if (is_number(graph, b, 0) || is_number(graph, a, 1))
            return b;
        if (is_number(graph, a, -1))
            return cbi_graph_op1(graph, "neg", b);
        if (is_number(graph, b, -1))
            return cbi_graph_op1(graph, "neg", a);
    } else if (strcmp(op, "div") == 0) {
        if (is_number(graph, b, 1))
            return a;
    } else if (strcmp(op, "neg") == 0) {
        const cbi_node *n = &graph->node[a];
        if (n->kind == CBI_POINTWISE && strcmp(n->op->name, "neg") == 0)
            return n->arg[0];
    }
    return CBI_NONE;
}

cbi_ref cbi_graph_apply(cbi_graph *graph, const cbi_op *op, const cbi_ref *arg) {
    cbi_node node = {.kind = CBI_POINTWISE, .dim = 1, .op = op};
    int numbers = 1;
    for (unsigned i = 0; i < op->arity; i++) {
        const cbi_node *a = &graph->node[arg[i]];
        node.arg[i] = arg[i];
        node.dim = a->dim > node.dim ? a->dim : node.dim;
        numbers &= a->kind == CBI_NUMBER;
    }
    if (numbers) {
        double v[3] = {0, 0, 0};
        for (unsigned i = 0; i < op->arity; i++)
            v[i] = graph->node[arg[i]].number;
        return cbi_graph_number(graph, op->value(v[0], v[1], v[2]));
    }
    cbi_ref simple = simplify(graph, op->name, node.arg);
    return simple != CBI_NONE ? simple : intern(graph, &node);
}

cbi_ref cbi_graph_op1(cbi_graph *graph, const char *op, cbi_ref a) {
    return cbi_graph_apply(graph, cbi_op_find(op), &a);
}

cbi_ref cbi_graph_op2(cbi_graph *graph, const char *op, cbi_ref a, cbi_ref b) {
    cbi_ref arg[2] = {a, b};
    return cbi_graph_apply(graph, cbi_op_find(op), arg);
}

cbi_ref cbi_graph_copy(cbi_graph *graph, size_t dim, cbi_ref arg) {
    cbi_node node = {.kind = CBI_POINTWISE, .dim = dim, .op = cbi_op_find("copy"), .arg = {arg}};
    return append(graph, &node);
}
