/* SPDX-License-Identifier: MIT */
/*
 * The graph of one step of a cell: typed nodes with a dimension each. Pure data; the forward and
 * the derived backward graph stand in one array, in an order in which arguments come first.
 */
#ifndef CB_CELL_GRAPH_H
#define CB_CELL_GRAPH_H

#include <stddef.h>
#include <stdint.h>

#include "cell/ops.h"
#include "cellbench/status.h"

typedef uint32_t cbi_ref; /* index of a node */
#define CBI_NONE UINT32_MAX

typedef enum cbi_kind {
    /* leaves */
    CBI_NUMBER = 0, /* dim 1 */
    CBI_INPUT,      /* x */
    CBI_STATE,      /* value before the step; index: state */
    CBI_LOWER,      /* value of the layer below; index: read */
    CBI_VECTOR,     /* learned; index: parameter */
    CBI_CLOCK,      /* 1 where t mod period = 0, else 0; index: list of periods */
    CBI_MASK,       /* of a regulariser, drawn by the engine; index: mask */
    CBI_D_OUTPUT,   /* gradient of the output, from above */
    CBI_D_STATE,    /* gradient of a state after the step, from the step after; index: state */
    CBI_D_UPPER,    /* gradient of a value that the layer above reads; index: export */
    /* operations */
    CBI_PRODUCT,   /* matrix `index` times arg[0] */
    CBI_PRODUCT_T, /* its transpose times arg[0] */
    CBI_POINTWISE, /* op(arg...): arguments of dim `dim` or 1 */
    CBI_SUM,       /* dim 1: over the elements of arg[0], in order */
    CBI_BROADCAST, /* arg[0] has dim 1 */
    CBI_SPREAD,    /* each element of arg[0] dim / dim(arg[0]) times */
    CBI_FOLD,      /* its transpose: sums of groups */
    CBI_AFFINE     /* only in schedules: arg[0] (or nothing) + products */
} cbi_kind;

typedef struct cbi_node {
    cbi_kind kind;
    size_t dim;
    const cbi_op *op;
    cbi_ref arg[3];
    uint32_t index;
    double number;
} cbi_node;

/* Building never stops at a failed allocation: `failed` is set, 0 is returned, and the builder
 * looks at it once at the end. */
typedef struct cbi_graph {
    cbi_node *node;
    size_t count, capacity;
    int failed;
} cbi_graph;

cb_status cbi_graph_init(cbi_graph *graph, cb_err *err);
void cbi_graph_fini(cbi_graph *graph);

unsigned cbi_node_arity(const cbi_node *node);

/* Each returns an equal node if there is one already. */
cbi_ref cbi_graph_leaf(cbi_graph *graph, cbi_kind kind, size_t dim, uint32_t index);
cbi_ref cbi_graph_number(cbi_graph *graph, double value);
cbi_ref cbi_graph_product(cbi_graph *graph, cbi_kind kind, size_t dim, uint32_t matrix,
                          cbi_ref operand);
/* SUM, BROADCAST, SPREAD, FOLD. */
cbi_ref cbi_graph_map(cbi_graph *graph, cbi_kind kind, size_t dim, cbi_ref arg);
/* Dimension: the largest of the arguments'. Folds numbers; drops *1, +0, *0, --. */
cbi_ref cbi_graph_apply(cbi_graph *graph, const cbi_op *op, const cbi_ref *arg);
cbi_ref cbi_graph_op1(cbi_graph *graph, const char *op, cbi_ref a);
cbi_ref cbi_graph_op2(cbi_graph *graph, const char *op, cbi_ref a, cbi_ref b);
/* A node of its own with the value of `arg`, never shared. */
cbi_ref cbi_graph_copy(cbi_graph *graph, size_t dim, cbi_ref arg);

#endif
