/* SPDX-License-Identifier: MIT */
/*
 * Expressions become nodes. Dimensions flow from the place inwards: an equation asks its expression
 * for its own dimension, an operation asks its arguments for the same. cbi_infer tells what a named
 * operand has before it is built; a learned vector takes what its place asks for.
 */
#include "cell/build.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

int cbi_contains_matrix(const cbi_builder *b, int index) {
    const cbi_expr *e = &b->ast->exprs[index];
    if (e->kind == CBI_EXPR_APPLY || (e->kind == CBI_EXPR_CALL && strcmp(e->name, "fit") == 0))
        return 1;
    for (int i = 0; i < e->args; i++)
        if (cbi_contains_matrix(b, e->arg[i]))
            return 1;
    return 0;
}

/* Dimension of what is declared for a learned vector; 0: its place decides. */
static size_t vector_dim(cbi_builder *b, const char *name) {
    char family[CBI_NAME_SIZE];
    snprintf(family, sizeof family, "%.*s", (int)cbi_family_length(name), name);
    const cbi_stmt *param = cbi_find_stmt(b, CBI_STMT_PARAM, family);
    return param != NULL ? param->value : 0;
}

static const cbi_value *lower_value(const cbi_builder *b, const char *name) {
    return b->cell->below ? cbi_find_value(b->cell->below, name) : NULL;
}

/* 0: cannot be told from the inside. */
size_t cbi_infer(cbi_builder *b, int index) {
    const cbi_expr *e = &b->ast->exprs[index];
    size_t best = 1;
    switch (e->kind) {
    case CBI_EXPR_NUMBER:
        return 1;
    case CBI_EXPR_LOWER:
        return lower_value(b, e->name) ? lower_value(b, e->name)->dim : 0;
    case CBI_EXPR_NEXT:
        return cbi_find_state(b, e->name) ? cbi_find_state(b, e->name)->dim : 0;
    case CBI_EXPR_NAME:
        if (strcmp(e->name, "x") == 0)
            return b->cell->I;
        if (cbi_find_state(b, e->name))
            return cbi_find_state(b, e->name)->dim;
        if (cbi_find_value(b->cell, e->name))
            return cbi_find_value(b->cell, e->name)->dim;
        return cbi_find_stmt(b, CBI_STMT_SET, e->name) ? 1 : vector_dim(b, e->name);
    case CBI_EXPR_APPLY:
        return 0;
    case CBI_EXPR_CALL:
        if (strcmp(e->name, "sum") == 0 || strcmp(e->name, "mean") == 0)
            return 1;
        if (strcmp(e->name, "spread") == 0 || strcmp(e->name, "fit") == 0)
            return b->cell->H;
        break;
    default:
        break;
    }
    /* Element-wise: what any operand knows; an operand of dimension 1 knows nothing of the others.
     */
    for (int i = 0; i < e->args; i++) {
        if (i == 0 && e->kind == CBI_EXPR_CALL && strcmp(e->name, "clock") == 0)
            continue;
        size_t d = cbi_infer(b, e->arg[i]);
        if (d > 1)
            return d;
        if (d == 0)
            best = 0;
    }
    return best;
}

cb_status cbi_check_dim(cbi_builder *b, const cbi_expr *e, const char *what, size_t has,
                        size_t want) {
    if (has == want || has == 1 || want == 0)
        return CB_OK;
    return FAIL(b, CB_ESHAPE, e->place, "%s%s has dimension %zu, its place needs %zu", what,
                e->name, has, want);
}

static cb_status build_vector(cbi_builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    size_t dim = vector_dim(b, e->name);
    uint32_t param;
    if (dim == 0)
        dim = want;
    if (dim == 0)
        return FAIL(
            b, CB_ESHAPE, e->place,
            "the dimension of '%s' cannot be told here: give its term an equation of its own",
            e->name);
    cb_status st = cbi_check_dim(b, e, "learned vector ", dim, want);
    if (st != CB_OK || (st = cbi_get_param(b, e, dim, 0, &param)) != CB_OK)
        return st;
    *out = cbi_graph_leaf(&b->cell->graph, CBI_VECTOR, dim, param);
    return CB_OK;
}

static cb_status build_name(cbi_builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    cb_cell *cell = b->cell;
    const cbi_state *state = cbi_find_state(b, e->name);
    const cbi_value *value = cbi_find_value(cell, e->name);
    const cbi_stmt *set = cbi_find_stmt(b, CBI_STMT_SET, e->name);
    if (strchr(e->name, '_'))
        return cbi_is_family(b, e->name)
                   ? build_vector(b, e, want, out)
                   : FAIL(
                         b, CB_EPARSE, e->place,
                         "'%.*s' is no family of learned vectors: b, p, or declare it with 'param'",
                         (int)cbi_family_length(e->name), e->name);
    if (strcmp(e->name, "x") == 0) {
        if (cell->kind == CB_INPUT_NONE)
            return FAIL(b, CB_ESHAPE, e->place, "there is no input here (I = 0)");
        if (cell->kind == CB_INPUT_INDEX)
            return FAIL(b, CB_ESHAPE, e->place,
                        "the input is an index: it may only be multiplied by a matrix");
        if (cell->I != want && cell->I != 1 && want == cell->H)
            return FAIL(b, CB_ESHAPE, e->place,
                        "x has dimension %zu, its place needs %zu: write fit(x)", cell->I, want);
        *out = cbi_graph_leaf(&cell->graph, CBI_INPUT, cell->I, 0);
        return cbi_check_dim(b, e, "", cell->I, want);
    }
    if (state != NULL) {
        *out = state->old;
        return cbi_check_dim(b, e, "state ", state->dim, want);
    }
    if (value != NULL) {
        *out = value->ref;
        return cbi_check_dim(b, e, "", value->dim, want);
    }
    if (set != NULL) {
        if (cbi_is_list(b, set))
            return FAIL(b, CB_EPARSE, e->place, "setting '%s' is a list, a number is needed",
                        e->name);
        *out = cbi_graph_number(&cell->graph, set->numbers[0]);
        return CB_OK;
    }
    if (cbi_is_family(b, e->name))
        return build_vector(b, e, want, out);
    return cbi_unknown_name(b, e);
}

static cb_status build_next(cbi_builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    const cbi_state *state = cbi_find_state(b, e->name);
    if (state == NULL)
        return FAIL(b, CB_EPARSE, e->place, "%s' : '%s' is not a state", e->name, e->name);
    if (state->next == CBI_NONE)
        return FAIL(b, CB_EPARSE, e->place, "%s' is not known yet: its equation must stand above",
                    e->name);
    *out = state->next;
    return cbi_check_dim(b, e, "state ", state->dim, want);
}

static cb_status build_lower(cbi_builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    cb_cell *cell = b->cell;
    if (cell->below == NULL)
        return FAIL(b, CB_EARG, e->place,
                    "this cell reads lower.%s and cannot be the lowest layer%s%s", e->name,
                    cell->lowest ? ": there stands " : ": another cell must stand below it",
                    cell->lowest ? cell->lowest : "");
    const cbi_value *value = lower_value(b, e->name);
    if (value == NULL) {
        cbi_near near;
        cbi_near_init(&near, e->name);
        for (size_t i = 0; i < cell->below->value_count; i++)
            cbi_near_offer(&near, cell->below->values[i].name);
        return FAIL(b, CB_EARG, e->place, "the layer below (%s) has no value '%s'%s",
                    cell->below->name, e->name, cbi_near_text(&near));
    }
    uint32_t index = (uint32_t)(value - cell->below->values);
    size_t r = 0;
    while (r < cell->read_count && cell->reads[r].value != index)
        r++;
    if (r == cell->read_count) {
        if (cbi_grow((void **)&cell->reads, &cell->read_capacity, r + 1, sizeof *cell->reads))
            return cbi_no_memory(b);
        cell->reads[r] = (cbi_read){index, 0};
        cell->reads[r].node = cbi_graph_leaf(&cell->graph, CBI_LOWER, value->dim, (uint32_t)r);
        cell->read_count++;
    }
    *out = cell->reads[r].node;
    return cbi_check_dim(b, e, "lower.", value->dim, want);
}

static cb_status build_apply(cbi_builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    cb_cell *cell = b->cell;
    const cbi_expr *operand = &b->ast->exprs[e->arg[0]];
    int is_x = operand->kind == CBI_EXPR_NAME && strcmp(operand->name, "x") == 0;
    cb_status st;
    cbi_ref value;
    uint32_t param;
    if (cbi_contains_matrix(b, e->arg[0]))
        return FAIL(b, CB_EPARSE, operand->place,
                    "a matrix (or fit) inside a matrix's operand needs an equation of its own");
    if (want == 0)
        return FAIL(
            b, CB_ESHAPE, e->place,
            "the dimension of %s cannot be told here: give its product an equation of its own",
            e->name);
    if (is_x && cell->kind == CB_INPUT_NONE) {
        *out = cbi_graph_number(&cell->graph, 0);
        return CB_OK;
    }
    if (is_x) {
        value = cbi_graph_leaf(&cell->graph, CBI_INPUT, cell->I, 0);
    } else {
        /* Built before its dimension is asked for: an unknown name inside explains itself better.
         */
        size_t dim = cbi_infer(b, e->arg[0]);
        if ((st = cbi_build_expr(b, e->arg[0], dim, &value)) != CB_OK)
            return st;
        if (dim == 0)
            return FAIL(b, CB_ESHAPE, operand->place,
                        "the dimension of the operand of %s cannot be told", e->name);
        cbi_kind kind = cell->graph.node[value].kind;
        if (kind == CBI_NUMBER || kind == CBI_VECTOR)
            return FAIL(b, CB_EPARSE, operand->place,
                        "a matrix multiplies a value of the step, not a constant: use b");
    }
    if ((st = cbi_get_param(b, e, want, cell->graph.node[value].dim, &param)) != CB_OK)
        return st;
    *out = cbi_graph_product(&cell->graph, CBI_PRODUCT, want, param, value);
    return CB_OK;
}

cb_status cbi_build_pointwise(cbi_builder *b, const cbi_expr *e, const cbi_op *op, size_t want,
                              cbi_ref *out) {
    cbi_ref arg[3] = {0, 0, 0};
    cb_status st;
    size_t dim = want;
    for (int i = 0; dim == 0 && i < e->args; i++)
        dim = cbi_infer(b, e->arg[i]) > 1 ? cbi_infer(b, e->arg[i]) : 0;
    for (int i = 0; i < e->args; i++)
        if ((st = cbi_build_expr(b, e->arg[i], dim ? dim : cbi_infer(b, e->arg[i]), &arg[i])) !=
            CB_OK)
            return st;
    *out = cbi_graph_apply(&b->cell->graph, op, arg);
    return CB_OK;
}

cb_status cbi_build_expr(cbi_builder *b, int index, size_t want, cbi_ref *out) {
    static const char *const operators[] = {"add", "sub", "mul", "div", "neg"};
    /* The tree does not grow while it is read: pointers into it stay good. */
    const cbi_expr *e = &b->ast->exprs[index];
    switch (e->kind) {
    case CBI_EXPR_NUMBER:
        *out = cbi_graph_number(&b->cell->graph, e->number);
        return CB_OK;
    case CBI_EXPR_NAME:
        return build_name(b, e, want, out);
    case CBI_EXPR_NEXT:
        return build_next(b, e, want, out);
    case CBI_EXPR_LOWER:
        return build_lower(b, e, want, out);
    case CBI_EXPR_CALL:
        return cbi_build_call(b, e, want, out);
    case CBI_EXPR_APPLY:
        return build_apply(b, e, want, out);
    default:
        return cbi_build_pointwise(b, e, cbi_op_find(operators[e->kind - CBI_EXPR_ADD]), want, out);
    }
}
