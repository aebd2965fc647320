/* SPDX-License-Identifier: MIT */
/*
 * The f32 engine: executes the schedules of a stack, layer by layer; within a layer by blocks of
 * steps, so that what is hoisted out of the loop stays in the second-level cache until the loop
 * reads it.
 */
#include "cellbench/engine.h"

#include <string.h>

#include "base/alloc.h"
#include "engine/layer.h"

/* Rows of a block of steps: measured best at every size between 128 and 1,024. */
enum { BLOCK_ROWS = 256 };

typedef struct block {
    size_t from, to;    /* steps */
    size_t frame, rows; /* first frame, number of frames */
    int uniform;        /* the rows before its steps stand one after the other too */
} block;

/* What has been run, each including those before it; a refused call leaves NOTHING. */
typedef enum progress { NOTHING = 0, OUTPUT, KEPT, DIFFERENTIATED } progress;

struct cb_engine {
    const cb_stack *stack;
    const cbi_kernels *kernels;
    cbi_layer *layers;
    float *w;
    int have_weights;
    cb_steps steps;
    uint32_t *rows;
    size_t *first;        /* [T] first frame of each step */
    int32_t *step_of_row; /* [frames] */
    int32_t *index;       /* [frames], index input */
    block *blocks;
    size_t block_count, block_rows;
    size_t step_capacity, frame_capacity, block_capacity, index_capacity;
    size_t first_capacity, row_capacity;
    progress done;
};

static cb_status no_memory(cb_err *err) {
    return cb_fail(err, CB_ENOMEM, "engine: out of memory");
}

cb_status cb_engine_create(cb_engine **out, const cb_stack *stack, cb_err *err) {
    cb_status st;
    *out = NULL;
    cb_engine *e = cbi_calloc(1, sizeof *e);
    if (e == NULL)
        return no_memory(err);
    e->stack = stack;
    e->layers = cbi_calloc(stack->layers, sizeof *e->layers);
    e->w = cbi_aligned_calloc(stack->weights + 1, sizeof *e->w);
    if (e->layers == NULL || e->w == NULL)
        st = no_memory(err);
    else
        st = cbi_kernels_get(&e->kernels, err);
    for (size_t l = 0; st == CB_OK && l < stack->layers; l++)
        st = cbi_layer_init(&e->layers[l], stack, l, l ? &e->layers[l - 1] : NULL, e->kernels, err);
    for (size_t l = 0; st == CB_OK && l < stack->layers; l++)
        st = cbi_layer_compile(&e->layers[l], e->kernels, err);
    if (st == CB_OK)
        *out = e;
    else
        cb_engine_destroy(e);
    return st;
}

void cb_engine_destroy(cb_engine *e) {
    if (e == NULL)
        return;
    for (size_t l = 0; e->layers && l < e->stack->layers; l++)
        cbi_layer_fini(&e->layers[l]);
    cbi_free(e->layers);
    cbi_aligned_free(e->w);
    cbi_free(e->rows);
    cbi_free(e->first);
    cbi_free(e->step_of_row);
    cbi_free(e->index);
    cbi_free(e->blocks);
    cbi_free(e);
}

cb_status cb_engine_set_weights(cb_engine *e, const float *w, cb_err *err) {
    (void)err;
    memcpy(e->w, w, e->stack->weights * sizeof *w);
    for (size_t l = 0; l < e->stack->layers; l++)
        cbi_layer_set_weights(&e->layers[l], e->kernels, e->w);
    e->have_weights = 1;
    return CB_OK;
}

/* ---- the shape of a batch ---- */

static cb_status take_steps(cb_engine *e, const cb_steps *steps, cb_err *err) {
    if (cbi_grow((void **)&e->rows, &e->row_capacity, steps->T + 1, sizeof *e->rows) ||
        cbi_grow((void **)&e->first, &e->first_capacity, steps->T + 1, sizeof *e->first) ||
        cbi_grow((void **)&e->blocks, &e->block_capacity, steps->T + 1, sizeof *e->blocks) ||
        cbi_grow((void **)&e->step_of_row, &e->frame_capacity, steps->frames + 1,
                 sizeof *e->step_of_row))
        return no_memory(err);
    size_t frame = 0;
    for (size_t t = 0; t < steps->T; t++) {
        e->rows[t] = steps->rows[t];
        e->first[t] = frame;
        for (size_t r = 0; r < steps->rows[t]; r++)
            e->step_of_row[frame++] = (int32_t)t;
    }
    e->steps = *steps;
    e->steps.rows = e->rows;
    e->block_count = e->block_rows = 0;
    for (size_t t = 0; t < steps->T;) {
        block b = {t, t, e->first[t], 0, 1};
        while (b.to < steps->T && (b.rows == 0 || b.rows + e->rows[b.to] <= BLOCK_ROWS)) {
            if (b.to > 0 && e->rows[b.to] != e->rows[b.to - 1])
                b.uniform = 0;
            b.rows += e->rows[b.to++];
        }
        e->block_rows = b.rows > e->block_rows ? b.rows : e->block_rows;
        e->blocks[e->block_count++] = b;
        t = b.to;
    }
    return CB_OK;
}

/* Rows above a state's frame 0 (B of them) hold the initial values. */
static float *old_rows(const cb_engine *e, const cbi_plane *state, size_t t) {
    if (t == 0)
        return state->data - e->steps.B * state->ld;
    return state->data + e->first[t - 1] * state->ld;
}

/* The values before each step of a block, as a plane with the block's rows: the state's own plane
 * where its rows happen to stand so, else gathered. */
static void find_old(cb_engine *e, cbi_layer *y, const block *b) {
    for (size_t s = 0; s < y->cell->state_count; s++) {
        cbi_plane *state = &y->state[s], *old = &y->old[s];
        if (b->uniform) {
            old->data = old_rows(e, state, b->from);
            continue;
        }
        old->data = old->memory;
        float *to = old->data;
        for (size_t t = b->from; t < b->to; t++) {
            memcpy(to, old_rows(e, state, t), e->rows[t] * state->ld * sizeof *to);
            to += e->rows[t] * state->ld;
        }
    }
}

static void fill_initial(cb_engine *e, cbi_layer *y) {
    for (size_t s = 0; s < y->cell->state_count; s++) {
        const cbi_state *state = &y->cell->states[s];
        cbi_plane *p = &y->state[s];
        for (size_t r = 0; r < e->steps.B; r++) {
            float *row = p->data - (e->steps.B - r) * p->ld;
            for (size_t j = 0; j < p->dim; j++)
                row[j] = y->initial[s]    ? y->initial[s][r * p->dim + j]
                         : state->learned ? e->w[y->offset[state->init_param] + j]
                                          : (float)state->init;
        }
    }
}

/* ---- products ---- */

/* Where the rows of a node begin. */
static float *rows_at(cbi_layer *y, int backward, int phase, cbi_ref node,
                      const size_t base[CBI_ROW_BASES], size_t *ld) {
    cbi_row_base kind;
    cbi_plane *p = cbi_layer_plane(y, backward, phase, node, &kind);
    *ld = p->ld;
    return p->data + base[kind] * p->ld;
}

/* W x with an index: rows of the transposed matrix. */
static void gather_rows(const cbi_weight *m, size_t rows, const int32_t *index, const float *init,
                        size_t ldi, float *c, size_t ldc) {
    for (size_t r = 0; r < rows; r++) {
        const float *w = m->forward + (size_t)index[r] * ldc;
        for (size_t j = 0; j < ldc; j++)
            c[r * ldc + j] = (init ? init[r * ldi + j] : 0.0f) + w[j];
    }
}

static void run_products(cb_engine *e, cbi_layer *y, int backward, int phase, size_t stage,
                         size_t rows, const size_t base[CBI_ROW_BASES], cbi_ref skip) {
    const cbi_pass *pass = backward ? &y->cell->backward : &y->cell->forward;
    const cbi_stage *s = &pass->stage[phase][stage];
    for (size_t i = 0; i < s->products; i++) {
        const cbi_product_call *call = &pass->product[s->first_product + i];
        const cbi_weight *m = &y->weight[call->matrix];
        const cb_param *p = &y->cell->params[call->matrix];
        if (call->dst == skip)
            continue;
        size_t ldc, lda, ldi = 0;
        float *c = rows_at(y, backward, phase, call->dst, base, &ldc);
        const float *init = c;
        ldi = ldc;
        if (call->first) {
            init = NULL;
            if (call->base != CBI_NONE && pass->node[call->base].n.kind == CBI_VECTOR) {
                init = y->vector[pass->node[call->base].n.index];
                ldi = 0;
            } else if (call->base != CBI_NONE) {
                init = rows_at(y, backward, phase, call->base, base, &ldi);
            }
        }
        if (m->on_index) {
            gather_rows(m, rows, e->index + base[CBI_ROW_FRAME], init, ldi, c, ldc);
            continue;
        }
        const float *a = rows_at(y, backward, phase, call->operand, base, &lda);
        if (call->transposed)
            e->kernels->product(rows, p->cols, p->rows, a, lda, 1, m->backward, init, ldi, c, ldc);
        else
            e->kernels->product(rows, p->rows, p->cols, a, lda, 1, m->forward, init, ldi, c, ldc);
    }
}

static void run_phase(cb_engine *e, cbi_layer *y, int backward, int phase, size_t rows,
                      const size_t base[CBI_ROW_BASES], cbi_ref skip) {
    const cbi_pass *pass = backward ? &y->cell->backward : &y->cell->forward;
    for (size_t s = 0; s < pass->stages[phase]; s++) {
        run_products(e, y, backward, phase, s, rows, base, skip);
        cbi_program_run(&y->run[backward][phase].program[s], e->kernels, rows, base,
                        e->step_of_row + base[CBI_ROW_FRAME]);
    }
}

/* ---- forward ---- */

static void forward_block(cb_engine *e, cbi_layer *y, const block *b) {
    size_t base[CBI_ROW_BASES] = {0, b->frame, 0, 0};
    const cbi_pass *pass = &y->cell->forward;
    for (size_t s = 0; s < pass->stages[CBI_BEFORE]; s++) {
        /* A delayed state is a sequence that an earlier stage of this block has written. */
        if (s > 0)
            find_old(e, y, b);
        run_products(e, y, 0, CBI_BEFORE, s, b->rows, base, CBI_NONE);
        cbi_program_run(&y->run[0][CBI_BEFORE].program[s], e->kernels, b->rows, base,
                        e->step_of_row + b->frame);
        if (s == 0)
            find_old(e, y, b);
    }
    for (size_t t = b->from; t < b->to; t++) {
        size_t frame = e->first[t];
        size_t at[CBI_ROW_BASES] = {0, frame, frame - b->frame,
                                    t ? e->steps.B + e->first[t - 1] : 0};
        run_phase(e, y, 0, CBI_LOOP, e->rows[t], at, CBI_NONE);
    }
    if (pass->stages[CBI_AFTER]) {
        find_old(e, y, b);
        run_phase(e, y, 0, CBI_AFTER, b->rows, base, CBI_NONE);
    }
}

static void copy_input(cbi_layer *y, const float *x, size_t ldx, size_t frames) {
    for (size_t f = 0; f < frames; f++)
        memcpy(y->x.data + f * y->x.ld, x + f * ldx, y->x.dim * sizeof *x);
}

static cbi_plane *output_plane(cbi_layer *y) {
    cbi_row_base base;
    return cbi_layer_plane(y, 0, CBI_LOOP, y->cell->forward.map[y->cell->output], &base);
}

static cb_status check_forward(cb_engine *e, const cb_steps *steps, const float *x, size_t ldx,
                               const int32_t *index, cb_err *err) {
    cb_status st = cbi_steps_check(steps, err);
    if (st != CB_OK)
        return st;
    if (!e->have_weights)
        return cb_fail(err, CB_EARG, "engine: a forward pass before any weights were set");
    if (steps->frames && e->stack->kind == CB_INPUT_DENSE && (x == NULL || ldx < e->stack->I))
        return cb_fail(err, CB_EARG, "engine: expected dense input of %zu columns", e->stack->I);
    if (steps->frames && e->stack->kind == CB_INPUT_INDEX && index == NULL)
        return cb_fail(err, CB_EARG, "engine: expected an index input");
    for (size_t l = 0; l < e->stack->layers; l++)
        for (size_t s = 0; s < e->layers[l].cell->state_count; s++)
            if (e->layers[l].initial[s] && e->layers[l].initial_rows[s] != steps->B)
                return cb_fail(err, CB_ESHAPE, "initial state '%s': %zu rows were given, B is %zu",
                               e->layers[l].cell->states[s].name, e->layers[l].initial_rows[s],
                               steps->B);
    return cbi_index_check(e->stack, steps, index, err);
}

/* They belong to one forward pass, and are used once. */
static void drop_final_gradients(cb_engine *e) {
    for (size_t l = 0; l < e->stack->layers; l++)
        for (size_t s = 0; s < e->layers[l].cell->state_count; s++) {
            cbi_free(e->layers[l].d_final[s]);
            e->layers[l].d_final[s] = NULL;
        }
}

cb_status cb_engine_forward(cb_engine *e, const cb_steps *steps, const float *x, size_t ldx,
                            const int32_t *index, int keep, cb_rows *out, cb_err *err) {
    cb_status st;
    *out = (cb_rows){NULL, 0, 0};
    e->done = NOTHING;
    drop_final_gradients(e);
    if ((st = check_forward(e, steps, x, ldx, index, err)) != CB_OK ||
        (st = take_steps(e, steps, err)) != CB_OK)
        return st;
    if (e->stack->kind == CB_INPUT_INDEX) {
        if (cbi_grow((void **)&e->index, &e->index_capacity, steps->frames + 1, sizeof *e->index))
            return no_memory(err);
        memcpy(e->index, index, steps->frames * sizeof *index);
    }
    for (size_t l = 0; l < e->stack->layers; l++)
        if ((st = cbi_layer_reserve(&e->layers[l], steps->B, steps->frames, e->block_rows, keep,
                                    e->kernels, err)) != CB_OK)
            return st;
    for (size_t l = 0; l < e->stack->layers; l++) {
        cbi_layer *y = &e->layers[l];
        if (l > 0)
            y->x.data = output_plane(y->below)->data;
        else if (e->stack->kind == CB_INPUT_DENSE)
            copy_input(y, x, ldx, steps->frames);
        fill_initial(e, y);
        for (size_t b = 0; b < e->block_count; b++)
            forward_block(e, y, &e->blocks[b]);
    }
    cbi_plane *top = output_plane(&e->layers[e->stack->layers - 1]);
    *out = (cb_rows){top->data, top->ld, top->dim};
    e->done = keep ? KEPT : OUTPUT;
    return CB_OK;
}

/* ---- backward ---- */

cb_rows cb_engine_output_gradient(cb_engine *e) {
    cbi_plane *dy = &e->layers[e->stack->layers - 1].dy;
    return (cb_rows){dy->data, dy->ld, dy->dim};
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
static void scatter_rows(const cb_engine *e, const cb_param *p, cbi_weight *m, const block *b,
                         const float *g, size_t ldg) {
    size_t ld = cbi_padded(p->rows);
    for (size_t r = 0; r < b->rows; r++) {
        float *d = m->d_rows + (size_t)e->index[b->frame + r] * ld;
        for (size_t j = 0; j < p->rows; j++)
            d[j] += g[r * ldg + j];
    }
}

/* Sinks stand in the order of their operands (layer.c), so that each operand is packed once a
 * block and read by all gates. */
static void add_matrix_gradients(cb_engine *e, cbi_layer *y, const block *b) {
    const cb_cell *cell = y->cell;
    size_t base[CBI_ROW_BASES] = {0, b->frame, 0, 0};
    cbi_ref packed = CBI_NONE;
    for (size_t i = 0; i < cell->matrix_sink_count; i++) {
        const cbi_matrix_sink *s = &cell->matrix_sinks[y->sink_order[i]];
        const cb_param *p = &cell->params[s->param];
        cbi_weight *m = &y->weight[s->param];
        size_t ldg, lda, ldd = cbi_padded(p->cols);
        const float *g = rows_at(y, 1, CBI_AFTER, cell->backward.map[s->gradient], base, &ldg);
        if (m->on_index) {
            scatter_rows(e, p, m, b, g, ldg);
            continue;
        }
        const float *a = rows_at(y, 1, CBI_AFTER, cell->backward.map[s->operand], base, &lda);
        if (p->rows * p->cols >= e->kernels->blis_from) {
            cbi_gemm(p->rows, p->cols, b->rows, g, 1, ldg, a, lda, 1, 1.0f, m->gradient, ldd);
            continue;
        }
        if (packed != s->operand)
            cbi_panels_pack(e->kernels, b->rows, p->cols, a, lda, 1, y->panels);
        packed = s->operand;
        e->kernels->product(p->rows, p->cols, b->rows, g, 1, ldg, y->panels, m->gradient, ldd,
                            m->gradient, ldd);
    }
}

static void clear_gradients(cbi_layer *y) {
    for (size_t k = 0; k < y->cell->param_count; k++) {
        const cb_param *p = &y->cell->params[k];
        if (y->weight[k].gradient)
            memset(y->weight[k].gradient, 0, p->rows * cbi_padded(p->cols) * sizeof(float));
        if (y->weight[k].d_rows)
            memset(y->weight[k].d_rows, 0, p->cols * cbi_padded(p->rows) * sizeof(float));
    }
    for (size_t i = 0; i < y->cell->vector_sink_count; i++)
        memset(y->sum[i], 0, y->strip_floats * sizeof(float));
}

/* The gradient of a matrix, from its padded rows or gathered columns, through its structure. */
static void collect_matrix(const cb_param *p, const cbi_weight *m, float *g) {
    for (size_t i = 0; i < p->rows; i++)
        for (size_t j = 0; j < p->cols; j++) {
            float d = m->on_index ? m->d_rows[j * cbi_padded(p->rows) + i]
                                  : m->gradient[i * cbi_padded(p->cols) + j];
            int32_t at = m->map ? m->map[i * p->cols + j] : (int32_t)(i * p->cols + j) + 1;
            if (at > 0)
                g[at - 1] += d;
            else if (at < 0)
                g[-at - 1] -= d;
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
        if (!state->learned || y->initial[s])
            continue;
        for (size_t r = 0; r < e->steps.B; r++)
            for (size_t j = 0; j < p->dim; j++)
                gradient[y->offset[state->init_param] + j] += p->data[r * p->ld + j];
    }
}

static void backward_block(cb_engine *e, cbi_layer *y, const block *b, cbi_ref skip) {
    size_t base[CBI_ROW_BASES] = {0, b->frame, 0, 0};
    find_old(e, y, b);
    run_phase(e, y, 1, CBI_BEFORE, b->rows, base, CBI_NONE);
    for (size_t t = b->to; t-- > b->from;) {
        size_t frame = e->first[t];
        size_t at[CBI_ROW_BASES] = {0, frame, frame - b->frame,
                                    t ? e->steps.B + e->first[t - 1] : 0};
        begin_rows(y, t + 1 < e->steps.T ? e->rows[t + 1] : 0, e->rows[t]);
        run_phase(e, y, 1, CBI_LOOP, e->rows[t], at, CBI_NONE);
        pass_carries(y, e->rows[t]);
    }
    run_phase(e, y, 1, CBI_AFTER, b->rows, base, skip);
    add_matrix_gradients(e, y, b);
}

static cbi_plane *input_gradient(cbi_layer *y, cbi_ref *node) {
    cbi_row_base base;
    if (y->cell->d_input == CBI_NONE)
        return NULL;
    *node = y->cell->backward.map[y->cell->d_input];
    return cbi_layer_plane(y, 1, CBI_AFTER, *node, &base);
}

static cb_status link_gradients(cb_engine *e, cb_err *err) {
    for (size_t l = 0; l + 1 < e->stack->layers; l++) {
        cbi_layer *y = &e->layers[l];
        cbi_ref node;
        cbi_plane *from = input_gradient(y->above, &node);
        if (from != NULL) {
            y->dy.data = from->data;
            continue;
        }
        /* The layer above does not read its input: its gradient is zero. */
        cbi_aligned_free(y->dy.memory);
        y->dy.memory = cbi_aligned_calloc((e->steps.frames + 1) * y->dy.ld, sizeof(float));
        if (y->dy.memory == NULL)
            return no_memory(err);
        y->dy.data = y->dy.memory;
    }
    return CB_OK;
}

cb_status cb_engine_backward(cb_engine *e, float *gradient, float *dx, size_t lddx, cb_err *err) {
    if (e->done < KEPT)
        return cb_fail(err, CB_EARG, "engine: a backward pass needs a forward pass with keep");
    if (dx != NULL && e->stack->kind != CB_INPUT_DENSE)
        return cb_fail(err, CB_EARG, "engine: dx is for dense input");
    if (dx != NULL && lddx < e->stack->I)
        return cb_fail(err, CB_EARG, "engine: dx: expected at least %zu columns, got %zu",
                       e->stack->I, lddx);
    cb_status st = link_gradients(e, err);
    if (st != CB_OK)
        return st;
    memset(gradient, 0, e->stack->weights * sizeof *gradient);
    for (size_t l = e->stack->layers; l-- > 0;) {
        cbi_layer *y = &e->layers[l];
        cbi_ref node = CBI_NONE;
        input_gradient(y, &node);
        clear_gradients(y);
        if (e->steps.T == 0)
            begin_rows(y, 0, e->steps.B);
        for (size_t b = e->block_count; b-- > 0;)
            backward_block(e, y, &e->blocks[b], l == 0 && dx == NULL ? node : CBI_NONE);
        collect_gradients(e, y, gradient);
    }
    drop_final_gradients(e);
    e->done = DIFFERENTIATED;
    cbi_ref node;
    const cbi_plane *from = input_gradient(&e->layers[0], &node);
    for (size_t f = 0; dx != NULL && f < e->steps.frames; f++) {
        if (from != NULL)
            memcpy(dx + f * lddx, from->data + f * from->ld, from->dim * sizeof *dx);
        else
            memset(dx + f * lddx, 0, e->stack->I * sizeof *dx);
    }
    return CB_OK;
}

/* ---- states ---- */

cb_status cb_engine_final_state(const cb_engine *e, size_t layer, const char *state, float *out,
                                cb_err *err) {
    size_t s;
    cb_status st = cbi_stack_state(e->stack, layer, state, &s, err);
    if (st != CB_OK)
        return st;
    if (e->done < OUTPUT)
        return cb_fail(err, CB_EARG, "final state of '%s' without a forward pass", state);
    const cbi_plane *p = &e->layers[layer].state[s];
    for (size_t r = 0; r < e->steps.B; r++) {
        size_t t = e->steps.T;
        while (t > 0 && e->rows[t - 1] <= r)
            t--;
        const float *row =
            t ? p->data + (e->first[t - 1] + r) * p->ld : p->data - (e->steps.B - r) * p->ld;
        memcpy(out + r * p->dim, row, p->dim * sizeof *out);
    }
    return CB_OK;
}

static cb_status take_rows(float **slot, const float *in, size_t count, cb_err *err) {
    cbi_free(*slot);
    *slot = NULL;
    if (in == NULL)
        return CB_OK;
    if ((*slot = cbi_calloc(count + 1, sizeof **slot)) == NULL)
        return no_memory(err);
    memcpy(*slot, in, count * sizeof **slot);
    return CB_OK;
}

cb_status cb_engine_set_initial(cb_engine *e, size_t layer, const char *state, const float *in,
                                size_t B, cb_err *err) {
    size_t s, count;
    cb_status st = cbi_stack_state(e->stack, layer, state, &s, err);
    if (st != CB_OK)
        return st;
    if (cb_size_mul(B, e->layers[layer].state[s].dim, &count) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "initial state '%s': %zu rows overflow", state, B);
    e->layers[layer].initial_rows[s] = B;
    return take_rows(&e->layers[layer].initial[s], in, count, err);
}

cb_status cb_engine_set_final_gradient(cb_engine *e, size_t layer, const char *state,
                                       const float *in, cb_err *err) {
    size_t s;
    cb_status st = cbi_stack_state(e->stack, layer, state, &s, err);
    if (st != CB_OK)
        return st;
    if (e->done < KEPT)
        return cb_fail(err, CB_EARG,
                       "gradient of the final state '%s' without a forward pass with keep", state);
    return take_rows(&e->layers[layer].d_final[s], in, e->steps.B * e->layers[layer].state[s].dim,
                     err);
}

cb_status cb_engine_initial_gradient(const cb_engine *e, size_t layer, const char *state,
                                     float *out, cb_err *err) {
    size_t s;
    cb_status st = cbi_stack_state(e->stack, layer, state, &s, err);
    if (st != CB_OK)
        return st;
    const cbi_plane *p = &e->layers[layer].carry_in[s];
    if (e->done < DIFFERENTIATED)
        return cb_fail(err, CB_EARG, "initial gradient of '%s' without a backward pass", state);
    for (size_t r = 0; r < e->steps.B; r++)
        memcpy(out + r * p->dim, p->data + r * p->ld, p->dim * sizeof *out);
    return CB_OK;
}

/* ---- what it will hold, and names for the records ---- */

cb_status cb_engine_memory(const cb_stack *stack, size_t B, size_t frames, int keep, size_t *bytes,
                           cb_err *err) {
    size_t block_rows = frames < BLOCK_ROWS ? frames : BLOCK_ROWS;
    if (block_rows < B)
        block_rows = B;
    const cbi_kernels *kernels;
    *bytes = 0;
    cb_status st = cbi_kernels_get(&kernels, err);
    if (st != CB_OK)
        return st;
    /* There are at most as many steps as frames. */
    size_t frame_bytes = sizeof(block) + sizeof(size_t) + 3 * sizeof(int32_t), total;
    st = cb_size_mul(frames, frame_bytes, &total);
    if (st == CB_OK)
        st = cb_size_add(total, stack->weights * sizeof(float) + sizeof(cb_engine), &total);
    for (size_t l = 0; st == CB_OK && l < stack->layers; l++)
        st = cb_size_add(
            total, cbi_layer_bytes(stack->cells[l], B, frames, block_rows, keep, kernels), &total);
    if (st != CB_OK)
        return cb_fail(err, st, "engine: the memory for %zu frames overflows", frames);
    *bytes = total;
    return CB_OK;
}

const char *cb_engine_kernel_name(void) {
    const cbi_kernels *kernels;
    return cbi_kernels_get(&kernels, NULL) == CB_OK ? kernels->name : "none";
}
const char *cb_engine_blis_version(void) {
    return cbi_blis_version();
}
unsigned cb_engine_denormals_flush(void) {
    return cbi_denormals_flush();
}
void cb_engine_denormals_restore(unsigned saved) {
    cbi_denormals_restore(saved);
}
