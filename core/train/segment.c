/* SPDX-License-Identifier: MIT */
/* A batch in segments of its steps; the idea stands in segment.h, what keeps the bits in engine.h
 * (cb_engine_segment_end). */
#include "train/segment.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/kernels.h"

/* ---- sizes ---- */

static size_t state_elements(const cb_stack *stack) {
    size_t elements = 0, n;
    for (size_t l = 0; l < cb_stack_layer_count(stack); l++) {
        const cb_state_info *info = cb_cell_states(cb_stack_cell(stack, l), &n);
        for (size_t s = 0; s < n; s++)
            elements += info[s].dim;
    }
    return elements;
}

cb_status cbi_segment_steps(const cb_stack *stack, size_t wanted, const cbi_extent *training,
                            size_t *steps, cb_err *err) {
    enum { FRAMES = 4096 };
    size_t few, many;
    *steps = wanted;
    if (wanted != CBI_SEGMENT_AUTO)
        return CB_OK;
    cb_status st = cb_engine_memory(stack, 1, FRAMES, 1, &few, err);
    if (st == CB_OK)
        st = cb_engine_memory(stack, 1, 2 * FRAMES, 1, &many, err);
    if (st != CB_OK)
        return st;
    /* n steps hold n frames, and T/n borders one row of states each: least where both are equal. */
    const double frame = (double)(many - few) / FRAMES;
    const double row = (double)state_elements(stack) * sizeof(float);
    *steps = 1 + (size_t)sqrt((double)training->steps * row / frame);
    return CB_OK;
}

size_t cbi_segment_frames(const cbi_extent *b, size_t steps) {
    size_t rows;
    if (steps >= b->steps || cb_size_mul(steps, b->B, &rows) != CB_OK)
        return b->frames;
    rows += CB_BLOCK_FRAMES;
    return rows < b->frames ? rows : b->frames;
}

typedef struct sizes {
    size_t y, dy, segments, border, rows;
} sizes;

static cb_status size_arrays(sizes *out, const cb_stack *stack, size_t steps,
                             const cbi_extent *training, const cbi_extent *both, cb_err *err) {
    const size_t ld = cbi_padded(cb_stack_output_dim(stack));
    *out = (sizes){.segments = both->steps / (steps ? steps : 1) + 2, .rows = both->B};
    if (cb_size_mul(both->frames, ld, &out->y) != CB_OK ||
        cb_size_mul(training->frames, ld, &out->dy) != CB_OK ||
        cb_size_mul(state_elements(stack), both->B, &out->border) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "segments: too large: %zu frames", both->frames);
    return CB_OK;
}

cb_status cbi_segments_bytes(const cb_stack *stack, size_t steps, const cbi_extent *training,
                             const cbi_extent *both, size_t *bytes, cb_err *err) {
    sizes s;
    size_t floats, borders;
    *bytes = 0;
    if (steps == 0)
        return CB_OK;
    cb_status st = size_arrays(&s, stack, steps, training, both, err);
    if (st != CB_OK)
        return st;
    /* from and frame take four floats each. The states at every border, a gradient, and the
     * engine's copies of both. */
    if (cb_size_mul(s.segments + 3, s.border, &borders) != CB_OK ||
        cb_size_add(s.y, s.dy, &floats) != CB_OK ||
        cb_size_add(floats, borders, &floats) != CB_OK ||
        cb_size_add(floats, 4 * (s.segments + 1) + s.rows, &floats) != CB_OK ||
        cb_size_mul(floats, sizeof(float), bytes) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "segments: too large: %zu frames", both->frames);
    return CB_OK;
}

cb_status cbi_segments_init(cbi_segments *out, const cb_stack *stack, size_t steps,
                            const cbi_extent *training, const cbi_extent *both, cb_err *err) {
    sizes s;
    *out = (cbi_segments){.stack = stack, .least = steps};
    if (steps == 0)
        return CB_OK;
    cb_status st = size_arrays(&s, stack, steps, training, both, err);
    if (st != CB_OK)
        return st;
    out->states = state_elements(stack);
    out->most_B = both->B;
    out->most = s.segments;
    out->ld = cbi_padded(cb_stack_output_dim(stack));
    out->y = cbi_aligned_calloc(s.y, sizeof(float));
    out->dy = cbi_aligned_calloc(s.dy, sizeof(float));
    out->from = cbi_calloc(s.segments + 1, sizeof *out->from);
    out->frame = cbi_calloc(s.segments + 1, sizeof *out->frame);
    out->border = cbi_calloc(s.segments, s.border * sizeof(float));
    out->d_border = cbi_calloc(s.border, sizeof(float));
    out->start = cbi_calloc(s.rows + 1, sizeof *out->start);
    if (!out->y || !out->dy || !out->from || !out->frame || !out->border || !out->d_border ||
        !out->start)
        return cb_fail(err, CB_ENOMEM, "segments: %zu frames, %zu borders", both->frames,
                       s.segments);
    return CB_OK;
}

void cbi_segments_fini(cbi_segments *s) {
    cbi_aligned_free(s->y);
    cbi_aligned_free(s->dy);
    cbi_free(s->from);
    cbi_free(s->frame);
    cbi_free(s->border);
    cbi_free(s->d_border);
    cbi_free(s->start);
    *s = (cbi_segments){0};
}

/* ---- states at borders ---- */

/* What is done with the rows of one state at a border, [B][dim] at `rows`. */
typedef cb_status (*state_visit)(cb_engine *engine, size_t layer, const cb_state_info *state,
                                 float *rows, size_t B, cb_err *err);

/* Of all states, which stand one after the other at `all`; NULL: of none. */
static cb_status each_state(const cbi_segments *s, cb_engine *engine, float *all, size_t B,
                            state_visit visit, cb_err *err) {
    size_t at = 0, n;
    cb_status st = CB_OK;
    for (size_t l = 0; l < cb_stack_layer_count(s->stack); l++) {
        const cb_state_info *info = cb_cell_states(cb_stack_cell(s->stack, l), &n);
        for (size_t i = 0; st == CB_OK && i < n; at += info[i++].dim)
            st = visit(engine, l, &info[i], all ? all + at * s->most_B : NULL, B, err);
    }
    return st;
}

static cb_status give(cb_engine *e, size_t l, const cb_state_info *state, float *rows, size_t B,
                      cb_err *err) {
    return cb_engine_set_initial(e, l, state->name, rows, B, err);
}

static cb_status take(cb_engine *e, size_t l, const cb_state_info *state, float *rows, size_t B,
                      cb_err *err) {
    (void)B;
    return cb_engine_final_state(e, l, state->name, rows, err);
}

/* B: rows that go on; those that ended in this segment get no gradient. */
static cb_status give_gradient(cb_engine *e, size_t l, const cb_state_info *state, float *rows,
                               size_t B, cb_err *err) {
    (void)B;
    return cb_engine_set_final_gradient(e, l, state->name, rows, err);
}

static cb_status clear_ended(cb_engine *e, size_t l, const cb_state_info *state, float *rows,
                             size_t most, cb_err *err) {
    (void)e, (void)l, (void)err;
    memset(rows, 0, most * state->dim * sizeof *rows);
    return CB_OK;
}

static cb_status take_gradient(cb_engine *e, size_t l, const cb_state_info *state, float *rows,
                               size_t B, cb_err *err) {
    (void)B;
    return cb_engine_initial_gradient(e, l, state->name, rows, err);
}

/* ---- running them ---- */

static void cut(cbi_segments *s, const cb_steps *steps) {
    size_t t = 0, frame = 0;
    for (s->count = 0; t < steps->T; s->count++) {
        s->from[s->count] = t;
        s->frame[s->count] = frame;
        for (const size_t end = cb_engine_segment_end(steps, t, s->least); t < end; t++)
            frame += steps->rows[t];
    }
    s->from[s->count] = t;
    s->frame[s->count] = frame;
}

static float *border(const cbi_segments *s, size_t i) {
    return i ? s->border + i * s->states * s->most_B : NULL;
}

static cb_status run(cbi_segments *s, cb_engine *engine, const cbi_batch *batch, size_t i, int keep,
                     cb_rows *y, cb_err *err) {
    const size_t from = s->from[i], frame = s->frame[i], B = batch->steps.rows[from];
    const cb_steps steps = {.T = s->from[i + 1] - from,
                            .B = B,
                            .rows = batch->steps.rows + from,
                            .frames = s->frame[i + 1] - frame,
                            .start = from ? s->start : NULL,
                            .before = frame};
    for (size_t r = 0; r < B; r++)
        s->start[r] = (uint32_t)from;
    cb_status st = each_state(s, engine, border(s, i), B, give, err);
    if (st != CB_OK)
        return st;
    return cb_engine_forward(engine, &steps, batch->x ? batch->x + frame * batch->ldx : NULL,
                             batch->ldx, batch->index ? batch->index + frame : NULL, keep, y, err);
}

static void copy_rows(float *to, size_t ldt, const float *from, size_t ldf, size_t rows,
                      size_t dim) {
    for (size_t r = 0; r < rows; r++)
        memcpy(to + r * ldt, from + r * ldf, dim * sizeof *to);
}

cb_status cbi_segments_forward(cbi_segments *s, cb_engine *engine, const cbi_batch *batch, int keep,
                               cb_rows *y, cb_err *err) {
    *y = (cb_rows){s->y, s->ld, cb_stack_output_dim(s->stack)};
    cut(s, &batch->steps);
    for (size_t i = 0; i < s->count; i++) {
        cb_rows part;
        cb_status st = run(s, engine, batch, i, keep, &part, err);
        if (st == CB_OK && i + 1 < s->count)
            st = each_state(s, engine, border(s, i + 1), 0, take, err);
        if (st != CB_OK)
            return st;
        copy_rows(s->y + s->frame[i] * s->ld, s->ld, part.data, part.ld,
                  s->frame[i + 1] - s->frame[i], part.dim);
    }
    return CB_OK;
}

cb_rows cbi_segments_output_gradient(const cbi_segments *s) {
    return (cb_rows){s->dy, s->ld, cb_stack_output_dim(s->stack)};
}

/* Of a segment that was just run. */
static cb_status go_back(cbi_segments *s, cb_engine *engine, size_t i, float *gradient,
                         cb_err *err) {
    const cb_rows dy = cb_engine_output_gradient(engine);
    copy_rows(dy.data, dy.ld, s->dy + s->frame[i] * s->ld, s->ld, s->frame[i + 1] - s->frame[i],
              dy.dim);
    cb_status st = CB_OK;
    if (i + 1 < s->count)
        st = each_state(s, engine, s->d_border, 0, give_gradient, err);
    if (st == CB_OK)
        st = cb_engine_backward(engine, i ? NULL : gradient, NULL, 0, err);
    /* The segment before has at least these rows; what it has beyond them ends there. */
    if (st == CB_OK && i > 0)
        st = each_state(s, engine, s->d_border, s->most_B, clear_ended, err);
    if (st == CB_OK && i > 0)
        st = each_state(s, engine, s->d_border, 0, take_gradient, err);
    return st;
}

cb_status cbi_segments_backward(cbi_segments *s, cb_engine *engine, const cbi_batch *batch,
                                float *gradient, cb_err *err) {
    cb_status st = CB_OK;
    for (size_t i = s->count; st == CB_OK && i-- > 0;) {
        cb_rows y;
        if (i + 1 < s->count) /* the last one is still there */
            st = run(s, engine, batch, i, 1, &y, err);
        if (st == CB_OK)
            st = go_back(s, engine, i, gradient, err);
    }
    return st;
}
