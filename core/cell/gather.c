/* SPDX-License-Identifier: MIT */
/*
 * The nodes of a pass, made from those of the cell's graph. A sum with products in it (W x + R h +
 * b) becomes one or two CBI_AFFINE nodes, which the products accumulate in: one for those that
 * depend on no recurrent state, and, begun from it, one for those that do.
 */
#include "cell/planner.h"

#include <string.h>
#include "base/alloc.h"

static int is_add(const cbi_node *n) {
    return n->kind == CBI_POINTWISE && strcmp(n->op->name, "add") == 0;
}

static int is_product(const cbi_node *n) {
    return n->kind == CBI_PRODUCT || n->kind == CBI_PRODUCT_T;
}

static void find_sums(cbi_planner *p) {
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

static cbi_ref append(cbi_planner *p, const cbi_node *n) {
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
static cbi_ref mapped(cbi_planner *p, cbi_ref ref) {
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

static void add_product(cbi_planner *p, cbi_ref dst, cbi_ref base, cbi_ref product, int first) {
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

/* The terms of a sum. */
typedef struct sum {
    cbi_ref *leaf;
    size_t count, capacity;
} sum;

static void add_leaf(cbi_planner *p, cbi_ref ref, sum *out) {
    if (cbi_grow((void **)&out->leaf, &out->capacity, out->count + 1, sizeof *out->leaf) != CB_OK)
        p->pass->failed = 1;
    else
        out->leaf[out->count++] = ref;
}

static void collect(cbi_planner *p, cbi_ref ref, sum *out) {
    const cbi_node *n = &p->g->node[ref];
    if (!is_add(n)) {
        add_leaf(p, ref, out);
        return;
    }
    for (unsigned k = 0; k < 2; k++)
        if (p->absorbed[n->arg[k]])
            collect(p, n->arg[k], out);
        else
            add_leaf(p, n->arg[k], out);
}

/* AFFINE with the products of one class (recurrent or not) in a sum; CBI_NONE if it has none. */
static cbi_ref gather_class(cbi_planner *p, const sum *s, size_t dim, cbi_ref base, int recurrent) {
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

static cbi_ref gather_sum(cbi_planner *p, cbi_ref root) {
    sum s = {NULL, 0, 0};
    size_t dim = p->g->node[root].dim;
    collect(p, root, &s);
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
    cbi_free(s.leaf);
    return value;
}

void cbi_gather(cbi_planner *p) {
    cb_cell *cell = p->cell;
    find_sums(p);
    for (size_t i = 0; i < p->total; i++)
        p->pass->map[i] = CBI_NONE;
    for (size_t i = 0; i < p->total; i++) {
        if (!p->needed[i] || p->absorbed[i])
            continue;
        if (p->products[i]) {
            p->pass->map[i] = gather_sum(p, (cbi_ref)i);
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
