/* SPDX-License-Identifier: MIT */
/*
 * Parameters: made at their first use, named after their equation, and then told what the
 * declarations say of them (structure, initialisation law, limit, fixed).
 */
#include "cell/build.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

cb_status cbi_get_param(cbi_builder *b, const cbi_expr *e, size_t rows, size_t cols,
                        uint32_t *out) {
    cb_cell *cell = b->cell;
    char name[2 * CBI_NAME_SIZE], family[CBI_NAME_SIZE];
    snprintf(family, sizeof family, "%.*s", (int)cbi_family_length(e->name), e->name);
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
        return cbi_no_memory(b);
    cb_param *p = &cell->params[cell->param_count];
    memset(p, 0, sizeof *p);
    p->name = cbi_strdup(name);
    p->family = cbi_strdup(family);
    *out = (uint32_t)cell->param_count++;
    if (p->name == NULL || p->family == NULL)
        return cbi_no_memory(b);
    p->rows = rows;
    p->cols = cols;
    p->free_count = free_count;
    p->init = (cb_init){cols ? CB_LAW_GLOROT : CB_LAW_ZERO, 0, 0};
    return CB_OK;
}

/* ---- what declarations say of parameters ---- */

static cb_status set_structure(cbi_builder *b, const cbi_stmt *s, cb_param *p) {
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
    int takes =
        kind == CB_STRUCTURE_BLOCKDIAG || kind == CB_STRUCTURE_UPPER || kind == CB_STRUCTURE_LOWER;
    if (takes != (s->number_count == 1 || s->argument[0]))
        return FAIL(b, CB_EPARSE, s->place, "%s %s", s->word,
                    takes ? "needs a number of blocks: (n)" : "takes no argument");
    double n = s->number_count ? s->numbers[0] : 1;
    if (s->argument[0]) {
        const cbi_stmt *set = cbi_find_stmt(b, CBI_STMT_SET, s->argument);
        if (set == NULL)
            return FAIL(b, CB_EPARSE, s->place, "'%s' is not a setting", s->argument);
        n = cbi_is_list(b, set) ? (double)set->number_count : set->numbers[0];
    }
    if (n != floor(n) || n < 1 || n > 1e6)
        return FAIL(b, CB_EARG, s->place, "the number of blocks is a whole number >= 1, got %g", n);
    size_t blocks = (size_t)n, r = p->rows, c = p->cols;
    if (kind != CB_STRUCTURE_FULL && kind != CB_STRUCTURE_BLOCKDIAG && r != c)
        return FAIL(b, CB_ESHAPE, s->place, "%s needs a square matrix, '%s' is %zu x %zu", s->word,
                    p->name, r, c);
    if (r % blocks || c % blocks)
        return FAIL(b, CB_ESHAPE, s->place,
                    "'%s' of %zu x %zu cannot be cut into %zu blocks a side", p->name, r, c,
                    blocks);
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
    default: /* undoes what was said of the family */
        p->free_count = r * c;
        break;
    }
    return CB_OK;
}

static cb_status set_init(cbi_builder *b, const cbi_stmt *s, cb_param *p) {
    cb_init init;
    cb_err inner;
    if (cbi_law_make(&init, s->word, s->numbers, s->number_count, &inner) != CB_OK)
        return FAIL(b, CB_EPARSE, s->place, "%s", inner.text);
    if (p->cols == 0 &&
        (init.law == CB_LAW_ORTHOGONAL || init.law == CB_LAW_IDENTITY || init.law == CB_LAW_GLOROT))
        return FAIL(b, CB_EARG, s->place, "%s is for matrices, '%s' is a vector", s->word, p->name);
    p->init = init;
    return CB_OK;
}

/* Applies one declaration to one parameter. */
static cb_status apply_stmt(cbi_builder *b, const cbi_stmt *s, cb_param *p) {
    switch (s->kind) {
    case CBI_STMT_MATRIX:
        return set_structure(b, s, p);
    case CBI_STMT_INIT:
        return set_init(b, s, p);
    case CBI_STMT_PARAM:
        if (s->has_number)
            p->init = (cb_init){CB_LAW_CONSTANT, s->numbers[0], 0};
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
cb_status cbi_apply_declarations(cbi_builder *b) {
    cb_cell *cell = b->cell;
    for (int particular = 0; particular < 2; particular++)
        for (size_t i = 0; i < b->ast->stmt_count; i++) {
            const cbi_stmt *s = &b->ast->stmts[i];
            int about = s->kind == CBI_STMT_MATRIX || s->kind == CBI_STMT_INIT ||
                        s->kind == CBI_STMT_LIMIT || s->kind == CBI_STMT_FIXED ||
                        s->kind == CBI_STMT_PARAM;
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
            /* Without an input the matrices of x are left out; what is said of them is not wrong.
             */
            if (!used && !(cell->kind == CB_INPUT_NONE && s->kind != CBI_STMT_PARAM))
                return FAIL(b, CB_EPARSE, s->place, "no equation uses '%s'", s->name);
        }
    return CB_OK;
}
