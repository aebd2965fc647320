/* SPDX-License-Identifier: MIT */
/*
 * What a name stands for, and what an integer expression is worth. Nothing here makes nodes.
 */
#include "cell/build.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

cb_status cbi_no_memory(cbi_builder *b) {
    return cb_fail(b->err, CB_ENOMEM, "%s: out of memory", b->cell->name);
}

const cbi_stmt *cbi_find_stmt(const cbi_builder *b, cbi_stmt_kind kind, const char *name) {
    for (size_t i = 0; i < b->ast->stmt_count; i++)
        if (b->ast->stmts[i].kind == kind && strcmp(b->ast->stmts[i].name, name) == 0)
            return &b->ast->stmts[i];
    return NULL;
}

cbi_state *cbi_find_state(const cbi_builder *b, const char *name) {
    for (size_t i = 0; i < b->cell->state_count; i++)
        if (strcmp(b->cell->states[i].name, name) == 0)
            return &b->cell->states[i];
    return NULL;
}

/* Equations and next states that stand above the current one. */
const cbi_value *cbi_find_value(const cb_cell *cell, const char *name) {
    for (size_t i = 0; i < cell->value_count; i++)
        if (strcmp(cell->values[i].name, name) == 0)
            return &cell->values[i];
    return NULL;
}

int cbi_is_builtin_family(const char *name) {
    return (name[0] == 'b' || name[0] == 'p') && strspn(name + 1, "0123456789") == strlen(name + 1);
}

size_t cbi_family_length(const char *name) {
    return strcspn(name, "_");
}

int cbi_is_family(const cbi_builder *b, const char *name) {
    char family[CBI_NAME_SIZE];
    snprintf(family, sizeof family, "%.*s", (int)cbi_family_length(name), name);
    return cbi_is_builtin_family(family) || cbi_find_stmt(b, CBI_STMT_PARAM, family) != NULL;
}

const char *const cbi_special_functions[] = {"sum",   "mean", "norm",   "stop",
                                             "clock", "fit",  "spread", NULL};

int cbi_is_function(const char *name) {
    for (int i = 0; cbi_special_functions[i]; i++)
        if (strcmp(cbi_special_functions[i], name) == 0)
            return 1;
    const cbi_op *op = cbi_op_find(name);
    return op != NULL && op->use == CBI_OP_FUNCTION;
}

/* A list is what clock() reads, or what has more than one number. */
int cbi_is_list(const cbi_builder *b, const cbi_stmt *set) {
    for (size_t i = 0; i < b->ast->expr_count; i++) {
        const cbi_expr *e = &b->ast->exprs[i];
        if (e->kind == CBI_EXPR_CALL && strcmp(e->name, "clock") == 0 && e->args > 0 &&
            strcmp(b->ast->exprs[e->arg[0]].name, set->name) == 0)
            return 1;
    }
    return set->number_count > 1;
}

cb_status cbi_unknown_name(cbi_builder *b, const cbi_expr *e) {
    cbi_near near;
    cbi_near_init(&near, e->name);
    if (b->cell->kind != CB_INPUT_NONE)
        cbi_near_offer(&near, "x");
    for (size_t i = 0; i < b->cell->state_count; i++)
        cbi_near_offer(&near, b->cell->states[i].name);
    for (size_t i = 0; i < b->cell->value_count; i++)
        cbi_near_offer(&near, b->cell->values[i].name);
    for (size_t i = 0; i < b->ast->stmt_count; i++)
        if (b->ast->stmts[i].kind == CBI_STMT_SET || b->ast->stmts[i].kind == CBI_STMT_PARAM)
            cbi_near_offer(&near, b->ast->stmts[i].name);
    const cbi_stmt *later = cbi_find_stmt(b, CBI_STMT_EQUATION, e->name);
    if (later != NULL)
        return FAIL(b, CB_EPARSE, e->place, "'%s' is not known yet: its equation stands in line %d",
                    e->name, later->place.line);
    if (cbi_find_stmt(b, CBI_STMT_DIM, e->name) != NULL)
        return FAIL(b, CB_EPARSE, e->place, "'%s' is a dimension, not a value", e->name);
    if (cbi_is_function(e->name))
        return FAIL(b, CB_EPARSE, e->place, "'%s' is a function: write %s(...)", e->name, e->name);
    return FAIL(b, CB_EPARSE, e->place, "unknown name '%s'%s", e->name, cbi_near_text(&near));
}

/* ---- integer expressions ---- */

static cb_status int_name(cbi_builder *b, const cbi_expr *e, double *out) {
    if (strcmp(e->name, "H") == 0 || strcmp(e->name, "I") == 0) {
        *out = (double)(e->name[0] == 'H' ? b->cell->H : b->cell->I);
        return CB_OK;
    }
    const cbi_stmt *set = cbi_find_stmt(b, CBI_STMT_SET, e->name);
    const cbi_stmt *dim = cbi_find_stmt(b, CBI_STMT_DIM, e->name);
    if (set != NULL) {
        if (cbi_is_list(b, set) || set->numbers[0] != floor(set->numbers[0]))
            return FAIL(b, CB_EARG, e->place, "setting '%s' is not a whole number", e->name);
        *out = set->numbers[0];
        return CB_OK;
    }
    if (dim != NULL && dim->value == 0)
        return FAIL(b, CB_EPARSE, e->place, "dimension '%s' is not known yet: it stands in line %d",
                    e->name, dim->place.line);
    if (dim != NULL) {
        *out = (double)dim->value;
        return CB_OK;
    }
    cbi_near near;
    cbi_near_init(&near, e->name);
    for (size_t i = 0; i < b->ast->stmt_count; i++)
        if (b->ast->stmts[i].kind == CBI_STMT_DIM || b->ast->stmts[i].kind == CBI_STMT_SET)
            cbi_near_offer(&near, b->ast->stmts[i].name);
    return FAIL(b, CB_EPARSE, e->place, "unknown dimension '%s'%s", e->name, cbi_near_text(&near));
}

static cb_status int_value(cbi_builder *b, int index, double *out) {
    const cbi_expr *e = &b->ast->exprs[index];
    double l = 0, r = 0;
    cb_status st;
    if (e->kind == CBI_EXPR_NUMBER) {
        *out = e->number;
        return CB_OK;
    }
    if (e->kind == CBI_EXPR_NAME)
        return int_name(b, e, out);
    if ((st = int_value(b, e->arg[0], &l)) != CB_OK || (st = int_value(b, e->arg[1], &r)) != CB_OK)
        return st;
    switch (e->kind) {
    case CBI_EXPR_ADD:
        *out = l + r;
        break;
    case CBI_EXPR_SUB:
        *out = l - r;
        break;
    case CBI_EXPR_MUL:
        *out = l * r;
        break;
    default:
        if (r == 0 || fmod(l, r) != 0)
            return FAIL(b, CB_ESHAPE, e->place, "%.15g does not divide by %.15g", l, r);
        *out = l / r;
    }
    return CB_OK;
}

cb_status cbi_dim_value(cbi_builder *b, int index, cbi_place place, size_t *out) {
    double value;
    cb_status st = int_value(b, index, &value);
    if (st != CB_OK)
        return st;
    if (!(value >= 1 && value <= 1e7))
        return FAIL(b, CB_ESHAPE, place, "a dimension is at least 1 and at most 1e7, here %.15g",
                    value);
    *out = (size_t)value;
    return CB_OK;
}
