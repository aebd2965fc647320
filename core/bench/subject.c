/* SPDX-License-Identifier: MIT */
/*
 * Weights are drawn by the cell's own laws, inputs and gradients of outputs from a standard normal
 * distribution: values of an ordinary size, so that nothing saturates, vanishes or is denormal.
 */
#include "bench/subject.h"

#include <string.h>

#include "base/alloc.h"
#include "cellbench/random.h"

static const cb_layer_spec *layers_of(const cb_bench_case *what, cb_layer_spec *layers) {
    for (size_t l = 0; l < what->shape.layers; l++)
        layers[l] = (cb_layer_spec){.name = what->cell,
                                    .text = what->text,
                                    .settings = what->settings,
                                    .setting_count = what->setting_count,
                                    .hidden = what->shape.H};
    return layers;
}

static cb_status make_stack(cbi_subject *s, const cb_bench_case *what, cb_err *err) {
    cb_layer_spec *layers = cbi_calloc(what->shape.layers, sizeof *layers);
    if (layers == NULL)
        return cb_fail(err, CB_ENOMEM, "bench: %zu layers", what->shape.layers);
    const size_t I = what->shape.I;
    cb_status st = cb_stack_create(&s->stack, layers_of(what, layers), what->shape.layers,
                                   I > 0 ? CB_INPUT_DENSE : CB_INPUT_NONE, I, err);
    cbi_free(layers);
    return st;
}

static double pass_flop(const cbi_subject *s, const cb_bench_shape *shape) {
    double step = 0;
    for (size_t l = 0; l < cb_stack_layer_count(s->stack); l++)
        step += (double)cb_cell_get_cost(cb_stack_cell(s->stack, l)).product_flop;
    return step * (double)shape->T * (double)shape->B;
}

static cb_status make_arrays(cbi_subject *s, const cb_bench_shape *shape, cb_err *err) {
    size_t frames, inputs, outputs;
    const size_t weights = cb_stack_weight_count(s->stack), out = cb_stack_output_dim(s->stack);
    s->ldx = shape->I;
    if (cb_size_mul(shape->T, shape->B, &frames) != CB_OK ||
        cb_size_mul(frames, shape->I, &inputs) != CB_OK ||
        cb_size_mul(frames, out, &outputs) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "bench: %zu steps of %zu sequences are too large", shape->T,
                       shape->B);
    s->steps = (cb_steps){.T = shape->T, .B = shape->B, .frames = frames};
    s->rows = cbi_calloc(shape->T, sizeof *s->rows);
    s->w = cbi_aligned_calloc(weights, sizeof *s->w);
    s->gradient = cbi_aligned_calloc(weights, sizeof *s->gradient);
    s->x = cbi_aligned_calloc(inputs + 1, sizeof *s->x);
    s->dx = cbi_aligned_calloc(inputs + 1, sizeof *s->dx);
    s->dy = cbi_aligned_calloc(outputs, sizeof *s->dy);
    if (!s->rows || !s->w || !s->gradient || !s->x || !s->dx || !s->dy)
        return cb_fail(err, CB_ENOMEM, "bench: %zu frames", frames);
    for (size_t t = 0; t < shape->T; t++)
        s->rows[t] = (uint32_t)shape->B;
    s->steps.rows = s->rows;
    return CB_OK;
}

static void draw(float *to, size_t n, double scale, uint64_t seed, const char *purpose) {
    cb_random stream = cb_random_stream(seed, purpose, 0);
    for (size_t i = 0; i < n; i++)
        to[i] = (float)(scale * cb_random_normal(&stream));
}

static cb_status fill_arrays(cbi_subject *s, const cb_bench_shape *shape, uint64_t seed,
                             cb_err *err) {
    const size_t weights = cb_stack_weight_count(s->stack);
    double *w = cbi_calloc(weights, sizeof *w);
    if (w == NULL)
        return cb_fail(err, CB_ENOMEM, "bench: %zu weights", weights);
    cb_status st = cb_stack_init(s->stack, seed, NULL, 0, w, err);
    for (size_t i = 0; st == CB_OK && i < weights; i++)
        s->w[i] = (float)w[i];
    cbi_free(w);
    draw(s->x, s->steps.frames * shape->I, 1, seed, "bench/x");
    draw(s->dy, s->steps.frames * cb_stack_output_dim(s->stack), 1.0 / (double)shape->B, seed,
         "bench/dy");
    return st;
}

cb_status cbi_subject_init(cbi_subject *s, const cb_bench_case *what, uint64_t seed, cb_err *err) {
    const cb_bench_shape *shape = &what->shape;
    cb_status st;
    *s = (cbi_subject){.phase = what->phase};
    if (shape->T == 0 || shape->B == 0 || shape->B > UINT32_MAX || shape->layers == 0)
        return cb_fail(err, CB_EARG, "bench: steps, batch and layers: expected at least 1");
    if ((st = make_stack(s, what, err)) != CB_OK ||
        (st = cb_engine_create(&s->engine, s->stack, err)) != CB_OK ||
        (st = make_arrays(s, shape, err)) != CB_OK ||
        (st = fill_arrays(s, shape, seed, err)) != CB_OK)
        return st;
    s->flop = pass_flop(s, shape) * (what->phase == CB_BENCH_TRAIN ? 3 : 1);
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

cb_status cbi_subject_execute(cbi_subject *s, cb_err *err) {
    const int train = s->phase == CB_BENCH_TRAIN;
    const float *x = s->ldx > 0 ? s->x : NULL;
    cb_rows y;
    cb_status st = CB_OK;
    if (train && (st = cb_engine_set_weights(s->engine, s->w, err)) != CB_OK)
        return st;
    st = cb_engine_forward(s->engine, &s->steps, x, s->ldx, NULL, train, &y, err);
    if (st != CB_OK || !train)
        return st;
    const cb_rows dy = cb_engine_output_gradient(s->engine);
    for (size_t r = 0; r < s->steps.frames; r++)
        memcpy(dy.data + r * dy.ld, s->dy + r * dy.dim, dy.dim * sizeof *dy.data);
    return cb_engine_backward(s->engine, s->gradient, x != NULL ? s->dx : NULL, s->ldx, err);
}
