/* SPDX-License-Identifier: MIT */
/*
 * Weights are drawn by the cell's own laws, inputs and gradients of outputs from a standard normal
 * distribution: values of an ordinary size, so that nothing saturates, vanishes or is denormal,
 * unless that is asked for.
 */
#include "bench/subject.h"

#include <string.h>

#include "base/alloc.h"
#include "cellbench/random.h"

/* ---- making one ---- */

static const cb_layer_spec *layers_of(const cb_bench_case *what, cb_layer_spec *layers) {
    for (size_t l = 0; l < what->shape.layers; l++)
        layers[l] = (cb_layer_spec){.name = what->cell,
                                    .text = what->text,
                                    .settings = what->settings,
                                    .setting_count = what->setting_count,
                                    .hidden = what->shape.H};
    if (what->lowest_text != NULL)
        layers[0] = (cb_layer_spec){
            .name = what->lowest, .text = what->lowest_text, .hidden = what->shape.H};
    return layers;
}

static cb_status make_stack(cb_stack **out, const cb_bench_case *what, cb_err *err) {
    cb_layer_spec *layers = cbi_calloc(what->shape.layers, sizeof *layers);
    if (layers == NULL)
        return cb_fail(err, CB_ENOMEM, "bench: %zu layers", what->shape.layers);
    const size_t I = what->shape.I;
    cb_status st = cb_stack_create(out, layers_of(what, layers), what->shape.layers,
                                   I > 0 ? CB_INPUT_DENSE : CB_INPUT_NONE, I, err);
    cbi_free(layers);
    return st;
}

static size_t step_flop(const cb_stack *stack) {
    size_t flop = 0;
    for (size_t l = 0; l < cb_stack_layer_count(stack); l++)
        flop += cb_cell_get_cost(cb_stack_cell(stack, l)).product_flop;
    return flop;
}

/* rows[t]: how many of the B sequences have a step t. With `spread`, sequence b has T - b*T/B of
 * them: evenly from T down, none without any. */
static cb_status make_steps(cbi_subject *s, cb_err *err) {
    const cb_bench_shape *shape = &s->what->shape;
    const size_t T = shape->T, B = shape->B;
    size_t product, frames = 0;
    if (cb_size_mul(T, B, &product) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "bench: %zu steps of %zu sequences are too large", T, B);
    if ((s->rows = cbi_calloc(T, sizeof *s->rows)) == NULL)
        return cb_fail(err, CB_ENOMEM, "bench: %zu steps", T);
    for (size_t t = 0, b = B; t < T; t++) {
        while (s->what->spread && T - (b - 1) * T / B <= t)
            b--;
        s->rows[t] = (uint32_t)b;
        frames += b;
    }
    s->steps = (cb_steps){.T = T, .B = B, .rows = s->rows, .frames = frames};
    return CB_OK;
}

static cb_status make_arrays(cbi_subject *s, cb_err *err) {
    size_t inputs, outputs;
    const size_t frames = s->steps.frames, weights = cb_stack_weight_count(s->stack);
    s->ldx = s->what->shape.I;
    if (cb_size_mul(frames, s->ldx, &inputs) != CB_OK ||
        cb_size_mul(frames, cb_stack_output_dim(s->stack), &outputs) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "bench: %zu frames are too large", frames);
    s->w = cbi_aligned_calloc(weights, sizeof *s->w);
    s->gradient = cbi_aligned_calloc(weights, sizeof *s->gradient);
    s->x = cbi_aligned_calloc(inputs + 1, sizeof *s->x);
    s->dx = cbi_aligned_calloc(inputs + 1, sizeof *s->dx);
    s->dy = cbi_aligned_calloc(outputs, sizeof *s->dy);
    if (!s->w || !s->gradient || !s->x || !s->dx || !s->dy)
        return cb_fail(err, CB_ENOMEM, "bench: %zu frames", frames);
    return CB_OK;
}

static void draw(float *to, size_t n, double scale, uint64_t seed, const char *purpose) {
    cb_random stream = cb_random_stream(seed, purpose, 0);
    for (size_t i = 0; i < n; i++)
        to[i] = (float)(scale * cb_random_normal(&stream));
}

/* As bits: arithmetic in this thread would give 0. */
static void draw_denormal(float *to, size_t n, uint64_t seed) {
    cb_random stream = cb_random_stream(seed, "bench/denormal", 0);
    for (size_t i = 0; i < n; i++) {
        const double u = cb_random_uniform(&stream);
        const uint32_t bits = (uint32_t)(u * 0x7fffff) + 1;
        memcpy(&to[i], &bits, sizeof bits);
    }
}

static cb_status fill_arrays(cbi_subject *s, uint64_t seed, cb_err *err) {
    const size_t weights = cb_stack_weight_count(s->stack);
    const size_t inputs = s->steps.frames * s->ldx;
    double *w = cbi_calloc(weights, sizeof *w);
    if (w == NULL)
        return cb_fail(err, CB_ENOMEM, "bench: %zu weights", weights);
    cb_status st = cb_stack_init(s->stack, seed, NULL, 0, w, err);
    for (size_t i = 0; st == CB_OK && i < weights; i++)
        s->w[i] = (float)w[i];
    cbi_free(w);
    if (s->what->denormal)
        draw_denormal(s->x, inputs, seed);
    else
        draw(s->x, inputs, 1, seed, "bench/x");
    draw(s->dy, s->steps.frames * cb_stack_output_dim(s->stack), 1.0 / (double)s->steps.B, seed,
         "bench/dy");
    return st;
}

cb_status cbi_subject_init(cbi_subject *s, const cb_bench_case *what, uint64_t seed, cb_err *err) {
    const cb_bench_shape *shape = &what->shape;
    cb_status st;
    *s = (cbi_subject){.what = what};
    if (shape->T == 0 || shape->B == 0 || shape->B > UINT32_MAX || shape->layers == 0)
        return cb_fail(err, CB_EARG, "bench: steps, batch and layers: expected at least 1");
    if ((st = make_stack(&s->stack, what, err)) != CB_OK ||
        (st = cb_engine_create(&s->engine, s->stack, err)) != CB_OK ||
        (st = make_steps(s, err)) != CB_OK || (st = make_arrays(s, err)) != CB_OK ||
        (st = fill_arrays(s, seed, err)) != CB_OK)
        return st;
    s->step_flop = step_flop(s->stack);
    s->flop = (double)s->step_flop * (double)s->steps.frames;
    s->flop *= what->phase == CB_BENCH_FORWARD ? 1 : 3;
    return cb_engine_set_weights(s->engine, s->w, err);
}

void cbi_subject_fini(cbi_subject *s) {
    cb_engine_destroy(s->engine);
    cb_stack_destroy(s->stack);
    cbi_free(s->rows);
    cbi_aligned_free(s->w);
    cbi_aligned_free(s->gradient);
    cbi_aligned_free(s->x);
    cbi_aligned_free(s->dx);
    cbi_aligned_free(s->dy);
    *s = (cbi_subject){0};
}

/* ---- executing it ---- */

static cb_status forward(cbi_subject *s, cb_engine *engine, int keep, cb_rows *y, cb_err *err) {
    return cb_engine_forward(engine, &s->steps, s->ldx > 0 ? s->x : NULL, s->ldx, NULL, keep, y,
                             err);
}

/* The gradient of the output is given, as by a loss that writes it there: it is put in place once.
 */
static void give_gradient(cbi_subject *s, cb_engine *engine) {
    const cb_rows dy = cb_engine_output_gradient(engine);
    if (s->given == dy.data)
        return;
    for (size_t r = 0; r < s->steps.frames; r++)
        memcpy(dy.data + r * dy.ld, s->dy + r * dy.dim, dy.dim * sizeof *dy.data);
    s->given = engine == s->engine ? dy.data : NULL;
}

static cb_status train(cbi_subject *s, cb_engine *engine, cb_rows *y, cb_err *err) {
    cb_status st = cb_engine_set_weights(engine, s->w, err);
    if (st != CB_OK || (st = forward(s, engine, 1, y, err)) != CB_OK)
        return st;
    give_gradient(s, engine);
    return cb_engine_backward(engine, s->gradient, s->ldx > 0 ? s->dx : NULL, s->ldx, err);
}

/* Everything from the text on. */
static cb_status first(cbi_subject *s, cb_err *err) {
    cb_stack *stack = NULL;
    cb_engine *engine = NULL;
    cb_rows y;
    cb_status st = make_stack(&stack, s->what, err);
    if (st == CB_OK && (st = cb_engine_create(&engine, stack, err)) == CB_OK)
        st = train(s, engine, &y, err);
    cb_engine_destroy(engine);
    cb_stack_destroy(stack);
    return st;
}

cb_status cbi_subject_train(cbi_subject *s, cb_rows *y, cb_err *err) {
    return train(s, s->engine, y, err);
}

cb_status cbi_subject_execute(cbi_subject *s, cb_err *err) {
    cb_rows y;
    switch (s->what->phase) {
    case CB_BENCH_FIRST:
        return first(s, err);
    case CB_BENCH_TRAIN:
        return train(s, s->engine, &y, err);
    case CB_BENCH_FORWARD:
    default:
        return forward(s, s->engine, 0, &y, err);
    }
}
