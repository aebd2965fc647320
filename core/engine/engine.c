/* SPDX-License-Identifier: MIT */
/*
 * The f32 engine: executes the schedules of a stack, layer by layer; within a layer by blocks of
 * steps, so that what is hoisted out of the loop stays in the second-level cache until the loop
 * reads it.
 */
#include "cellbench/engine.h"

#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "engine/engine_internal.h"

/* ---- times ---- */

void cb_engine_set_times(cb_engine *e, cb_engine_times *times) {
    e->is_timed = times != NULL;
    e->times = times ? times : &e->unread;
}

void cbi_lap(cb_engine *e, double *part) {
    struct timespec t;
    if (!e->is_timed)
        return;
    clock_gettime(CLOCK_MONOTONIC, &t);
    const double now = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    if (part != NULL)
        *part += now - e->lap;
    e->lap = now;
}

/* ---- creation ---- */

cb_status cb_engine_create(cb_engine **out, const cb_stack *stack, cb_err *err) {
    cb_status st;
    *out = NULL;
    cb_engine *e = cbi_calloc(1, sizeof *e);
    if (e == NULL)
        return cbi_engine_no_memory(err);
    e->stack = stack;
    e->times = &e->unread;
    e->layers = cbi_calloc(stack->layers, sizeof *e->layers);
    if (e->layers == NULL)
        st = cbi_engine_no_memory(err);
    else if ((st = cbi_gemm_begin(err)) == CB_OK)
        st = cbi_kernels_get(&e->kernels, err);
    for (size_t l = 0; st == CB_OK && l < stack->layers; l++)
        st = cbi_layer_init(&e->layers[l], stack, l,
                            stack->units[l].direct ? &e->layers[l - 1] : NULL, e->kernels, err);
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
    cbi_free(e->rows);
    cbi_free(e->first);
    cbi_free(e->step_of_row);
    cbi_free(e->index);
    cbi_route_fini(e);
    cbi_mask_source_fini(&e->masks);
    cbi_free(e->blocks);
    cbi_free(e);
}

void cbi_engine_compute_all(cb_engine *e) {
    for (size_t l = 0; l < e->stack->layers; l++) {
        e->layers[l].is_whole = 1;
        e->layers[l].activity.periods = NULL;
    }
}

cb_status cb_engine_set_weights(cb_engine *e, const float *w, cb_err *err) {
    (void)err;
    cbi_lap(e, NULL);
    for (size_t l = 0; l < e->stack->layers; l++)
        cbi_layer_set_weights(&e->layers[l], e->kernels, w);
    cbi_lap(e, &e->times->packing);
    e->have_weights = 1;
    e->is_holding = 0;
    return CB_OK;
}

/* ---- the shape of a batch ---- */

/* The first step behind the block that begins with step `from`. */
static size_t block_end(const cb_steps *steps, size_t from, size_t *rows) {
    size_t t = from;
    for (*rows = 0; t < steps->T && (*rows == 0 || *rows + steps->rows[t] <= CBI_BLOCK_ROWS); t++)
        *rows += steps->rows[t];
    return t;
}

/* Sums of gradients run over whole blocks: a segment that is made of the same ones adds the same
 * numbers in the same order. */
size_t cb_engine_segment_end(const cb_steps *steps, size_t from, size_t least) {
    size_t t = from, rows;
    while (t < steps->T && (t == from || t - from < least))
        t = block_end(steps, t, &rows);
    return t;
}

static cb_status take_steps(cb_engine *e, const cb_steps *steps, cb_err *err) {
    if (cbi_grow((void **)&e->rows, &e->row_capacity, steps->T + 1, sizeof *e->rows) ||
        cbi_grow((void **)&e->first, &e->first_capacity, steps->T + 1, sizeof *e->first) ||
        cbi_grow((void **)&e->blocks, &e->block_capacity, steps->T + 1, sizeof *e->blocks) ||
        cbi_grow((void **)&e->step_of_row, &e->frame_capacity, steps->frames + 1,
                 sizeof *e->step_of_row))
        return cbi_engine_no_memory(err);
    size_t frame = 0;
    e->equal_counts = 1;
    for (size_t r = 1; steps->start && r < steps->B; r++)
        e->equal_counts &= steps->start[r] == steps->start[0];
    for (size_t t = 0; t < steps->T; t++) {
        e->rows[t] = steps->rows[t];
        e->first[t] = frame;
        for (size_t r = 0; r < steps->rows[t]; r++)
            e->step_of_row[frame++] = (int32_t)(t + (steps->start ? steps->start[r] : 0));
    }
    e->steps = *steps;
    e->steps.rows = e->rows;
    e->steps.start = NULL; /* the caller's: read above, not kept */
    e->block_count = e->block_rows = 0;
    for (size_t t = 0; t < steps->T;) {
        cbi_block b = {t, t, e->first[t], 0, 1};
        b.to = block_end(steps, t, &b.rows);
        for (size_t k = t > 0 ? t : 1; k < b.to; k++)
            b.uniform &= e->rows[k] == e->rows[k - 1];
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
void cbi_find_old(cb_engine *e, cbi_layer *y, const cbi_block *b) {
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
            int given = cbi_is_given_row(y, s, r);
            for (size_t j = 0; j < p->dim; j++)
                row[j] = given            ? y->handed[s].initial[r * p->dim + j]
                         : state->learned ? y->vector[state->init_param][j]
                                          : (float)state->init;
        }
    }
}

/* ---- stages ---- */

cbi_scope cbi_block_scope(const cbi_block *b, int backward, int phase) {
    return (cbi_scope){.backward = backward,
                       .phase = phase,
                       .rows = b->rows,
                       .base = {0, b->frame, 0, 0},
                       .block = b,
                       .skip = CBI_NONE};
}

size_t cbi_row_of(const cb_engine *e, cbi_row_base base, size_t t) {
    if (base == CBI_ROW_FRAME)
        return e->first[t];
    return base == CBI_ROW_OLD && t > 0 ? e->steps.B + e->first[t - 1] : 0;
}

cbi_scope cbi_step_scope(const cb_engine *e, const cbi_layer *y, const cbi_block *b, size_t t,
                         int backward) {
    const size_t frame = cbi_row_of(e, CBI_ROW_FRAME, t), old = cbi_row_of(e, CBI_ROW_OLD, t);
    return (cbi_scope){.backward = backward,
                       .phase = CBI_LOOP,
                       .rows = e->rows[t],
                       .base = {0, frame, frame - b->frame, old},
                       .moves = cbi_activity_at(&y->activity, t),
                       .skip = CBI_NONE};
}

void cbi_find_activity(const cb_engine *e, cbi_layer *y, const cbi_block *b) {
    cbi_activity_begin(&y->activity, b->from);
    for (size_t t = b->from; t < b->to; t++)
        cbi_activity_set(&y->activity, t, e->step_of_row + e->first[t], e->rows[t],
                         e->equal_counts);
}

/* Units that stand still have a program of their own. */
static void run_program(const cb_engine *e, const cbi_layer *y, const cbi_scope *scope,
                        size_t stage) {
    const cbi_phase_run *run = &y->run[scope->backward][scope->phase];
    const int32_t *count = e->step_of_row + scope->base[CBI_ROW_FRAME];
    const cbi_pass *pass = cbi_pass_of(y->cell, scope->backward);
    cbi_stretch s = {0, 0, 0};
    if (scope->moves == NULL || !pass->stage[scope->phase][stage].has_idle)
        cbi_program_run(&run->program[stage], e->kernels, scope->rows, scope->base, count);
    else
        while (cbi_activity_next(scope->moves, s.to, y->activity.groups, &s))
            cbi_program_run_columns(s.moves ? &run->program[stage] : &run->idle[stage], e->kernels,
                                    scope->rows, scope->base, count, s.from * CBI_LANES,
                                    s.to * CBI_LANES);
}

/* The caller has begun a lap. */
static void run_stage(cb_engine *e, cbi_layer *y, const cbi_scope *scope, size_t stage) {
    cbi_run_products(e, y, scope, stage);
    cbi_lap(e, &e->times->products);
    run_program(e, y, scope, stage);
    cbi_lap(e, &e->times->pointwise);
}

void cbi_run_phase(cb_engine *e, cbi_layer *y, const cbi_scope *scope) {
    const cbi_pass *pass = cbi_pass_of(y->cell, scope->backward);
    cbi_lap(e, NULL);
    for (size_t s = 0; s < pass->stages[scope->phase]; s++)
        run_stage(e, y, scope, s);
}

/* ---- forward ---- */

static void forward_block(cb_engine *e, cbi_layer *y, const cbi_block *b) {
    const cbi_scope before = cbi_block_scope(b, 0, CBI_BEFORE);
    const cbi_pass *pass = &y->cell->forward;
    cbi_find_activity(e, y, b);
    for (size_t s = 0; s < pass->stages[CBI_BEFORE]; s++) {
        /* A delayed state is a sequence that an earlier stage of this block has written. */
        if (s > 0 && y->delayed)
            cbi_find_old(e, y, b);
        cbi_lap(e, NULL);
        run_stage(e, y, &before, s);
    }
    for (size_t t = b->from; t < b->to; t++) {
        const cbi_scope step = cbi_step_scope(e, y, b, t, 0);
        cbi_run_phase(e, y, &step);
    }
    if (pass->stages[CBI_AFTER]) {
        cbi_find_old(e, y, b);
        const cbi_scope after = cbi_block_scope(b, 0, CBI_AFTER);
        cbi_run_phase(e, y, &after);
    }
}

static cb_status check_forward(cb_engine *e, const cb_steps *steps, const float *x, size_t ldx,
                               const int32_t *index, int keep, cb_err *err) {
    cb_status st = cbi_steps_check(steps, err);
    if (st != CB_OK)
        return st;
    if (!e->have_weights)
        return cb_fail(err, CB_EARG, "engine: a forward pass before any weights were set");
    if (steps->frames && e->stack->kind == CB_INPUT_DENSE && (x == NULL || ldx < e->stack->I))
        return cb_fail(err, CB_EARG, "engine: expected dense input of %zu columns", e->stack->I);
    if (steps->frames && e->stack->kind == CB_INPUT_INDEX && index == NULL)
        return cb_fail(err, CB_EARG, "engine: expected an index input");
    for (size_t l = 0; steps->start != NULL && l < e->stack->layers; l++)
        if (e->stack->units[l].reverse)
            return cb_fail(err, CB_EARG, "engine: a bidirectional layer cannot go on from a start");
    for (size_t l = 0; l < e->stack->layers; l++)
        for (size_t s = 0; s < e->layers[l].cell->state_count; s++) {
            const cbi_handed *h = &e->layers[l].handed[s];
            if (h->has_initial && h->rows != steps->B)
                return cb_fail(err, CB_ESHAPE, "initial state '%s': %zu rows were given, B is %zu",
                               e->layers[l].cell->states[s].name, h->rows, steps->B);
        }
    if (keep && (st = cbi_mask_source_check(&e->masks, steps, err)) != CB_OK)
        return st;
    return cbi_index_check(e->stack, steps, index, err);
}

cb_status cb_engine_forward(cb_engine *e, const cb_steps *steps, const float *x, size_t ldx,
                            const int32_t *index, int keep, cb_rows *out, cb_err *err) {
    cb_status st;
    *out = (cb_rows){NULL, 0, 0};
    e->done = CBI_NOTHING;
    cbi_drop_final_gradients(e);
    if ((st = check_forward(e, steps, x, ldx, index, keep, err)) != CB_OK ||
        (st = take_steps(e, steps, err)) != CB_OK)
        return st;
    for (size_t l = 0; l < e->stack->layers; l++)
        if ((st = cbi_layer_reserve(&e->layers[l], steps->B, steps->frames, e->block_rows, keep,
                                    e->kernels, err)) != CB_OK)
            return st;
    if ((st = cbi_route_prepare(e, index, keep, err)) != CB_OK)
        return st;
    for (size_t l = 0; l < e->stack->layers; l++)
        if ((st = cbi_masks_fill(e, l, keep, err)) != CB_OK)
            return st;
    for (size_t l = 0; l < e->stack->layers; l++) {
        cbi_layer *y = &e->layers[l];
        cbi_route_input(e, l, x, ldx, keep);
        fill_initial(e, y);
        for (size_t b = 0; b < e->block_count; b++)
            forward_block(e, y, &e->blocks[b]);
    }
    *out = cbi_route_output(e);
    e->done = keep ? CBI_KEPT_ALL : CBI_OUTPUT;
    return CB_OK;
}

cb_status cb_engine_set_dropout(cb_engine *e, double rate, uint64_t seed, uint64_t pass,
                                cb_err *err) {
    if (!(rate >= 0 && rate < 1))
        return cb_fail(err, CB_EARG, "dropout: expected 0 <= rate < 1, got %g", rate);
    e->dropout = rate;
    e->dropout_seed = seed;
    e->dropout_pass = pass;
    return CB_OK;
}

/* ---- what it will hold, and names for the records ---- */

/* Floats of a frame in masks and in the planes between layers: what a layer does not read where the
 * one below wrote it, and gradients that none above leaves in place. */
static size_t route_floats(const cb_stack *s, int keep) {
    size_t floats = 0;
    const size_t top = s->layers - 1;
    for (size_t u = 0; u < s->layers; u++) {
        const int direct_above = u < top && s->units[u + 1].direct;
        if (!s->units[u].direct && s->cells[u]->kind == CB_INPUT_DENSE)
            floats += cbi_padded(s->cells[u]->I);
        floats += cbi_masks_floats(s->cells[u]);
        if (keep && !direct_above)
            floats += cbi_padded(cb_cell_output_dim(s->cells[u]));
    }
    if (s->units[top].reverse)
        floats += (keep ? 2U : 1U) * cbi_padded(cb_stack_output_dim(s));
    return floats;
}

cb_status cb_engine_memory(const cb_stack *stack, size_t B, size_t frames, int keep, size_t *bytes,
                           cb_err *err) {
    size_t block_rows = frames < CBI_BLOCK_ROWS ? frames : CBI_BLOCK_ROWS;
    if (block_rows < B)
        block_rows = B;
    const cbi_kernels *kernels;
    *bytes = 0;
    cb_status st = cbi_kernels_get(&kernels, err);
    if (st != CB_OK)
        return st;
    /* There are at most as many steps as frames. */
    size_t frame_bytes = sizeof(cbi_block) + sizeof(size_t) + 3 * sizeof(int32_t) +
                         route_floats(stack, keep) * sizeof(float);
    size_t total;
    st = cb_size_mul(frames, frame_bytes, &total);
    if (st == CB_OK)
        st = cb_size_add(total, sizeof(cb_engine), &total);
    for (size_t l = 0; st == CB_OK && l < stack->layers; l++) {
        size_t layer;
        st = cbi_layer_bytes(stack->cells[l], B, frames, block_rows, keep, kernels, &layer, err);
        if (st != CB_OK)
            return st;
        st = cb_size_add(total, layer, &total);
    }
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
