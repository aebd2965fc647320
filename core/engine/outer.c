/* SPDX-License-Identifier: MIT */
/*
 * Gradients of matrices: sums of outer products over the rows of a block. The sums of large
 * matrices would take longer to fetch and to put back than to make: their operands are laid up over
 * several blocks, and multiplied at once. The order of each sum stays: block after block, row after
 * row.
 */
#include <string.h>

#include "engine/engine_internal.h"

/* ---- an index ---- */

/* An index's gradient is added to the row of its symbol, in the order of the frames. */
static void scatter_rows(const cbi_layer *y, const cb_param *p, cbi_weight *m, const cbi_block *b,
                         const float *g, size_t ldg) {
    size_t ld = cbi_padded(p->rows);
    for (size_t r = 0; r < b->rows; r++) {
        float *d = m->d_rows + (size_t)y->index[b->frame + r] * ld;
        for (size_t j = 0; j < p->rows; j++)
            d[j] += g[r * ldg + j];
    }
}

/* ---- sums over rows ---- */

/* A sum over rows: gradient [rows of g][cols] += g^T a. */
typedef struct outer {
    cb_engine *e;
    cbi_layer *y;
    const cbi_block *b;
    const cb_param *p;
    const cbi_weight *m;
    size_t rows;    /* summed over */
    const float *g; /* element i of row r: g[i*rsg + r*csg] */
    size_t rsg, csg;
    const float *a; /* [rows][lda]; not needed with panels */
    size_t lda;
    const cbi_reach *reach; /* of m; NULL: all columns */
    int has_idle;           /* g is zero for units that stand still */
    int adds;               /* 0: what stands in the gradient so far is nothing */
    const float *panels;    /* a, packed; NULL: it is for BLIS */
    size_t panel_rows;      /* of the panels; the first `rows` are a's */
} outer;

static const unsigned char *moves_at(const outer *o, size_t t) {
    return o->has_idle ? cbi_activity_at(&o->y->activity, t) : NULL;
}

/* Whether two groups of rows have the same columns, and move at the same steps. */
static int are_alike(const outer *o, size_t i, size_t j) {
    if (o->reach && (o->reach[i].from != o->reach[j].from || o->reach[i].to != o->reach[j].to))
        return 0;
    for (size_t t = o->b->from; o->has_idle && t < o->b->to; t++)
        if (moves_at(o, t)[i] != moves_at(o, t)[j])
            return 0;
    return 1;
}

/* The steps of the block at which a group of rows moves, those that follow each other as one. */
static size_t step_pieces(const outer *o, size_t group, cbi_operand *piece) {
    const float *g = o->g + group * CBI_LANES * o->rsg;
    size_t n = 0, at = 0;
    for (size_t t = o->b->from; t < o->b->to; t++) {
        const size_t row = o->e->first[t] - o->b->frame, rows = o->e->rows[t];
        if (!moves_at(o, t)[group])
            continue;
        if (n > 0 && at == row)
            piece[n - 1].k += rows;
        else
            piece[n++] = (cbi_operand){g + row * o->csg, o->rsg, o->csg, rows, row - at};
        at = row + rows;
    }
    if (n > 0 && at < o->panel_rows)
        piece[n++] = (cbi_operand){g, o->rsg, o->csg, 0, o->panel_rows - at};
    return n;
}

/* Rows first ... last - 1, groups of rows that are alike. */
static void add_rows(const outer *o, size_t first, size_t last) {
    const cbi_reach all = {0, (uint32_t)o->p->cols};
    const cbi_reach reach = o->reach ? o->reach[first / CBI_LANES] : all;
    const size_t from = reach.from / CBI_LANES, ldd = cbi_padded(o->p->cols);
    const size_t to = cbi_groups(reach.to), column = from * CBI_LANES;
    float *d = o->m->gradient + first * ldd + column;
    cbi_operand *piece = o->y->pieces;
    const float *g = o->g + first * o->rsg;
    size_t n = 1;
    piece[0] = (cbi_operand){g, o->rsg, o->csg, o->rows, 0};
    if (o->has_idle)
        n = step_pieces(o, first / CBI_LANES, piece);
    else if (o->rows < o->panel_rows)
        piece[n++] = (cbi_operand){g, o->rsg, o->csg, 0, o->panel_rows - o->rows};
    if (n == 0 || from == to)
        return;
    if (o->panels == NULL)
        cbi_gemm(last - first, reach.to - column, o->rows, g, o->rsg, o->csg, o->a + column, o->lda,
                 1, o->adds ? 1.0f : 0.0f, d, ldd);
    else
        cbi_matrix_part(o->e->kernels, last - first, o->panel_rows, from, to, n, piece, o->panels,
                        o->adds ? d : NULL, ldd, d, ldd);
}

static void add_outer(const outer *o) {
    for (size_t i = 0, all = cbi_groups(o->p->rows); i < all;) {
        size_t end = i + 1;
        if (o->reach == NULL && !o->has_idle)
            end = all;
        while (end < all && are_alike(o, i, end))
            end++;
        add_rows(o, i * CBI_LANES, end < all ? end * CBI_LANES : o->p->rows);
        i = end;
    }
}

/* As far as anything of it is ever read. */
static void clear_rows(const outer *o) {
    const size_t ldd = cbi_padded(o->p->cols);
    for (size_t i = 0; i < o->p->rows; i++) {
        const cbi_reach all = {0, (uint32_t)o->p->cols};
        const cbi_reach reach = o->reach ? o->reach[i / CBI_LANES] : all;
        memset(o->m->gradient + i * ldd + reach.from, 0, (reach.to - reach.from) * sizeof(float));
    }
}

/* Takes the sum that begins with it into the gradient of the matrix. The first that a matrix gets
 * begins with nothing: its plane need not be cleared before, unless a part of it is left out. */
static void add_sum(outer *o) {
    cbi_weight *m = &o->y->weight[o->p - o->y->cell->params];
    o->m = m;
    o->reach = o->y->is_whole ? NULL : m->reach;
    o->adds = m->summed || o->reach || o->has_idle;
    if (o->adds && !m->summed)
        clear_rows(o);
    m->summed = 1;
    add_outer(o);
}

/* ---- block by block ---- */

static const cbi_matrix_sink *sink_at(const cbi_layer *y, size_t i) {
    return &y->cell->matrix_sinks[y->sink_order[i]];
}

static int stands_still(const cbi_layer *y, const cbi_matrix_sink *s) {
    const cbi_pass_node *g = &y->cell->backward.node[y->cell->backward.map[s->gradient]];
    return y->activity.periods != NULL && cbi_rests_at_zero(g);
}

/* Sinks stand in the order of their operands (layer.c), so that each operand is packed once a block
 * and read by all gates. */
static void add_block(cb_engine *e, cbi_layer *y, const cbi_block *b) {
    const cb_cell *cell = y->cell;
    const cbi_scope after = cbi_block_scope(b, 1, CBI_AFTER);
    cbi_ref packed = CBI_NONE;
    for (size_t i = 0; i < cell->matrix_sink_count; i++) {
        const cbi_matrix_sink *s = sink_at(y, i);
        outer o = {.e = e, .y = y, .b = b, .p = &cell->params[s->param], .rows = b->rows};
        o.rsg = 1;
        o.g = cbi_rows_at(y, &after, cell->backward.map[s->gradient], &o.csg);
        if (y->weight[s->param].on_index) {
            scatter_rows(y, o.p, &y->weight[s->param], b, o.g, o.csg);
            continue;
        }
        o.a = cbi_rows_at(y, &after, cell->backward.map[s->operand], &o.lda);
        o.has_idle = stands_still(y, s);
        o.panel_rows = b->rows;
        if (o.p->rows * o.p->cols < e->kernels->blis_from) {
            if (packed != s->operand)
                cbi_panels_put(e->kernels, b->rows, 0, 0, b->rows, o.p->cols, o.a, o.lda, 1,
                               y->panels);
            packed = s->operand;
            o.panels = y->panels;
        }
        add_sum(&o);
    }
}

/* ---- several blocks at once ---- */

static void lay_up(cb_engine *e, cbi_layer *y, const cbi_block *b) {
    cbi_gather *t = &y->gather;
    const cbi_scope after = cbi_block_scope(b, 1, CBI_AFTER);
    const cbi_ref *node = y->cell->backward.map;
    size_t gradients = 0, operands = 0, ld;
    for (size_t i = 0; i < y->cell->matrix_sink_count; i++) {
        const cbi_matrix_sink *s = sink_at(y, i);
        const cb_param *p = &y->cell->params[s->param];
        if (t->gradient_of[i] == gradients) {
            const float *g = cbi_rows_at(y, &after, node[s->gradient], &ld);
            float *to = y->turned + gradients++ * t->gradient_floats + t->rows;
            cbi_turn(p->rows, b->rows, g, ld, to, t->most);
        }
        if (t->operand_of[i] == operands) {
            const float *a = cbi_rows_at(y, &after, node[s->operand], &ld);
            float *to = y->panels + operands++ * t->operand_floats;
            cbi_panels_put(e->kernels, t->most, t->rows, 0, b->rows, p->cols, a, ld, 1, to);
        }
    }
    t->rows += b->rows;
}

static void add_laid_up(cb_engine *e, cbi_layer *y) {
    cbi_gather *t = &y->gather;
    for (size_t i = 0; i < y->cell->matrix_sink_count; i++) {
        outer o = {.e = e, .y = y, .p = &y->cell->params[sink_at(y, i)->param]};
        o.rows = t->rows;
        o.g = y->turned + t->gradient_of[i] * t->gradient_floats;
        o.rsg = t->most;
        o.csg = 1;
        o.panels = y->panels + t->operand_of[i] * t->operand_floats;
        o.panel_rows = t->most;
        add_sum(&o);
    }
    t->rows = 0;
}

void cbi_add_outer_products(cb_engine *e, cbi_layer *y, const cbi_block *b) {
    cbi_gather *t = &y->gather;
    if (t->most == 0) {
        add_block(e, y, b);
        return;
    }
    if (t->rows + b->rows > t->most)
        add_laid_up(e, y);
    lay_up(e, y, b);
    if (b == e->blocks) /* the last one: they run backwards */
        add_laid_up(e, y);
}
