/* SPDX-License-Identifier: MIT */
/*
 * From the tree of a text to the forward graph: settings and dimensions are evaluated, names
 * resolved, parameters named after their equations, and the dimension of every place checked.
 *
 * Dimensions flow from the place inwards: an equation asks its expression for its own dimension, a
 * function asks its arguments for the same. infer() tells what a named operand has before it is
 * built; a learned vector takes what its place asks for.
 */
#include "cell/cell_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

typedef struct builder {
    cb_cell *cell;
    cbi_ast *ast;
    const cbi_stmt *equation; /* the one being built */
    cb_err *err;
} builder;

#define FAIL(b, code, place, ...) cbi_fail_at((b)->err, code, &(b)->ast->source, place, __VA_ARGS__)

static cb_status no_memory(builder *b) {
    return cb_fail(b->err, CB_ENOMEM, "%s: out of memory", b->cell->name);
}

/* ---- names ---- */

static const cbi_stmt *find_stmt(const builder *b, cbi_stmt_kind kind, const char *name) {
    for (size_t i = 0; i < b->ast->stmt_count; i++)
        if (b->ast->stmts[i].kind == kind && strcmp(b->ast->stmts[i].name, name) == 0)
            return &b->ast->stmts[i];
    return NULL;
}

static cbi_state *find_state(const builder *b, const char *name) {
    for (size_t i = 0; i < b->cell->state_count; i++)
        if (strcmp(b->cell->states[i].name, name) == 0)
            return &b->cell->states[i];
    return NULL;
}

/* Equations and next states that stand above the current one. */
static const cbi_value *find_value(const cb_cell *cell, const char *name) {
    for (size_t i = 0; i < cell->value_count; i++)
        if (strcmp(cell->values[i].name, name) == 0)
            return &cell->values[i];
    return NULL;
}

static int is_builtin_family(const char *name) {
    return (name[0] == 'b' || name[0] == 'p') && strspn(name + 1, "0123456789") == strlen(name + 1);
}

static size_t family_length(const char *name) {
    return strcspn(name, "_");
}

static int is_family(const builder *b, const char *name) {
    char family[CBI_NAME_SIZE];
    snprintf(family, sizeof family, "%.*s", (int)family_length(name), name);
    return is_builtin_family(family) || find_stmt(b, CBI_STMT_PARAM, family) != NULL;
}

static const char *const special_functions[] = {"sum",   "mean", "norm",   "stop",
                                                "clock", "fit",  "spread", NULL};

static int is_function(const char *name) {
    for (int i = 0; special_functions[i]; i++)
        if (strcmp(special_functions[i], name) == 0)
            return 1;
    const cbi_op *op = cbi_op_find(name);
    return op != NULL && op->use == CBI_OP_FUNCTION;
}

/* A list is what clock() reads, or what has more than one number. */
static int is_list(const builder *b, const cbi_stmt *set) {
    for (size_t i = 0; i < b->ast->expr_count; i++) {
        const cbi_expr *e = &b->ast->exprs[i];
        if (e->kind == CBI_EXPR_CALL && strcmp(e->name, "clock") == 0 && e->args > 0 &&
            strcmp(b->ast->exprs[e->arg[0]].name, set->name) == 0)
            return 1;
    }
    return set->number_count > 1;
}

static cb_status unknown_name(builder *b, const cbi_expr *e) {
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
    const cbi_stmt *later = find_stmt(b, CBI_STMT_EQUATION, e->name);
    if (later != NULL)
        return FAIL(b, CB_EPARSE, e->place, "'%s' is not known yet: its equation stands in line %d",
                    e->name, later->place.line);
    return FAIL(b, CB_EPARSE, e->place, "unknown name '%s'%s", e->name, cbi_near_text(&near));
}

/* ---- integer expressions ---- */

static cb_status int_value(builder *b, int index, size_t before, double *out) {
    const cbi_expr *e = &b->ast->exprs[index];
    double l, r;
    cb_status st;
    if (e->kind == CBI_EXPR_NUMBER) {
        *out = e->number;
        return CB_OK;
    }
    if (e->kind == CBI_EXPR_NAME) {
        if (strcmp(e->name, "H") == 0 || strcmp(e->name, "I") == 0) {
            *out = (double)(e->name[0] == 'H' ? b->cell->H : b->cell->I);
            return CB_OK;
        }
        const cbi_stmt *set = find_stmt(b, CBI_STMT_SET, e->name);
        if (set != NULL) {
            if (is_list(b, set) || set->numbers[0] != floor(set->numbers[0]))
                return FAIL(b, CB_EARG, e->place, "setting '%s' is not a whole number", e->name);
            *out = set->numbers[0];
            return CB_OK;
        }
        for (size_t i = 0; i < before; i++)
            if (b->ast->stmts[i].kind == CBI_STMT_DIM && strcmp(b->ast->stmts[i].name, e->name) == 0)
                return int_value(b, b->ast->stmts[i].expr, i, out);
        cbi_near near;
        cbi_near_init(&near, e->name);
        for (size_t i = 0; i < b->ast->stmt_count; i++)
            if (b->ast->stmts[i].kind == CBI_STMT_DIM || b->ast->stmts[i].kind == CBI_STMT_SET)
                cbi_near_offer(&near, b->ast->stmts[i].name);
        return FAIL(b, CB_EPARSE, e->place, "unknown dimension '%s'%s", e->name,
                    cbi_near_text(&near));
    }
    if ((st = int_value(b, e->arg[0], before, &l)) != CB_OK ||
        (st = int_value(b, e->arg[1], before, &r)) != CB_OK)
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
            return FAIL(b, CB_ESHAPE, e->place, "%.0f does not divide by %.0f", l, r);
        *out = l / r;
    }
    return CB_OK;
}

static cb_status dim_value(builder *b, int index, cbi_place place, size_t *out) {
    double value;
    cb_status st = int_value(b, index, b->ast->stmt_count, &value);
    if (st != CB_OK)
        return st;
    if (!(value >= 1 && value <= 1e7))
        return FAIL(b, CB_ESHAPE, place, "a dimension is at least 1 and at most 1e7, here %.0f",
                    value);
    *out = (size_t)value;
    return CB_OK;
}

/* ---- parameters ---- */

static cb_status get_param(builder *b, const cbi_expr *e, size_t rows, size_t cols, uint32_t *out) {
    cb_cell *cell = b->cell;
    char name[2 * CBI_NAME_SIZE], family[CBI_NAME_SIZE];
    snprintf(family, sizeof family, "%.*s", (int)family_length(e->name), e->name);
    if (strchr(e->name, '_'))
        snprintf(name, sizeof name, "%s", e->name);
    else
        snprintf(name, sizeof name, "%s_%s", e->name, b->equation->name);
    for (size_t i = 0; i < cell->param_count; i++) {
        const cb_param *p = &cell->params[i];
        if (strcmp(p->name, name) != 0)
            continue;
        if (p->rows != rows || p->cols != cols)
            return FAIL(b, CB_ESHAPE, e->place, "'%s' is %zu x %zu above, here %zu x %zu is needed",
                        name, p->rows, p->cols ? p->cols : 1, rows, cols ? cols : 1);
        *out = (uint32_t)i;
        return CB_OK;
    }
    size_t free_count = rows;
    if (cols && cb_size_mul(rows, cols, &free_count) != CB_OK)
        return FAIL(b, CB_ESHAPE, e->place, "'%s' of %zu x %zu is too large", name, rows, cols);
    if (free_count > ((size_t)1 << 31))
        return FAIL(b, CB_ESHAPE, e->place, "'%s' of %zu x %zu is too large", name, rows, cols);
    if (cbi_grow((void **)&cell->params, &cell->param_capacity, cell->param_count + 1,
                 sizeof *cell->params) != CB_OK)
        return no_memory(b);
    cb_param *p = &cell->params[cell->param_count];
    memset(p, 0, sizeof *p);
    p->name = cbi_strdup(name);
    p->family = cbi_strdup(family);
    *out = (uint32_t)cell->param_count++;
    if (p->name == NULL || p->family == NULL)
        return no_memory(b);
    p->rows = rows;
    p->cols = cols;
    p->free_count = free_count;
    p->init = (cb_init){cols ? CB_LAW_GLOROT : CB_LAW_ZERO, 0};
    return CB_OK;
}

/* ---- expressions ---- */

static int contains_matrix(const builder *b, int index) {
    const cbi_expr *e = &b->ast->exprs[index];
    if (e->kind == CBI_EXPR_APPLY || (e->kind == CBI_EXPR_CALL && strcmp(e->name, "fit") == 0))
        return 1;
    for (int i = 0; i < e->args; i++)
        if (contains_matrix(b, e->arg[i]))
            return 1;
    return 0;
}

/* Dimension of what is declared for a learned vector; 0: its place decides. */
static size_t vector_dim(builder *b, const char *name) {
    char family[CBI_NAME_SIZE];
    snprintf(family, sizeof family, "%.*s", (int)family_length(name), name);
    const cbi_stmt *param = find_stmt(b, CBI_STMT_PARAM, family);
    double value;
    if (param != NULL && param->dim >= 0 &&
        int_value(b, param->dim, b->ast->stmt_count, &value) == CB_OK && value >= 1)
        return (size_t)value;
    return 0;
}

static const cbi_value *lower_value(const builder *b, const char *name) {
    return b->cell->below ? find_value(b->cell->below, name) : NULL;
}

/* 0: cannot be told from the inside. */
static size_t infer(builder *b, int index) {
    const cbi_expr *e = &b->ast->exprs[index];
    size_t best = 1;
    switch (e->kind) {
    case CBI_EXPR_NUMBER:
        return 1;
    case CBI_EXPR_LOWER:
        return lower_value(b, e->name) ? lower_value(b, e->name)->dim : 0;
    case CBI_EXPR_NEXT:
        return find_state(b, e->name) ? find_state(b, e->name)->dim : 0;
    case CBI_EXPR_NAME:
        if (strcmp(e->name, "x") == 0)
            return b->cell->I;
        if (find_state(b, e->name))
            return find_state(b, e->name)->dim;
        if (find_value(b->cell, e->name))
            return find_value(b->cell, e->name)->dim;
        return find_stmt(b, CBI_STMT_SET, e->name) ? 1 : vector_dim(b, e->name);
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
    /* Element-wise: what any operand knows; an operand of dimension 1 knows nothing of the others. */
    for (int i = 0; i < e->args; i++) {
        if (i == 0 && e->kind == CBI_EXPR_CALL && strcmp(e->name, "clock") == 0)
            continue;
        size_t d = infer(b, e->arg[i]);
        if (d > 1)
            return d;
        if (d == 0)
            best = 0;
    }
    return best;
}

static cb_status build(builder *b, int index, size_t want, cbi_ref *out);

static cb_status check_dim(builder *b, const cbi_expr *e, const char *what, size_t has,
                           size_t want) {
    if (has == want || has == 1 || want == 0)
        return CB_OK;
    return FAIL(b, CB_ESHAPE, e->place, "%s%s has dimension %zu, its place needs %zu", what, e->name,
                has, want);
}

static cb_status build_vector(builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    size_t dim = vector_dim(b, e->name);
    uint32_t param;
    if (dim == 0)
        dim = want;
    if (dim == 0)
        return FAIL(b, CB_ESHAPE, e->place,
                    "the dimension of '%s' cannot be told here: give its term an equation of its own",
                    e->name);
    cb_status st = check_dim(b, e, "learned vector ", dim, want);
    if (st != CB_OK || (st = get_param(b, e, dim, 0, &param)) != CB_OK)
        return st;
    *out = cbi_graph_leaf(&b->cell->graph, CBI_VECTOR, dim, param);
    return CB_OK;
}

static cb_status build_name(builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    cb_cell *cell = b->cell;
    const cbi_state *state = find_state(b, e->name);
    const cbi_value *value = find_value(cell, e->name);
    const cbi_stmt *set = find_stmt(b, CBI_STMT_SET, e->name);
    if (strchr(e->name, '_'))
        return is_family(b, e->name)
                   ? build_vector(b, e, want, out)
                   : FAIL(b, CB_EPARSE, e->place,
                          "'%.*s' is no family of learned vectors: b, p, or declare it with 'param'",
                          (int)family_length(e->name), e->name);
    if (strcmp(e->name, "x") == 0) {
        if (cell->kind == CB_INPUT_NONE)
            return FAIL(b, CB_ESHAPE, e->place, "there is no input here (I = 0)");
        if (cell->kind == CB_INPUT_INDEX)
            return FAIL(b, CB_ESHAPE, e->place,
                        "the input is an index: it may only be multiplied by a matrix");
        *out = cbi_graph_leaf(&cell->graph, CBI_INPUT, cell->I, 0);
        return check_dim(b, e, "", cell->I, want);
    }
    if (state != NULL) {
        *out = state->old;
        return check_dim(b, e, "state ", state->dim, want);
    }
    if (value != NULL) {
        *out = value->ref;
        return check_dim(b, e, "", value->dim, want);
    }
    if (set != NULL) {
        if (is_list(b, set))
            return FAIL(b, CB_EPARSE, e->place, "setting '%s' is a list, a number is needed",
                        e->name);
        *out = cbi_graph_number(&cell->graph, set->numbers[0]);
        return CB_OK;
    }
    if (is_family(b, e->name))
        return build_vector(b, e, want, out);
    return unknown_name(b, e);
}

static cb_status build_next(builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    const cbi_state *state = find_state(b, e->name);
    if (state == NULL)
        return FAIL(b, CB_EPARSE, e->place, "%s' : '%s' is not a state", e->name, e->name);
    if (state->next == CBI_NONE)
        return FAIL(b, CB_EPARSE, e->place, "%s' is not known yet: its equation must stand above",
                    e->name);
    *out = state->next;
    return check_dim(b, e, "state ", state->dim, want);
}

static cb_status build_lower(builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
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
            return no_memory(b);
        cell->reads[r] = (cbi_read){index, value->dim, 0};
        cell->reads[r].node = cbi_graph_leaf(&cell->graph, CBI_LOWER, value->dim, (uint32_t)r);
        cell->read_count++;
    }
    *out = cell->reads[r].node;
    return check_dim(b, e, "lower.", value->dim, want);
}

static cb_status build_apply(builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    cb_cell *cell = b->cell;
    const cbi_expr *operand = &b->ast->exprs[e->arg[0]];
    int is_x = operand->kind == CBI_EXPR_NAME && strcmp(operand->name, "x") == 0;
    cb_status st;
    cbi_ref value;
    uint32_t param;
    if (contains_matrix(b, e->arg[0]))
        return FAIL(b, CB_EPARSE, operand->place,
                    "a matrix (or fit) inside a matrix's operand needs an equation of its own");
    if (want == 0)
        return FAIL(b, CB_ESHAPE, e->place,
                    "the dimension of %s cannot be told here: give its product an equation of its own",
                    e->name);
    if (is_x && cell->kind == CB_INPUT_NONE) {
        *out = cbi_graph_number(&cell->graph, 0);
        return CB_OK;
    }
    if (is_x) {
        value = cbi_graph_leaf(&cell->graph, CBI_INPUT, cell->I, 0);
    } else {
        /* Built before its dimension is asked for: an unknown name inside explains itself better. */
        size_t dim = infer(b, e->arg[0]);
        if ((st = build(b, e->arg[0], dim, &value)) != CB_OK)
            return st;
        if (dim == 0)
            return FAIL(b, CB_ESHAPE, operand->place,
                        "the dimension of the operand of %s cannot be told", e->name);
        cbi_kind kind = cell->graph.node[value].kind;
        if (kind == CBI_NUMBER || kind == CBI_VECTOR)
            return FAIL(b, CB_EPARSE, operand->place,
                        "a matrix multiplies a value of the step, not a constant: use b");
    }
    if ((st = get_param(b, e, want, cell->graph.node[value].dim, &param)) != CB_OK)
        return st;
    *out = cbi_graph_product(&cell->graph, CBI_PRODUCT, want, param, value);
    return CB_OK;
}

/* sum and mean (scale 1/n). */
static cb_status build_sum(builder *b, const cbi_expr *e, cbi_ref *out) {
    cbi_graph *g = &b->cell->graph;
    if (contains_matrix(b, e->arg[0]))
        return FAIL(b, CB_EPARSE, e->place, "a matrix inside %s needs an equation of its own",
                    e->name);
    size_t dim = infer(b, e->arg[0]);
    cbi_ref arg;
    cb_status st = build(b, e->arg[0], dim, &arg);
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
static cb_status build_norm(builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    cbi_graph *g = &b->cell->graph;
    cbi_ref arg;
    size_t dim = infer(b, e->arg[0]);
    if (dim <= 1)
        dim = want;
    cb_status st = build(b, e->arg[0], dim, &arg);
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
    return check_dim(b, e, "", dim, want);
}

static cb_status add_list(builder *b, const cbi_stmt *set, cbi_place place, uint32_t *out) {
    cb_cell *cell = b->cell;
    if (cbi_grow((void **)&cell->lists, &cell->list_capacity, cell->list_count + 1,
                 sizeof *cell->lists))
        return no_memory(b);
    cbi_list *list = &cell->lists[cell->list_count];
    list->count = set->number_count;
    list->values = cbi_calloc(list->count, sizeof *list->values);
    if (list->values == NULL)
        return no_memory(b);
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

static cb_status build_clock(builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    cbi_graph *g = &b->cell->graph;
    const cbi_expr *periods = &b->ast->exprs[e->arg[0]];
    const cbi_stmt *set =
        periods->kind == CBI_EXPR_NAME ? find_stmt(b, CBI_STMT_SET, periods->name) : NULL;
    if (set == NULL)
        return FAIL(b, CB_EPARSE, periods->place, "the first argument of clock is a setting");
    if (want <= 1)
        want = infer(b, e->arg[1]) > 1 ? infer(b, e->arg[1]) : infer(b, e->arg[2]);
    if (want == 0 || want % set->number_count)
        return FAIL(b, CB_ESHAPE, e->place,
                    "dimension %zu cannot be cut into %zu equal groups (setting '%s')", want,
                    set->number_count, set->name);
    uint32_t list;
    cbi_ref arg[3];
    cb_status st;
    if ((st = add_list(b, set, periods->place, &list)) != CB_OK ||
        (st = build(b, e->arg[1], want, &arg[1])) != CB_OK ||
        (st = build(b, e->arg[2], want, &arg[2])) != CB_OK)
        return st;
    arg[0] = cbi_graph_leaf(g, CBI_CLOCK, want, list);
    *out = cbi_graph_apply(g, cbi_op_find("select"), arg);
    return CB_OK;
}

static cb_status build_fit(builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    const cbi_expr *arg = &b->ast->exprs[e->arg[0]];
    cb_cell *cell = b->cell;
    if (arg->kind != CBI_EXPR_NAME || strcmp(arg->name, "x") != 0)
        return FAIL(b, CB_EPARSE, arg->place, "fit takes x");
    cb_status st = check_dim(b, e, "", cell->H, want);
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
    if ((st = get_param(b, &matrix, cell->H, cell->I, &param)) != CB_OK)
        return st;
    *out = cbi_graph_product(&cell->graph, CBI_PRODUCT, cell->H, param, x);
    return CB_OK;
}

static cb_status build_spread(builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    size_t dim = infer(b, e->arg[0]), H = b->cell->H;
    cb_status st;
    if (dim == 0 || H % dim)
        return FAIL(b, CB_ESHAPE, e->place, "spread: H = %zu is no multiple of dimension %zu", H,
                    dim);
    if ((st = build(b, e->arg[0], dim, out)) != CB_OK)
        return st;
    *out = cbi_graph_map(&b->cell->graph, CBI_SPREAD, H, *out);
    return check_dim(b, e, "", H, want);
}

static cb_status build_pointwise(builder *b, const cbi_expr *e, const cbi_op *op, size_t want,
                                 cbi_ref *out) {
    cbi_ref arg[3] = {0, 0, 0};
    cb_status st;
    size_t dim = want;
    for (int i = 0; dim == 0 && i < e->args; i++)
        dim = infer(b, e->arg[i]) > 1 ? infer(b, e->arg[i]) : 0;
    for (int i = 0; i < e->args; i++)
        if ((st = build(b, e->arg[i], dim ? dim : infer(b, e->arg[i]), &arg[i])) != CB_OK)
            return st;
    *out = cbi_graph_apply(&b->cell->graph, op, arg);
    return CB_OK;
}

static cb_status build_call(builder *b, const cbi_expr *e, size_t want, cbi_ref *out) {
    static const struct {
        const char *name;
        int args;
    } arity[] = {{"sum", 1}, {"mean", 1}, {"norm", 1},   {"stop", 1},
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
        for (int i = 0; special_functions[i]; i++)
            cbi_near_offer(&near, special_functions[i]);
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
    return build_pointwise(b, e, op, want, out);
}

static cb_status build(builder *b, int index, size_t want, cbi_ref *out) {
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
        return build_call(b, e, want, out);
    case CBI_EXPR_APPLY:
        return build_apply(b, e, want, out);
    default:
        return build_pointwise(b, e, cbi_op_find(operators[e->kind - CBI_EXPR_ADD]), want, out);
    }
}

/* ---- declarations ---- */

static cb_status override_settings(builder *b, const cb_cell_setting *settings, size_t count) {
    for (size_t i = 0; i < count; i++) {
        cbi_stmt *set = (cbi_stmt *)find_stmt(b, CBI_STMT_SET, settings[i].name);
        if (set == NULL) {
            cbi_near near;
            cbi_near_init(&near, settings[i].name);
            for (size_t k = 0; k < b->ast->stmt_count; k++)
                if (b->ast->stmts[k].kind == CBI_STMT_SET)
                    cbi_near_offer(&near, b->ast->stmts[k].name);
            return cb_fail(b->err, CB_EARG, "%s: the cell has no setting '%s'%s", b->cell->name,
                           settings[i].name, cbi_near_text(&near));
        }
        if (settings[i].count == 0 || settings[i].count > 4096)
            return cb_fail(b->err, CB_EARG, "%s: setting '%s': expected 1 to 4096 numbers, got %zu",
                           b->cell->name, set->name, settings[i].count);
        if (!is_list(b, set) && settings[i].count != 1)
            return cb_fail(b->err, CB_EARG, "%s: setting '%s' is a number, got a list of %zu",
                           b->cell->name, set->name, settings[i].count);
        double *numbers = cbi_calloc(settings[i].count, sizeof *numbers);
        if (numbers == NULL)
            return no_memory(b);
        for (size_t k = 0; k < settings[i].count; k++) {
            numbers[k] = settings[i].values[k];
            if (!isfinite(numbers[k])) {
                cbi_free(numbers);
                return cb_fail(b->err, CB_EARG, "%s: setting '%s' is not finite", b->cell->name,
                               set->name);
            }
        }
        cbi_free(set->numbers);
        set->numbers = numbers;
        set->number_count = settings[i].count;
    }
    return CB_OK;
}

/* A name may stand for one thing only. */
static cb_status check_new_name(builder *b, const cbi_stmt *s) {
    const char *what = NULL;
    if (strcmp(s->name, "x") == 0 || strcmp(s->name, "t") == 0 || strcmp(s->name, "lower") == 0)
        what = "a given name";
    else if (is_function(s->name))
        what = "a function";
    else if (is_builtin_family(s->name))
        what = "a family of learned vectors";
    for (size_t i = 0; what == NULL && &b->ast->stmts[i] < s; i++) {
        const cbi_stmt *o = &b->ast->stmts[i];
        int names_it = o->kind == CBI_STMT_STATE || o->kind == CBI_STMT_SET ||
                       o->kind == CBI_STMT_DIM || o->kind == CBI_STMT_PARAM ||
                       o->kind == CBI_STMT_EQUATION;
        if (names_it && strcmp(o->name, s->name) == 0 &&
            !(s->kind == CBI_STMT_EQUATION && s->prime && o->kind == CBI_STMT_STATE))
            return FAIL(b, CB_EPARSE, s->place, "'%s' is already defined in line %d", s->name,
                        o->place.line);
    }
    return what == NULL ? CB_OK
                        : FAIL(b, CB_EPARSE, s->place, "'%s' is %s and cannot be defined", s->name,
                               what);
}

static cb_status declare_state(builder *b, const cbi_stmt *s) {
    cb_cell *cell = b->cell;
    if (cbi_grow((void **)&cell->states, &cell->state_capacity, cell->state_count + 1,
                 sizeof *cell->states))
        return no_memory(b);
    cbi_state *state = &cell->states[cell->state_count];
    memset(state, 0, sizeof *state);
    memcpy(state->name, s->name, sizeof state->name);
    state->place = s->place;
    state->dim = cell->H;
    state->next = CBI_NONE;
    state->learned = s->learned;
    state->init = s->has_number ? s->numbers[0] : 0;
    if (s->dim >= 0) {
        cb_status st = dim_value(b, s->dim, s->place, &state->dim);
        if (st != CB_OK)
            return st;
    }
    state->old =
        cbi_graph_leaf(&cell->graph, CBI_STATE, state->dim, (uint32_t)cell->state_count++);
    return CB_OK;
}

static cb_status declare(builder *b) {
    cb_status st;
    for (size_t i = 0; i < b->ast->stmt_count; i++) {
        const cbi_stmt *s = &b->ast->stmts[i];
        size_t dim;
        if ((s->kind <= CBI_STMT_PARAM || s->kind == CBI_STMT_EQUATION) &&
            (st = check_new_name(b, s)) != CB_OK)
            return st;
        if (s->kind == CBI_STMT_STATE && (st = declare_state(b, s)) != CB_OK)
            return st;
        if (s->kind == CBI_STMT_DIM && (st = dim_value(b, s->expr, s->place, &dim)) != CB_OK)
            return st;
        if (s->kind == CBI_STMT_PARAM && s->dim >= 0 &&
            (st = dim_value(b, s->dim, s->place, &dim)) != CB_OK)
            return st;
        if (s->kind == CBI_STMT_LOWEST) {
            cbi_free(b->cell->lowest);
            if ((b->cell->lowest = cbi_strdup(s->word)) == NULL)
                return no_memory(b);
        }
    }
    if (b->cell->state_count == 0)
        return FAIL(b, CB_EPARSE, ((cbi_place){1, 1}), "a cell needs at least one state");
    return CB_OK;
}

/* ---- equations ---- */

static int is_leaf(const cbi_graph *graph, cbi_ref ref) {
    return graph->node[ref].kind < CBI_PRODUCT;
}

static cb_status build_equation(builder *b, const cbi_stmt *s) {
    cb_cell *cell = b->cell;
    cbi_state *state = find_state(b, s->name);
    size_t dim = cell->H;
    cb_status st;
    cbi_ref ref;
    if (s->prime && state == NULL)
        return FAIL(b, CB_EPARSE, s->place, "%s' = ...: '%s' is not declared with 'state'", s->name,
                    s->name);
    if (s->prime)
        dim = state->dim;
    else if (s->dim >= 0 && (st = dim_value(b, s->dim, s->place, &dim)) != CB_OK)
        return st;
    if (find_value(cell, s->name))
        return FAIL(b, CB_EPARSE, s->place, "'%s' has two equations", s->name);
    b->equation = s;
    if ((st = build(b, s->expr, dim, &ref)) != CB_OK)
        return st;
    if (cell->graph.node[ref].dim != dim) {
        if (cell->graph.node[ref].kind != CBI_NUMBER)
            return FAIL(b, CB_ESHAPE, s->place,
                        "the expression has dimension %zu, '%s' has %zu: write %s[%zu] = ...",
                        cell->graph.node[ref].dim, s->name, dim, s->name,
                        cell->graph.node[ref].dim);
        ref = cbi_graph_map(&cell->graph, CBI_BROADCAST, dim, ref);
    }
    if (s->prime) {
        int shared = is_leaf(&cell->graph, ref);
        for (size_t i = 0; i < cell->state_count; i++)
            shared |= cell->states[i].next == ref;
        state->next = shared ? cbi_graph_copy(&cell->graph, dim, ref) : ref;
        ref = state->next;
    }
    if (cbi_grow((void **)&cell->values, &cell->value_capacity, cell->value_count + 1,
                 sizeof *cell->values))
        return no_memory(b);
    cbi_value *value = &cell->values[cell->value_count++];
    memset(value, 0, sizeof *value);
    memcpy(value->name, s->name, sizeof value->name);
    value->ref = ref;
    value->dim = dim;
    return CB_OK;
}

static cb_status build_output(builder *b) {
    cb_cell *cell = b->cell;
    const cbi_stmt *out = NULL;
    for (size_t i = 0; i < b->ast->stmt_count; i++) {
        const cbi_stmt *s = &b->ast->stmts[i];
        if (s->kind == CBI_STMT_OUTPUT && out != NULL)
            return FAIL(b, CB_EPARSE, s->place, "a second output");
        if (s->kind == CBI_STMT_OUTPUT)
            out = s;
    }
    const char *name = out ? out->name : "h";
    int prime = out ? out->prime : 1;
    const cbi_state *state = find_state(b, name);
    const cbi_value *value = find_value(cell, name);
    if (out == NULL && state == NULL)
        return FAIL(b, CB_EPARSE, ((cbi_place){1, 1}),
                    "there is no state h: say with 'output' what the layer above sees");
    if (value == NULL || prime != (state != NULL)) {
        cbi_near near;
        cbi_near_init(&near, name);
        for (size_t i = 0; i < cell->value_count; i++)
            cbi_near_offer(&near, cell->values[i].name);
        return FAIL(b, CB_EPARSE, out->place, "output: '%s%s' is no %s%s", name, prime ? "'" : "",
                    prime ? "state" : "equation", state && !prime ? " (write it with ')" : cbi_near_text(&near));
    }
    snprintf(cell->output_name, sizeof cell->output_name, "%s%s", name, prime ? "'" : "");
    cell->output = value->ref;
    if (!prime && is_leaf(&cell->graph, value->ref))
        cell->output = cbi_graph_copy(&cell->graph, value->dim, value->ref);
    return CB_OK;
}

/* ---- what declarations say of parameters ---- */

static cb_status set_structure(builder *b, const cbi_stmt *s, cb_param *p) {
    static const char *const names[] = {"full",  "diagonal", "blockdiag",
                                        "upper", "lower",    "antisymmetric"};
    int kind = 0;
    while (kind < 6 && strcmp(names[kind], s->word) != 0)
        kind++;
    if (kind == 6) {
        cbi_near near;
        cbi_near_init(&near, s->word);
        for (int i = 0; i < 6; i++)
            cbi_near_offer(&near, names[i]);
        return FAIL(b, CB_EPARSE, s->place, "unknown structure '%s'%s", s->word,
                    cbi_near_text(&near));
    }
    int takes = kind == CB_STRUCTURE_BLOCKDIAG || kind == CB_STRUCTURE_UPPER ||
                kind == CB_STRUCTURE_LOWER;
    if (takes != (s->number_count == 1 || s->argument[0]))
        return FAIL(b, CB_EPARSE, s->place, "%s %s", s->word,
                    takes ? "needs a number of blocks: (n)" : "takes no argument");
    double n = s->number_count ? s->numbers[0] : 1;
    if (s->argument[0]) {
        const cbi_stmt *set = find_stmt(b, CBI_STMT_SET, s->argument);
        if (set == NULL)
            return FAIL(b, CB_EPARSE, s->place, "'%s' is not a setting", s->argument);
        n = is_list(b, set) ? (double)set->number_count : set->numbers[0];
    }
    if (n != floor(n) || n < 1 || n > 1e6)
        return FAIL(b, CB_EARG, s->place, "the number of blocks is a whole number >= 1, got %g", n);
    size_t blocks = (size_t)n, r = p->rows, c = p->cols;
    if (kind != CB_STRUCTURE_FULL && kind != CB_STRUCTURE_BLOCKDIAG && r != c)
        return FAIL(b, CB_ESHAPE, s->place, "%s needs a square matrix, '%s' is %zu x %zu", s->word,
                    p->name, r, c);
    if (r % blocks || c % blocks)
        return FAIL(b, CB_ESHAPE, s->place, "'%s' of %zu x %zu cannot be cut into %zu blocks a side",
                    p->name, r, c, blocks);
    size_t block = (r / blocks) * (c / blocks);
    p->structure = (cb_structure)kind;
    p->blocks = blocks;
    switch (p->structure) {
    case CB_STRUCTURE_DIAGONAL:
        p->free_count = r;
        break;
    case CB_STRUCTURE_BLOCKDIAG:
        p->free_count = blocks * block;
        break;
    case CB_STRUCTURE_UPPER:
    case CB_STRUCTURE_LOWER:
        p->free_count = blocks * (blocks + 1) / 2 * block;
        break;
    case CB_STRUCTURE_ANTISYMMETRIC:
        p->free_count = r * (r - 1) / 2;
        break;
    default:
        break;
    }
    return CB_OK;
}

static cb_status set_init(builder *b, const cbi_stmt *s, cb_param *p) {
    cb_law law;
    int takes;
    cb_err inner;
    if (cbi_law_find(s->word, &law, &takes, &inner) != CB_OK)
        return FAIL(b, CB_EPARSE, s->place, "%s", inner.text);
    if (takes != (s->number_count == 1))
        return FAIL(b, CB_EPARSE, s->place, "%s %s", s->word,
                    takes ? "needs a number: (a)" : "takes no number");
    if (p->cols == 0 && (law == CB_LAW_ORTHOGONAL || law == CB_LAW_IDENTITY || law == CB_LAW_GLOROT))
        return FAIL(b, CB_EARG, s->place, "%s is for matrices, '%s' is a vector", s->word, p->name);
    p->init = (cb_init){law, takes ? s->numbers[0] : 0};
    return CB_OK;
}

/* Applies one declaration to one parameter. */
static cb_status apply_stmt(builder *b, const cbi_stmt *s, cb_param *p) {
    switch (s->kind) {
    case CBI_STMT_MATRIX:
        return set_structure(b, s, p);
    case CBI_STMT_INIT:
        return set_init(b, s, p);
    case CBI_STMT_PARAM:
        p->init = (cb_init){CB_LAW_CONSTANT, s->numbers[0]};
        return CB_OK;
    case CBI_STMT_FIXED:
        p->fixed = 1;
        return CB_OK;
    default:
        if (!(s->numbers[0] > 0))
            return FAIL(b, CB_EARG, s->place, "a limit is > 0, got %g", s->numbers[0]);
        p->limit = s->numbers[0];
        return CB_OK;
    }
}

/* Families first, then full names, so that the particular wins; what speaks of no parameter is a
 * mistake in the text. */
static cb_status apply_declarations(builder *b) {
    cb_cell *cell = b->cell;
    for (int particular = 0; particular < 2; particular++)
        for (size_t i = 0; i < b->ast->stmt_count; i++) {
            const cbi_stmt *s = &b->ast->stmts[i];
            int about = s->kind == CBI_STMT_MATRIX || s->kind == CBI_STMT_INIT ||
                        s->kind == CBI_STMT_LIMIT || s->kind == CBI_STMT_FIXED ||
                        (s->kind == CBI_STMT_PARAM && s->has_number);
            if (!about || (strchr(s->name, '_') != NULL) != particular)
                continue;
            int used = 0;
            for (size_t k = 0; k < cell->param_count; k++) {
                cb_param *p = &cell->params[k];
                if (strcmp(particular ? p->name : p->family, s->name) != 0)
                    continue;
                cb_status st = apply_stmt(b, s, p);
                if (st != CB_OK)
                    return st;
                used = 1;
            }
            /* Without an input the matrices of x are left out; what is said of them is not wrong. */
            if (!used && !(cell->kind == CB_INPUT_NONE && s->kind != CBI_STMT_PARAM))
                return FAIL(b, CB_EPARSE, s->place, "no equation uses '%s'", s->name);
        }
    return CB_OK;
}

static cb_status add_learned_states(builder *b) {
    cb_cell *cell = b->cell;
    for (size_t i = 0; i < cell->state_count; i++) {
        cbi_state *s = &cell->states[i];
        if (!s->learned)
            continue;
        cbi_expr e = {.place = s->place};
        cbi_stmt eq = {.place = s->place};
        /* get_param names "<family>_<equation>"; the family is "<state>0", the whole "h0_init". */
        snprintf(e.name, sizeof e.name, "%.*s0_init", CBI_NAME_MAX, s->name);
        b->equation = &eq;
        cb_status st = get_param(b, &e, s->dim, 0, &s->init_param);
        if (st != CB_OK)
            return st;
    }
    return CB_OK;
}

cb_status cbi_cell_build(cb_cell *cell, cbi_ast *ast, const cb_cell_setting *settings,
                         size_t setting_count, cb_err *err) {
    builder b = {cell, ast, NULL, err};
    cb_status st;
    if ((st = cbi_graph_init(&cell->graph, err)) != CB_OK ||
        (st = override_settings(&b, settings, setting_count)) != CB_OK ||
        (st = declare(&b)) != CB_OK)
        return st;
    for (size_t i = 0; i < ast->stmt_count; i++)
        if (ast->stmts[i].kind == CBI_STMT_EQUATION &&
            (st = build_equation(&b, &ast->stmts[i])) != CB_OK)
            return st;
    for (size_t i = 0; i < cell->state_count; i++)
        if (cell->states[i].next == CBI_NONE)
            return FAIL(&b, CB_EPARSE, cell->states[i].place, "state '%s' has no equation %s' = ...",
                        cell->states[i].name, cell->states[i].name);
    if ((st = build_output(&b)) != CB_OK || (st = add_learned_states(&b)) != CB_OK ||
        (st = apply_declarations(&b)) != CB_OK)
        return st;
    return cell->graph.failed ? no_memory(&b) : CB_OK;
}
