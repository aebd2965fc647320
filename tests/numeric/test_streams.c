/* SPDX-License-Identifier: MIT */
/*
 * What goes on over the edges of a call: streams cut into chunks, with sequences that begin in the
 * middle of one, give the bits of the whole sequences; and dropout between layers, whose masks are
 * named by their arguments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cellbench/engine.h"
#include "cellbench/random.h"
#include "numeric/registered.h"

enum { I = 3, H = 8, LONG = 10, CUT = 6, FLOATS = 8192 };

typedef struct net {
    cb_stack *stack;
    cb_engine *engine;
    float w[FLOATS];
    size_t weights;
} net;

static void net_open(net *n, const cb_layer_spec *layers, size_t count) {
    cb_err err;
    double w[FLOATS];
    assert_int_equal(cb_stack_create(&n->stack, layers, count, CB_INPUT_DENSE, I, &err), CB_OK);
    assert_int_equal(cb_engine_create(&n->engine, n->stack, &err), CB_OK);
    n->weights = cb_stack_weight_count(n->stack);
    assert_true(n->weights <= FLOATS);
    assert_int_equal(cb_stack_init(n->stack, 3, NULL, 0, w, &err), CB_OK);
    for (size_t i = 0; i < n->weights; i++)
        n->w[i] = (float)w[i];
    assert_int_equal(cb_engine_set_weights(n->engine, n->w, &err), CB_OK);
}

static void net_close(net *n) {
    cb_engine_destroy(n->engine);
    cb_stack_destroy(n->stack);
}

static void fill(float *x, size_t n, const char *purpose) {
    cb_random r = cb_random_stream(5, purpose, 0);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)cb_random_normal(&r);
}

/* y [frames][H] of rows sequences of equal length; what an output of fewer elements leaves is 0. */
static void run(net *n, size_t T, size_t B, const float *x, const uint32_t *start, float *y) {
    uint32_t rows[LONG];
    cb_err err;
    cb_rows out;
    for (size_t t = 0; t < T; t++)
        rows[t] = (uint32_t)B;
    cb_steps steps = {.T = T, .B = B, .rows = rows, .frames = T * B, .start = start};
    if (cb_engine_forward(n->engine, &steps, x, I, NULL, 0, &out, &err) != CB_OK)
        fail_msg("%s", err.text);
    assert_true(out.dim <= H);
    memset(y, 0, T * B * H * sizeof *y);
    for (size_t f = 0; f < T * B; f++)
        memcpy(y + f * H, out.data + f * out.ld, out.dim * sizeof *y);
}

/* Where the last pass ended begins row 0 of two. */
static void carry(net *n, size_t layer, const unsigned char given[2]) {
    size_t states;
    cb_err err;
    const cb_state_info *info = cb_cell_states(cb_stack_cell(n->stack, layer), &states);
    for (size_t s = 0; s < states; s++) {
        float end[2 * 64] = {0};
        assert_true(info[s].dim <= 64);
        assert_int_equal(cb_engine_final_state(n->engine, layer, info[s].name, end, &err), CB_OK);
        assert_int_equal(
            cb_engine_set_initial_rows(n->engine, layer, info[s].name, end, given, 2, &err), CB_OK);
    }
}

/* Sequence a of 10 steps is cut after 6; in the second chunk b begins beside it. */
static void test_streams(void **state) {
    (void)state;
    for (int i = 0; cb_variants[i]; i++) {
        cb_layer_spec layers[2];
        net n;
        net_open(&n, layers, registered_layers(cb_variants[i], 1, H, layers));
        float a[LONG * I], b[LONG * I], ya[LONG * H], yb[LONG * H], both[LONG * I * 2],
            y[LONG * H * 2];
        const size_t rest = LONG - CUT;
        fill(a, LONG * I, "a");
        fill(b, LONG * I, "b");
        run(&n, LONG, 1, a, NULL, ya);
        run(&n, rest, 1, b, NULL, yb);
        run(&n, CUT, 1, a, NULL, y);
        assert_memory_equal(y, ya, CUT * H * sizeof *y);
        const unsigned char given[2] = {1, 0};
        const uint32_t start[2] = {CUT, 0};
        for (size_t l = 0; l < cb_stack_layer_count(n.stack); l++)
            carry(&n, l, given);
        for (size_t t = 0; t < rest; t++) {
            memcpy(both + (2 * t) * I, a + (CUT + t) * I, I * sizeof *a);
            memcpy(both + (2 * t + 1) * I, b + t * I, I * sizeof *b);
        }
        run(&n, rest, 2, both, start, y);
        for (size_t t = 0; t < rest; t++) {
            assert_memory_equal(y + 2 * t * H, ya + (CUT + t) * H, H * sizeof *y);
            assert_memory_equal(y + (2 * t + 1) * H, yb + t * H, H * sizeof *y);
        }
        net_close(&n);
    }
}

static double loss(net *n, const float *w, const float *x, int keep, float *y) {
    static const uint32_t rows[4] = {3, 3, 2, 1};
    const cb_steps steps = {.T = 4, .B = 3, .rows = rows, .frames = 9};
    cb_err err;
    cb_rows out;
    assert_int_equal(cb_engine_set_weights(n->engine, w, &err), CB_OK);
    assert_int_equal(cb_engine_forward(n->engine, &steps, x, I, NULL, keep, &out, &err), CB_OK);
    double sum = 0;
    for (size_t f = 0; f < 9; f++)
        for (size_t j = 0; j < out.dim; j++) {
            y[f * out.dim + j] = out.data[f * out.ld + j];
            sum += (double)y[f * out.dim + j] * (double)(j + 1);
        }
    return sum;
}

static void test_dropout(void **state) {
    (void)state;
    cb_layer_spec layers[3] = {
        {.name = "a", .text = "state h\nh' = tanh(W x + R h + b)\n", .hidden = H},
        {.name = "b",
         .text = "state h\nh' = tanh(W x + R h + b)\n",
         .hidden = H,
         .bidirectional = 1},
        {.name = "c", .text = "state h\nh' = tanh(W x + R h + b)\n", .hidden = H}};
    net n;
    cb_err err;
    float x[9 * I], clean[9 * H], y[9 * H], again[9 * H], w[FLOATS], g[FLOATS], d[FLOATS];
    net_open(&n, layers, 3);
    fill(x, 9 * I, "x");
    loss(&n, n.w, x, 1, clean);
    assert_int_equal(cb_engine_set_dropout(n.engine, 0.4, 1, 0, &err), CB_OK);
    loss(&n, n.w, x, 1, y);
    assert_memory_not_equal(y, clean, sizeof y);
    loss(&n, n.w, x, 1, again);
    assert_memory_equal(y, again, sizeof y);
    /* Only training drops. */
    loss(&n, n.w, x, 0, again);
    assert_memory_equal(clean, again, sizeof y);
    assert_int_equal(cb_engine_set_dropout(n.engine, 0.4, 1, 1, &err), CB_OK);
    loss(&n, n.w, x, 1, again);
    assert_memory_not_equal(y, again, sizeof y);
    /* The gradient is that of the dropped network: a directional derivative in f32. */
    cb_rows dy = cb_engine_output_gradient(n.engine);
    for (size_t f = 0; f < 9; f++)
        for (size_t j = 0; j < dy.dim; j++)
            dy.data[f * dy.ld + j] = (float)(j + 1);
    assert_int_equal(cb_engine_backward(n.engine, g, NULL, 0, &err), CB_OK);
    fill(d, n.weights, "direction");
    const float h = 1e-3f;
    double slope = 0, up, down;
    for (size_t i = 0; i < n.weights; i++) {
        slope += (double)g[i] * (double)d[i];
        w[i] = n.w[i] + h * d[i];
    }
    up = loss(&n, w, x, 1, y);
    for (size_t i = 0; i < n.weights; i++)
        w[i] = n.w[i] - h * d[i];
    down = loss(&n, w, x, 1, y);
    double numeric = (up - down) / (2 * (double)h);
    if (!(numeric - slope < 0.01 * (1 + slope * slope) &&
          slope - numeric < 0.01 * (1 + slope * slope)))
        fail_msg("directional derivative %g, differences give %g", slope, numeric);
    /* Off again: the first bits. */
    assert_int_equal(cb_engine_set_dropout(n.engine, 0, 0, 0, &err), CB_OK);
    loss(&n, n.w, x, 1, y);
    assert_memory_equal(clean, y, sizeof y);
    assert_int_equal(cb_engine_set_dropout(n.engine, 1, 0, 0, &err), CB_EARG);
    assert_int_equal(cb_engine_set_dropout(n.engine, -0.1, 0, 0, &err), CB_EARG);
    net_close(&n);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_streams),
                                       cmocka_unit_test(test_dropout)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
