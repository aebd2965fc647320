/* SPDX-License-Identifier: MIT */
/* Declarations: settings with what overrides them, dimensions, states; and which names are taken.
 */
#include "cell/build.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

cb_status cbi_override_settings(cbi_builder *b, const cb_cell_setting *settings, size_t count) {
    for (size_t i = 0; i < count; i++) {
        cbi_stmt *set = (cbi_stmt *)cbi_find_stmt(b, CBI_STMT_SET, settings[i].name);
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
        if (!cbi_is_list(b, set) && settings[i].count != 1)
            return cb_fail(b->err, CB_EARG, "%s: setting '%s' is a number, got a list of %zu",
                           b->cell->name, set->name, settings[i].count);
        double *numbers = cbi_calloc(settings[i].count, sizeof *numbers);
        if (numbers == NULL)
            return cbi_no_memory(b);
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
static cb_status check_new_name(cbi_builder *b, const cbi_stmt *s) {
    const char *what = NULL;
    if (strcmp(s->name, "x") == 0 || strcmp(s->name, "lower") == 0)
        what = "a given name";
    else if (cbi_is_function(s->name))
        what = "a function";
    else if (cbi_is_builtin_family(s->name))
        what = "a family of learned vectors";
    if (what != NULL)
        return FAIL(b, CB_EPARSE, s->place, "'%s' is %s and cannot be defined", s->name, what);
    for (const cbi_stmt *o = b->ast->stmts; o < s; o++) {
        int names_it = o->kind <= CBI_STMT_PARAM || o->kind == CBI_STMT_EQUATION;
        if (!names_it || strcmp(o->name, s->name) != 0)
            continue;
        if (o->kind != CBI_STMT_STATE || s->kind != CBI_STMT_EQUATION)
            return FAIL(b, CB_EPARSE, s->place, "'%s' is already defined in line %d", s->name,
                        o->place.line);
        if (!s->prime)
            return FAIL(b, CB_EPARSE, s->place,
                        "'%s' is a state: its equation is written %s' = ...", s->name, s->name);
    }
    return CB_OK;
}

/* What speaks of the same thing twice contradicts itself, or says nothing. A number after `param`
 * is an `init`. */
static cb_status check_repeated(cbi_builder *b, const cbi_stmt *s) {
    for (const cbi_stmt *o = b->ast->stmts; o < s; o++) {
        int init = s->kind == CBI_STMT_INIT && o->kind == CBI_STMT_PARAM && o->has_number;
        int same = strcmp(o->name, s->name) == 0 || s->kind == CBI_STMT_OUTPUT;
        if ((o->kind == s->kind || init) && same)
            return FAIL(b, CB_EPARSE, s->place, "this was said in line %d already", o->place.line);
    }
    return CB_OK;
}

static cb_status declare_state(cbi_builder *b, const cbi_stmt *s) {
    cb_cell *cell = b->cell;
    if (cbi_grow((void **)&cell->states, &cell->state_capacity, cell->state_count + 1,
                 sizeof *cell->states))
        return cbi_no_memory(b);
    cbi_state *state = &cell->states[cell->state_count];
    memset(state, 0, sizeof *state);
    memcpy(state->name, s->name, sizeof state->name);
    state->place = s->place;
    state->dim = cell->H;
    state->next = CBI_NONE;
    state->learned = s->learned;
    state->init = s->has_number ? s->numbers[0] : 0;
    if (s->dim >= 0) {
        cb_status st = cbi_dim_value(b, s->dim, s->place, &state->dim);
        if (st != CB_OK)
            return st;
    }
    state->old = cbi_graph_leaf(&cell->graph, CBI_STATE, state->dim, (uint32_t)cell->state_count++);
    return CB_OK;
}

/* Dimensions first, in their own order: whatever stands above them may use them. */
static cb_status evaluate_dims(cbi_builder *b) {
    cb_status st = CB_OK;
    for (size_t i = 0; i < b->ast->stmt_count && st == CB_OK; i++) {
        cbi_stmt *s = &b->ast->stmts[i];
        if (s->kind == CBI_STMT_DIM)
            st = cbi_dim_value(b, s->expr, b->ast->exprs[s->expr].place, &s->value);
    }
    return st;
}

static cb_status declare_one(cbi_builder *b, cbi_stmt *s) {
    cb_status st;
    if (s->kind <= CBI_STMT_PARAM || s->kind == CBI_STMT_EQUATION)
        st = check_new_name(b, s);
    else
        st = check_repeated(b, s);
    if (st != CB_OK)
        return st;
    switch (s->kind) {
    case CBI_STMT_STATE:
        return declare_state(b, s);
    case CBI_STMT_PARAM:
        return s->dim >= 0 ? cbi_dim_value(b, s->dim, s->place, &s->value) : CB_OK;
    case CBI_STMT_LOWEST:
        cbi_free(b->cell->lowest);
        b->cell->lowest = cbi_strdup(s->word);
        return b->cell->lowest != NULL ? CB_OK : cbi_no_memory(b);
    default:
        return CB_OK;
    }
}

cb_status cbi_declare(cbi_builder *b) {
    cb_status st = evaluate_dims(b);
    for (size_t i = 0; i < b->ast->stmt_count && st == CB_OK; i++)
        st = declare_one(b, &b->ast->stmts[i]);
    if (st == CB_OK && b->cell->state_count == 0)
        return FAIL(b, CB_EPARSE, ((cbi_place){1, 1}), "a cell needs at least one state");
    return st;
}
