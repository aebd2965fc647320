/* SPDX-License-Identifier: MIT */
/*
 * The functions of the language that are more than one pointwise operation: over a row (sum, mean,
 * norm), between dimensions (fit, spread), and in time (clock).
 */
#include "cell/build.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

/* sum and mean (scale 1/n). */
static cb_status build_sum(cbi_builder *b, const cbi_expr *e, cbi_ref *out) {
    cbi_graph *g = &b->cell->graph;
    if (cbi_contains_matrix(b, e->arg[0]))
        return FAIL(b, CB_EPARSE, e->place, "a matrix inside %s needs an equation of its own",
                    e->name);
    size_t dim = cbi_infer(b, e->arg[0]);
    cbi_ref arg;
    cb_status st = cbi_build_expr(b, e->arg[0], dim, &arg);
    if (st != CB_OK)
        return st;
    if (dim == 0)
        return FAIL(b, CB_ESHAPE, e->place, "the dimension under %s cannot be told", e->name);
    *out = cbi_graph_map(g, CBI_SUM, 1, arg);
    if (strcmp(e->name, "mean") == 0)
        *out = cbi_graph_op2(g, "mul", *out, cbi_graph_number(g, 1 / (double)g->node[arg].dim));
    return CB_OK;
}

/* (e - mean) / sqrt(var + 1e-5) */
static cb_status build_norm(cbi_builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    cbi_graph *g = &b->cell->graph;
    cbi_ref arg;
    size_t dim = cbi_infer(b, e->arg[0]);
    if (dim <= 1)
        dim = want;
    cb_status st = cbi_build_expr(b, e->arg[0], dim, &arg);
    if (st != CB_OK)
        return st;
    dim = g->node[arg].dim;
    cbi_ref share = cbi_graph_number(g, 1 / (double)dim);
    cbi_ref mean = cbi_graph_op2(g, "mul", cbi_graph_map(g, CBI_SUM, 1, arg), share);
    cbi_ref off = cbi_graph_op2(g, "sub", arg, mean);
    cbi_ref square = cbi_graph_op2(g, "mul", off, off);
    cbi_ref var = cbi_graph_op2(g, "mul", cbi_graph_map(g, CBI_SUM, 1, square), share);
    cbi_ref sd = cbi_graph_op1(g, "sqrt", cbi_graph_op2(g, "add", var, cbi_graph_number(g, 1e-5)));
    *out = cbi_graph_op2(g, "div", off, sd);
    return cbi_check_dim(b, e, "", dim, want);
}

static cb_status add_list(cbi_builder *b, const cbi_stmt *set, cbi_place place, uint32_t *out) {
    cb_cell *cell = b->cell;
    if (cbi_grow((void **)&cell->lists, &cell->list_capacity, cell->list_count + 1,
                 sizeof *cell->lists))
        return cbi_no_memory(b);
    cbi_list *list = &cell->lists[cell->list_count];
    list->count = set->number_count;
    list->values = cbi_calloc(list->count, sizeof *list->values);
    if (list->values == NULL)
        return cbi_no_memory(b);
    *out = (uint32_t)cell->list_count++;
    for (size_t i = 0; i < list->count; i++) {
        double v = set->numbers[i];
        if (v != floor(v) || v < 1 || v > 1e9)
            return FAIL(b, CB_EARG, place, "periods are whole numbers >= 1, '%s' has %g", set->name,
                        v);
        list->values[i] = (uint32_t)v;
    }
    /* The same list again is the same leaf. */
    for (uint32_t i = 0; i + 1 < cell->list_count; i++)
        if (cell->lists[i].count == list->count &&
            memcmp(cell->lists[i].values, list->values, list->count * sizeof *list->values) == 0) {
            cbi_free(list->values);
            cell->list_count--;
            *out = i;
            return CB_OK;
        }
    return CB_OK;
}

static cb_status build_clock(cbi_builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    cbi_graph *g = &b->cell->graph;
    const cbi_expr *periods = &b->ast->exprs[e->arg[0]];
    const cbi_stmt *set =
        periods->kind == CBI_EXPR_NAME ? cbi_find_stmt(b, CBI_STMT_SET, periods->name) : NULL;
    if (set == NULL)
        return FAIL(b, CB_EPARSE, periods->place, "the first argument of clock is a setting");
    if (want <= 1)
        want = cbi_infer(b, e->arg[1]) > 1 ? cbi_infer(b, e->arg[1]) : cbi_infer(b, e->arg[2]);
    if (want == 0 || want % set->number_count)
        return FAIL(b, CB_ESHAPE, e->place,
                    "dimension %zu cannot be cut into %zu equal groups (setting '%s')", want,
                    set->number_count, set->name);
    uint32_t list = 0;
    cbi_ref arg[3];
    cb_status st;
    if ((st = add_list(b, set, periods->place, &list)) != CB_OK ||
        (st = cbi_build_expr(b, e->arg[1], want, &arg[1])) != CB_OK ||
        (st = cbi_build_expr(b, e->arg[2], want, &arg[2])) != CB_OK)
        return st;
    arg[0] = cbi_graph_leaf(g, CBI_CLOCK, want, list);
    *out = cbi_graph_apply(g, cbi_op_find("select"), arg);
    return CB_OK;
}

static cb_status build_fit(cbi_builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    const cbi_expr *arg = &b->ast->exprs[e->arg[0]];
    cb_cell *cell = b->cell;
    if (arg->kind != CBI_EXPR_NAME || strcmp(arg->name, "x") != 0)
        return FAIL(b, CB_EPARSE, arg->place, "fit takes x");
    cb_status st = cbi_check_dim(b, e, "", cell->H, want);
    if (st != CB_OK)
        return st;
    if (cell->kind == CB_INPUT_NONE) {
        *out = cbi_graph_number(&cell->graph, 0);
        return CB_OK;
    }
    cbi_ref x = cbi_graph_leaf(&cell->graph, CBI_INPUT, cell->I, 0);
    *out = x;
    if (cell->kind == CB_INPUT_DENSE && cell->I == cell->H)
        return CB_OK;
    cbi_expr matrix = *e;
    uint32_t param;
    snprintf(matrix.name, sizeof matrix.name, "W_fit");
    if ((st = cbi_get_param(b, &matrix, cell->H, cell->I, &param)) != CB_OK)
        return st;
    *out = cbi_graph_product(&cell->graph, CBI_PRODUCT, cell->H, param, x);
    return CB_OK;
}

static cb_status build_spread(cbi_builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    size_t dim = cbi_infer(b, e->arg[0]), H = b->cell->H;
    cb_status st;
    if ((st = cbi_build_expr(b, e->arg[0], dim, out)) != CB_OK)
        return st;
    if (dim == 0)
        return FAIL(b, CB_ESHAPE, e->place, "the dimension under spread cannot be told");
    if (H % dim)
        return FAIL(b, CB_ESHAPE, e->place, "spread: H = %zu is no multiple of dimension %zu", H,
                    dim);
    *out = cbi_graph_map(&b->cell->graph, CBI_SPREAD, H, *out);
    return cbi_check_dim(b, e, "", H, want);
}

cb_status cbi_build_call(cbi_builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    static const struct {
        const char *name;
        int args;
    } arity[] = {{"sum", 1}, {"mean", 1},  {"norm", 1},   {"stop", 1},
                 {"fit", 1}, {"clock", 3}, {"spread", 1}, {NULL, 0}};
    const cbi_op *op = cbi_op_find(e->name);
    int args = op != NULL && op->use == CBI_OP_FUNCTION ? (int)op->arity : 0;
    for (int i = 0; arity[i].name; i++)
        if (strcmp(arity[i].name, e->name) == 0)
            args = arity[i].args;
    if (args == 0) {
        cbi_near near;
        cbi_near_init(&near, e->name);
        for (op = cbi_ops; op->name; op++)
            if (op->use == CBI_OP_FUNCTION)
                cbi_near_offer(&near, op->name);
        for (int i = 0; cbi_special_functions[i]; i++)
            cbi_near_offer(&near, cbi_special_functions[i]);
        return FAIL(b, CB_EPARSE, e->place, "unknown function '%s'%s", e->name,
                    cbi_near_text(&near));
    }
    if (e->args != args)
        return FAIL(b, CB_EPARSE, e->place, "%s takes %d argument%s, got %d", e->name, args,
                    args == 1 ? "" : "s", e->args);
    if (strcmp(e->name, "sum") == 0 || strcmp(e->name, "mean") == 0)
        return build_sum(b, e, out);
    if (strcmp(e->name, "norm") == 0)
        return build_norm(b, e, want, out);
    if (strcmp(e->name, "clock") == 0)
        return build_clock(b, e, want, out);
    if (strcmp(e->name, "fit") == 0)
        return build_fit(b, e, want, out);
    if (strcmp(e->name, "spread") == 0)
        return build_spread(b, e, want, out);
    return cbi_build_pointwise(b, e, op, want, out);
}
