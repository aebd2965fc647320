/* SPDX-License-Identifier: MIT */
/*
 * The products of a stage. What is left out of them: rows of a matrix that its structure makes zero
 * for a whole panel (an upper triangle, blocks on a diagonal), values that nobody reads of units
 * that stand still, and operands that are zero for those. A term left out is zero times a number,
 * so the bits are those of the whole product.
 */
#include <string.h>

#include "base/alloc.h"
#include "engine/engine_internal.h"

/* ---- where values lie ---- */

float *cbi_rows_at(cbi_layer *y, const cbi_scope *scope, cbi_ref node, size_t *ld) {
    cbi_row_base kind;
    cbi_plane *p = cbi_layer_plane(y, scope->backward, scope->phase, node, &kind);
    *ld = p->ld;
    return p->data + scope->base[kind] * p->ld;
}

/* What a value begins with, in the stage that gives it. */
static const float *init_rows(cbi_layer *y, const cbi_scope *scope, const cbi_product_call *call,
                              size_t *ld) {
    const cbi_pass *pass = cbi_pass_of(y->cell, scope->backward);
    const cbi_ref from = call->first ? call->base : call->dst;
    *ld = 0;
    if (from == CBI_NONE)
        return NULL;
    if (pass->node[from].n.kind == CBI_VECTOR)
        return y->vector[pass->node[from].n.index];
    return cbi_rows_at(y, scope, from, ld);
}

/* ---- what structures leave ---- */

/* Rows of the operand that a column of the panels has anything in. */
static void widen_column(cbi_reach *reach, const cb_param *p, const int32_t *map, int transposed,
                         size_t column) {
    const size_t rows = transposed ? p->rows : p->cols;
    for (size_t l = 0; l < rows; l++)
        if (map == NULL || map[transposed ? l * p->cols + column : column * p->cols + l] != 0)
            cbi_reach_add(reach, l);
}

cb_status cbi_bundle_find_reach(cbi_layer *y, int backward, cbi_bundle *b,
                                const cbi_kernels *kernels, cb_err *err) {
    const cbi_pass *pass = cbi_pass_of(y->cell, backward);
    const size_t wide = kernels->panel / CBI_LANES, panels = (b->groups + wide - 1) / wide;
    int structured = 0;
    for (size_t i = 0; i < b->values * b->operands; i++) {
        const cbi_product_call *call = &pass->product[b->call[i]];
        structured |= y->weight[call->matrix].map != NULL;
        b->has_idle |= pass->node[call->dst].idle == CBI_IDLE_UNREAD ||
                       pass->node[call->operand].idle == CBI_IDLE_NUMBER;
    }
    if (!structured || panels == 1)
        return CB_OK;
    if ((b->reach = cbi_calloc(panels * b->operands, sizeof *b->reach)) == NULL)
        return cbi_engine_no_memory(err);
    for (size_t v = 0, group = 0; v < b->values; v++) {
        const size_t dim = pass->node[pass->product[b->call[v * b->operands]].dst].n.dim;
        for (size_t s = 0; s < b->operands; s++) {
            const cbi_product_call *call = &pass->product[b->call[v * b->operands + s]];
            for (size_t j = 0; j < dim; j++)
                widen_column(&b->reach[(group + j / CBI_LANES) / wide * b->operands + s],
                             &y->cell->params[call->matrix], y->weight[call->matrix].map,
                             call->transposed, j);
        }
        group += cbi_groups(dim);
    }
    return CB_OK;
}

/* ---- what is left of a product ---- */

/* A bundle at hand: y->columns and y->operands are those of the whole. */
typedef struct part {
    cbi_layer *y;
    const cbi_kernels *kernels;
    const cbi_scope *scope;
    const cbi_bundle *b;
} part;

/* Appends rows from ... to - 1 of an operand that begins at row `begin` of the panels; *at: how far
 * the pieces before it reach. */
static void add_piece(const part *p, cbi_operand **end, size_t s, size_t begin, size_t from,
                      size_t to, size_t *at) {
    const cbi_operand *whole = &p->y->operands[s];
    *(*end)++ = (cbi_operand){whole->a + from * whole->csa, whole->rsa, whole->csa, to - from,
                              begin + from - *at};
    *at = begin + to;
}

static int is_zero_idle(const part *p, size_t s) {
    const cbi_pass *pass = cbi_pass_of(p->y->cell, p->scope->backward);
    const cbi_pass_node *operand = &pass->node[pass->product[p->b->call[s]].operand];
    return p->scope->moves != NULL && cbi_rests_at_zero(operand);
}

/* The operands of the panel with group `group`, without what is zero; returns how many. */
static size_t make_pieces(const part *p, size_t group, cbi_operand *piece) {
    const size_t wide = p->kernels->panel / CBI_LANES;
    const cbi_reach *reach = p->b->reach ? p->b->reach + group / wide * p->b->operands : NULL;
    cbi_operand *end = piece;
    size_t at = 0, begin = 0;
    for (size_t s = 0; s < p->b->operands; begin += p->y->operands[s++].k) {
        const size_t k = p->y->operands[s].k, from = reach ? reach[s].from : 0,
                     to = reach ? reach[s].to : k;
        if (!is_zero_idle(p, s)) {
            if (from < to)
                add_piece(p, &end, s, begin, from, to, &at);
            continue;
        }
        cbi_stretch run = {0, 0, 0};
        while (cbi_activity_next(p->scope->moves, run.to, cbi_groups(k), &run)) {
            const size_t first = run.from * CBI_LANES, last = run.to * CBI_LANES;
            const size_t low = first > from ? first : from, high = last < to ? last : to;
            if (run.moves && low < high)
                add_piece(p, &end, s, begin, low, high, &at);
        }
    }
    if (at < p->b->k)
        *end++ = (cbi_operand){p->y->operands[0].a, 0, 1, 0, p->b->k - at};
    return (size_t)(end - piece);
}

/* Groups from ... to - 1 of the bundle, by panels of which the same is left. */
static void run_groups(const part *p, size_t from, size_t to) {
    const size_t wide = p->kernels->panel / CBI_LANES;
    cbi_operand *piece = p->y->pieces, *other = piece + p->y->most_pieces;
    while (from < to) {
        const size_t n = make_pieces(p, from, piece);
        size_t end = p->b->reach ? from / wide * wide + wide : to;
        while (end < to && make_pieces(p, end, other) == n &&
               memcmp(piece, other, n * sizeof *piece) == 0)
            end += wide;
        end = end < to ? end : to;
        cbi_product_part(p->kernels, p->scope->rows, p->b->k, from, end, p->y->columns + from, n,
                         piece, p->b->panels);
        from = end;
    }
}

/* What is read of the values: stretches of groups, those that touch joined. */
static void run_parts(const part *p) {
    const cbi_pass *pass = cbi_pass_of(p->y->cell, p->scope->backward);
    size_t from = 0, to = 0;
    for (size_t v = 0, first = 0; v < p->b->values; v++) {
        const cbi_pass_node *dst = &pass->node[pass->product[p->b->call[v * p->b->operands]].dst];
        const size_t groups = cbi_groups(dst->n.dim);
        const int is_whole = p->scope->moves == NULL || dst->idle != CBI_IDLE_UNREAD;
        cbi_stretch run = {0, 0, 0};
        while (is_whole ? run.to < groups
                        : cbi_activity_next(p->scope->moves, run.to, groups, &run)) {
            if (is_whole)
                run = (cbi_stretch){0, groups, 1};
            if (!run.moves)
                continue;
            if (first + run.from != to) {
                run_groups(p, from, to);
                from = first + run.from;
            }
            to = first + run.to;
        }
        first += groups;
    }
    run_groups(p, from, to);
}

/* ---- running them ---- */

/* W x with an index: rows of the transposed matrix. */
static void run_index(cbi_layer *y, const cbi_scope *scope, const size_t *calls, size_t n) {
    const int32_t *index = y->index + scope->base[CBI_ROW_FRAME];
    for (size_t i = 0; i < n; i++) {
        const cbi_product_call *call = &cbi_pass_of(y->cell, scope->backward)->product[calls[i]];
        size_t ldi, ldc;
        const float *init = init_rows(y, scope, call, &ldi);
        float *c = cbi_rows_at(y, scope, call->dst, &ldc);
        for (size_t r = 0; r < scope->rows; r++) {
            const float *w = y->weight[call->matrix].by_symbol + (size_t)index[r] * ldc;
            for (size_t j = 0; j < ldc; j++)
                c[r * ldc + j] = (init ? init[r * ldi + j] : 0.0f) + w[j];
        }
    }
}

/* Where the rows of the bundle's values and operands stand. */
static void find_rows(cbi_layer *y, const cbi_scope *scope, const cbi_bundle *b) {
    const cbi_product_call *product = cbi_pass_of(y->cell, scope->backward)->product;
    cbi_columns *to = y->columns;
    for (size_t v = 0; v < b->values; v++) {
        const cbi_product_call *call = &product[b->call[v * b->operands]];
        size_t ldi, ldc;
        const float *init = init_rows(y, scope, call, &ldi);
        float *c = cbi_rows_at(y, scope, call->dst, &ldc);
        const float *from = init ? init : cbi_zeros;
        for (size_t j = 0; j < ldc; j += CBI_LANES)
            *to++ = (cbi_columns){from + (init ? j : 0), c + j, ldi, ldc};
    }
    for (size_t s = 0; s < b->operands; s++) {
        const cbi_product_call *call = &product[b->call[s]];
        const cb_param *p = &y->cell->params[call->matrix];
        size_t lda;
        const float *a = cbi_rows_at(y, scope, call->operand, &lda);
        y->operands[s] = (cbi_operand){a, lda, 1, call->transposed ? p->rows : p->cols, 0};
    }
}

static void run_bundle(const cb_engine *e, cbi_layer *y, const cbi_scope *scope,
                       const cbi_bundle *b) {
    const part p = {y, e->kernels, scope, b};
    find_rows(y, scope, b);
    if (!y->is_whole && (b->reach || (b->has_idle && scope->moves)))
        run_parts(&p);
    else
        e->kernels->product(scope->rows, b->groups, y->columns, b->operands, y->operands, b->panels,
                            scope->ahead);
}

/* ---- one sequence: rows at which a module moves ---- */

/* A module of units moves at every so many rows of a block that has one row for each step. */
typedef struct rhythm {
    size_t first, every, rows;
    size_t from, to; /* its groups of columns */
} rhythm;

static rhythm rhythm_of(const cb_engine *e, const cbi_layer *y, const cbi_block *block,
                        size_t module) {
    const cbi_list *periods = y->activity.periods;
    const size_t groups = y->activity.groups / periods->count, every = periods->values[module];
    const size_t count = (size_t)e->step_of_row[block->frame] % every;
    rhythm r = {.first = (every - count) % every, .every = every};
    r.rows = r.first < block->rows ? (block->rows - r.first - 1) / every + 1 : 0;
    r.from = module * groups;
    r.to = r.from + groups;
    return r;
}

/* Groups from ... to - 1 of the bundle at those rows; add: to what stands in C. */
static void run_rhythm(const part *p, const rhythm *r, size_t from, size_t to, size_t pieces,
                       int add) {
    cbi_columns *columns = p->y->columns + p->b->groups;
    cbi_operand *piece = p->y->pieces;
    for (size_t g = from; g < to; g++) {
        cbi_columns c = p->y->columns[g];
        if (add)
            c = (cbi_columns){c.c, c.c, c.ldc, c.ldc};
        columns[g - from] = (cbi_columns){c.init + r->first * c.ldi, c.c + r->first * c.ldc,
                                          c.ldi * r->every, c.ldc * r->every};
    }
    for (size_t i = 0; i < pieces; i++) {
        piece[i].a += r->first * piece[i].rsa;
        piece[i].rsa *= r->every;
    }
    if (r->rows > 0)
        cbi_product_part(p->kernels, r->rows, p->b->k, from, to, columns, pieces, piece,
                         p->b->panels);
}

/* Values that are read of units that move, at the rows at which they do. */
static void run_read(const cb_engine *e, const part *p, const cbi_block *block) {
    const size_t of_value = p->y->activity.groups;
    for (size_t first = 0; first < p->b->groups; first += of_value)
        for (size_t k = 0; k < p->y->activity.periods->count; k++) {
            const rhythm r = rhythm_of(e, p->y, block, k);
            memcpy(p->y->pieces, p->y->operands, p->b->operands * sizeof *p->y->pieces);
            run_rhythm(p, &r, first + r.from, first + r.to, p->b->operands, 0);
        }
}

/* Sums over units, of which those that stand still add nothing. */
static void run_sums(const cb_engine *e, const part *p, const cbi_block *block) {
    size_t begin = 0;
    for (size_t s = 0; s < p->b->operands; begin += p->y->operands[s++].k)
        for (size_t k = 0; k < p->y->activity.periods->count; k++) {
            const rhythm r = rhythm_of(e, p->y, block, k);
            cbi_operand *end = p->y->pieces;
            size_t at = 0;
            add_piece(p, &end, s, begin, r.from * CBI_LANES, r.to * CBI_LANES, &at);
            *end++ = (cbi_operand){p->y->operands[s].a, 0, 1, 0, p->b->k - at};
            run_rhythm(p, &r, 0, p->b->groups, (size_t)(end - p->y->pieces), s > 0 || k > 0);
        }
}

/* Whether all values, or all operands, of a bundle belong to units with a clock whose modules are
 * whole groups; 0: neither. */
typedef enum rhythmic { RHYTHM_NONE, RHYTHM_READ, RHYTHM_SUMS } rhythmic;

static rhythmic rhythm_kind(const cbi_layer *y, const cbi_scope *scope, const cbi_bundle *b) {
    const cbi_pass *pass = cbi_pass_of(y->cell, scope->backward);
    const cbi_activity *a = &y->activity;
    size_t read = 0, zero = 0;
    if (a->dim % (a->periods->count * CBI_LANES) != 0 || b->reach)
        return RHYTHM_NONE;
    for (size_t v = 0; v < b->values; v++)
        read += pass->node[pass->product[b->call[v * b->operands]].dst].idle == CBI_IDLE_UNREAD;
    for (size_t s = 0; s < b->operands; s++) {
        zero += (size_t)cbi_rests_at_zero(&pass->node[pass->product[b->call[s]].operand]);
    }
    if (read == b->values && zero == 0)
        return RHYTHM_READ;
    /* A module that moves at each step gives all rows their beginning. */
    return read == 0 && zero == b->operands && a->periods->values[0] == 1 ? RHYTHM_SUMS
                                                                          : RHYTHM_NONE;
}

static void run_rhythms(const cb_engine *e, cbi_layer *y, const cbi_scope *scope,
                        const cbi_bundle *b) {
    const part p = {y, e->kernels, scope, b};
    const rhythmic kind = rhythm_kind(y, scope, b);
    if (kind == RHYTHM_NONE) {
        run_bundle(e, y, scope, b);
        return;
    }
    find_rows(y, scope, b);
    if (kind == RHYTHM_READ)
        run_read(e, &p, scope->block);
    else
        run_sums(e, &p, scope->block);
}

/* Outside the loop a block is cut into its steps, where that leaves out more than it costs: few
 * rows at a time are slow. One sequence is cut into rhythms. */
static void run_steps(const cb_engine *e, cbi_layer *y, const cbi_scope *scope,
                      const cbi_bundle *b) {
    enum { FEWEST = 4 };
    const cbi_block *block = scope->block;
    const size_t steps = block ? block->to - block->from : 0;
    if (block == NULL || !b->has_idle || y->activity.periods == NULL || y->is_whole ||
        (block->rows > steps && block->rows < FEWEST * steps)) {
        run_bundle(e, y, scope, b);
        return;
    }
    if (block->rows == steps) {
        run_rhythms(e, y, scope, b);
        return;
    }
    for (size_t t = block->from; t < block->to; t++) {
        cbi_scope step = *scope;
        const size_t row = e->first[t] - block->frame;
        for (size_t k = 0; k < CBI_ROW_BASES; k++)
            step.base[k] += row;
        step.rows = e->rows[t];
        step.moves = cbi_activity_at(&y->activity, t);
        run_bundle(e, y, &step, b);
    }
}

static int is_skipped(const cbi_layer *y, const cbi_scope *scope, const cbi_bundle *b) {
    return b->values == 1 &&
           cbi_pass_of(y->cell, scope->backward)->product[b->call[0]].dst == scope->skip;
}

void cbi_run_products(const cb_engine *e, cbi_layer *y, const cbi_scope *scope, size_t stage) {
    const cbi_bundles *s = &y->run[scope->backward][scope->phase].bundles[stage];
    run_index(y, scope, s->first_index, s->first_indexes);
    for (size_t i = 0; i < s->count; i++)
        if (!is_skipped(y, scope, &s->bundle[i]))
            run_steps(e, y, scope, &s->bundle[i]);
    run_index(y, scope, s->later_index, s->later_indexes);
}
