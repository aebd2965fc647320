/* SPDX-License-Identifier: MIT */
/*
 * From the tree of a text to the forward graph: declarations first, then the equations in the order
 * of the text, then the output and what the declarations say of the parameters found.
 */
#include "cell/build.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

/* Far beyond any cell of the literature (about a hundred). Equal nodes are found by a linear
 * search, here and in the derived graph: this bounds the time to half a second. */
enum { NODES_MAX = 4000 };

static int is_leaf(const cbi_graph *graph, cbi_ref ref) {
    return graph->node[ref].kind < CBI_PRODUCT;
}

static cb_status build_equation(cbi_builder *b, const cbi_stmt *s) {
    cb_cell *cell = b->cell;
    cbi_state *state = cbi_find_state(b, s->name);
    size_t dim = cell->H;
    cb_status st;
    cbi_ref ref;
    if (s->prime && state == NULL)
        return FAIL(b, CB_EPARSE, s->place, "%s' = ...: '%s' is not declared with 'state'", s->name,
                    s->name);
    if (s->prime)
        dim = state->dim;
    else if (s->dim >= 0 && (st = cbi_dim_value(b, s->dim, s->place, &dim)) != CB_OK)
        return st;
    b->equation = s;
    if ((st = cbi_build_expr(b, s->expr, dim, &ref)) != CB_OK)
        return st;
    if (cell->graph.node[ref].dim != dim) {
        if (cell->graph.node[ref].kind != CBI_NUMBER)
            return FAIL(b, CB_ESHAPE, s->place,
                        "the expression has dimension %zu, '%s' has %zu: declare %s[%zu]",
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
        return cbi_no_memory(b);
    cbi_value *value = &cell->values[cell->value_count++];
    memset(value, 0, sizeof *value);
    memcpy(value->name, s->name, sizeof value->name);
    value->ref = ref;
    value->dim = dim;
    return CB_OK;
}

static cb_status build_output(cbi_builder *b) {
    cb_cell *cell = b->cell;
    const cbi_stmt *out = NULL;
    for (size_t i = 0; i < b->ast->stmt_count; i++)
        if (b->ast->stmts[i].kind == CBI_STMT_OUTPUT)
            out = &b->ast->stmts[i];
    const char *name = out ? out->name : "h";
    int prime = out ? out->prime : 1;
    cbi_place place = out ? out->place : (cbi_place){1, 1};
    const cbi_state *state = cbi_find_state(b, name);
    const cbi_value *value = cbi_find_value(cell, name);
    if (out == NULL && state == NULL)
        return FAIL(b, CB_EPARSE, place,
                    "there is no state h: say with 'output' what the layer above sees");
    if (state != NULL && !prime)
        return FAIL(b, CB_EPARSE, place, "output: '%s' is a state: write %s'", name, name);
    if (value == NULL || prime != (state != NULL)) {
        cbi_near near;
        cbi_near_init(&near, name);
        for (size_t i = 0; i < cell->value_count; i++)
            cbi_near_offer(&near, cell->values[i].name);
        return FAIL(b, CB_EPARSE, place, "output: '%s%s' is no %s%s", name, prime ? "'" : "",
                    prime ? "state" : "equation", prime && value ? "" : cbi_near_text(&near));
    }
    snprintf(cell->output_name, sizeof cell->output_name, "%s%s", name, prime ? "'" : "");
    cell->output = value->ref;
    if (!prime && is_leaf(&cell->graph, value->ref))
        cell->output = cbi_graph_copy(&cell->graph, value->dim, value->ref);
    return CB_OK;
}

static cb_status add_learned_states(cbi_builder *b) {
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
        cb_status st = cbi_get_param(b, &e, s->dim, 0, &s->init_param);
        if (st != CB_OK)
            return st;
    }
    return CB_OK;
}

cb_status cbi_cell_build(cb_cell *cell, cbi_ast *ast, const cb_cell_setting *settings,
                         size_t setting_count, cb_err *err) {
    cbi_builder b = {cell, ast, NULL, err};
    cb_status st;
    if ((st = cbi_graph_init(&cell->graph, err)) != CB_OK ||
        (st = cbi_override_settings(&b, settings, setting_count)) != CB_OK ||
        (st = cbi_declare(&b)) != CB_OK)
        return st;
    for (size_t i = 0; i < ast->stmt_count; i++) {
        if (ast->stmts[i].kind == CBI_STMT_EQUATION &&
            (st = build_equation(&b, &ast->stmts[i])) != CB_OK)
            return st;
        if (cell->graph.count > NODES_MAX)
            return FAIL(&b, CB_EPARSE, ast->stmts[i].place,
                        "the equations up to here come to more than %d operations", NODES_MAX);
    }
    for (size_t i = 0; i < cell->state_count; i++)
        if (cell->states[i].next == CBI_NONE)
            return FAIL(&b, CB_EPARSE, cell->states[i].place,
                        "state '%s' has no equation %s' = ...", cell->states[i].name,
                        cell->states[i].name);
    if ((st = build_output(&b)) != CB_OK || (st = add_learned_states(&b)) != CB_OK ||
        (st = cbi_apply_declarations(&b)) != CB_OK)
        return st;
    return cell->graph.failed ? cbi_no_memory(&b) : CB_OK;
}
