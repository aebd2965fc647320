/* SPDX-License-Identifier: MIT */
/*
 * The backward pass of the f32 engine: blocks of steps from the last to the first; within a block
 * the loop, then what hangs on it, then the gradients of the matrices, summed over the block's
 * rows.
 */
#include <string.h>

#include "base/alloc.h"
#include "engine/engine_internal.h"

/* ---- backward ---- */

cb_rows cb_engine_output_gradient(cb_engine *e) {
    return cbi_route_output_gradient(e);
}

/* Rows whose sequence ends at this step get the gradient of the final state, or none. */
static void begin_rows(cbi_layer *y, size_t from, size_t to) {
    for (size_t s = 0; s < y->cell->state_count; s++) {
        cbi_plane *p = &y->carry_in[s];
        for (size_t r = from; r < to; r++) {
            if (y->d_final[s])
                memcpy(p->data + r * p->ld, y->d_final[s] + r * p->dim, p->dim * sizeof(float));
            else
                memset(p->data + r * p->ld, 0, p->dim * sizeof(float));
        }
    }
}

/* What a step has handed back is what the step before receives. */
static void pass_carries(cbi_layer *y, size_t rows) {
    for (size_t s = 0; s < y->cell->state_count; s++) {
        cbi_plane *in = &y->carry_in[s], *out = &y->carry_out[s];
        if (y->cell->d_state[s] == CBI_NONE) {
            memset(in->data, 0, rows * in->ld * sizeof(float));
            continue;
        }
        float *swap = in->data;
        in->data = out->data;
        out->data = swap;
    }
}

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

/* Sinks stand in the order of their operands (layer.c), so that each operand is packed once a
 * block and read by all gates. The first sum that a matrix gets begins with nothing: its plane need
 * not be cleared before. */
static void add_matrix_gradients(cb_engine *e, cbi_layer *y, const cbi_block *b) {
    const cb_cell *cell = y->cell;
    size_t base[CBI_ROW_BASES] = {0, b->frame, 0, 0};
    cbi_ref packed = CBI_NONE;
    for (size_t i = 0; i < cell->matrix_sink_count; i++) {
        const cbi_matrix_sink *s = &cell->matrix_sinks[y->sink_order[i]];
        const cb_param *p = &cell->params[s->param];
        cbi_weight *m = &y->weight[s->param];
        size_t ldg, lda, ldd = cbi_padded(p->cols);
        const float *g = cbi_rows_at(y, 1, CBI_AFTER, cell->backward.map[s->gradient], base, &ldg);
        if (m->on_index) {
            scatter_rows(y, p, m, b, g, ldg);
            continue;
        }
        const float *a = cbi_rows_at(y, 1, CBI_AFTER, cell->backward.map[s->operand], base, &lda);
        const float *before = m->summed ? m->gradient : NULL;
        m->summed = 1;
        if (p->rows * p->cols >= e->kernels->blis_from) {
            cbi_gemm(p->rows, p->cols, b->rows, g, 1, ldg, a, lda, 1, before != NULL, m->gradient,
                     ldd);
            continue;
        }
        if (packed != s->operand)
            cbi_panels_put(e->kernels, b->rows, 0, 0, b->rows, p->cols, a, lda, 1, y->panels);
        packed = s->operand;
        const cbi_operand rows = {g, 1, ldg, b->rows};
        cbi_matrix_product(e->kernels, p->rows, p->cols, &rows, y->panels, before, ldd, m->gradient,
                           ldd);
    }
}

static void clear_gradients(cbi_layer *y) {
    for (size_t k = 0; k < y->cell->param_count; k++) {
        const cb_param *p = &y->cell->params[k];
        y->weight[k].summed = 0;
        if (y->weight[k].d_rows)
            memset(y->weight[k].d_rows, 0, p->cols * cbi_padded(p->rows) * sizeof(float));
    }
    for (size_t i = 0; i < y->cell->vector_sink_count; i++)
        memset(y->sum[i], 0, y->strip_floats * sizeof(float));
}

static void add_row(float *restrict to, const float *restrict from, size_t n) {
    for (size_t j = 0; j < n; j++)
        to[j] += from[j];
}

/* The gradient of a matrix, from its padded rows or gathered columns, through its structure. */
static void collect_matrix(const cb_param *p, const cbi_weight *m, float *g) {
    if (!m->on_index && !m->summed)
        return;
    const size_t ld = cbi_padded(m->on_index ? p->rows : p->cols);
    for (size_t i = 0; i < p->rows; i++) {
        if (!m->on_index && !m->map) {
            add_row(g + i * p->cols, m->gradient + i * ld, p->cols);
            continue;
        }
        for (size_t j = 0; j < p->cols; j++) {
            const float d = m->on_index ? m->d_rows[j * ld + i] : m->gradient[i * ld + j];
            const int32_t at = m->map ? m->map[i * p->cols + j] : (int32_t)(i * p->cols + j) + 1;
            if (at > 0)
                g[at - 1] += d;
            else if (at < 0)
                g[-at - 1] -= d;
        }
    }
}

/* Sums over strips, gradients of structured and gathered matrices, and learned initial states go
 * into the flat vector. */
static void collect_gradients(cb_engine *e, cbi_layer *y, float *gradient) {
    const cb_cell *cell = y->cell;
    for (size_t i = 0; i < cell->vector_sink_count; i++) {
        const cb_param *p = &cell->params[cell->vector_sinks[i].param];
        float *g = gradient + y->offset[cell->vector_sinks[i].param];
        size_t ld = cbi_padded(p->rows);
        for (size_t r = 0; r < y->strip_rows; r++)
            for (size_t j = 0; j < p->rows; j++)
                g[j] += y->sum[i][r * ld + j];
    }
    for (size_t k = 0; k < cell->param_count; k++)
        if (cell->params[k].cols)
            collect_matrix(&cell->params[k], &y->weight[k], gradient + y->offset[k]);
    for (size_t s = 0; s < cell->state_count; s++) {
        const cbi_state *state = &cell->states[s];
        const cbi_plane *p = &y->carry_in[s];
        for (size_t r = 0; state->learned && r < e->steps.B; r++)
            for (size_t j = 0; !cbi_is_given_row(y, s, r) && j < p->dim; j++)
                gradient[y->offset[state->init_param] + j] += p->data[r * p->ld + j];
    }
}

static void backward_block(cb_engine *e, cbi_layer *y, const cbi_block *b, cbi_ref skip) {
    size_t base[CBI_ROW_BASES] = {0, b->frame, 0, 0};
    cbi_find_old(e, y, b);
    cbi_run_phase(e, y, 1, CBI_BEFORE, b->rows, base, CBI_NONE);
    for (size_t t = b->to; t-- > b->from;) {
        size_t frame = e->first[t];
        size_t at[CBI_ROW_BASES] = {0, frame, frame - b->frame,
                                    t ? e->steps.B + e->first[t - 1] : 0};
        begin_rows(y, t + 1 < e->steps.T ? e->rows[t + 1] : 0, e->rows[t]);
        cbi_run_phase(e, y, 1, CBI_LOOP, e->rows[t], at, CBI_NONE);
        pass_carries(y, e->rows[t]);
    }
    cbi_run_phase(e, y, 1, CBI_AFTER, b->rows, base, skip);
    const double begun = cbi_time_begin(e);
    add_matrix_gradients(e, y, b);
    if (e->times)
        cbi_time_end(&e->times->gradients, begun);
}

cb_status cb_engine_backward(cb_engine *e, float *gradient, float *dx, size_t lddx, cb_err *err) {
    if (e->done < CBI_KEPT_ALL)
        return cb_fail(err, CB_EARG, "engine: a backward pass needs a forward pass with keep");
    if (dx != NULL && e->stack->kind != CB_INPUT_DENSE)
        return cb_fail(err, CB_EARG, "engine: dx is for dense input");
    if (dx != NULL && lddx < e->stack->I)
        return cb_fail(err, CB_EARG, "engine: dx: expected at least %zu columns, got %zu",
                       e->stack->I, lddx);
    memset(gradient, 0, e->stack->weights * sizeof *gradient);
    for (size_t l = e->stack->layers; l-- > 0;) {
        cbi_layer *y = &e->layers[l];
        cbi_ref node = CBI_NONE;
        cb_status st = cbi_route_gradient(e, l, err);
        if (st != CB_OK)
            return st;
        cbi_input_gradient(y, &node);
        clear_gradients(y);
        if (e->steps.T == 0)
            begin_rows(y, 0, e->steps.B);
        int wanted = e->stack->units[l].level > 0 || dx != NULL;
        for (size_t b = e->block_count; b-- > 0;)
            backward_block(e, y, &e->blocks[b], wanted ? CBI_NONE : node);
        collect_gradients(e, y, gradient);
    }
    cbi_drop_final_gradients(e);
    e->done = CBI_DIFFERENTIATED;
    if (dx != NULL)
        cbi_route_input_gradient(e, dx, lddx);
    return CB_OK;
}
