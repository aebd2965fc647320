/* SPDX-License-Identifier: MIT */
/*
 * White-box test of streams: each frame is met once an epoch, and meets the state that it would
 * meet if its sequence, from where its stream takes it up, were run in one piece.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "toy_data.h"
#include "train/stream.h"

enum { H = 6 };

static const char text[] = "set periods = 1, 2, 3\n"
                           "state h, c = learned\n"
                           "f  = sigmoid(W x + R h + b)\n"
                           "c' = f*c + (1 - f)*tanh(W x + R h + b)\n"
                           "h' = clock(periods, tanh(c' + b), h)\n";

typedef struct rig {
    toy t;
    cb_stack *stack;
    cb_engine *engine;
} rig;

static void rig_open(rig *g) {
    cb_err err;
    double w[512];
    float f[512];
    toy_open(&g->t, CB_INPUT_DENSE, CB_LOSS_SQUARED, CB_WHEN_EACH, 2);
    for (size_t i = 0; i < TOY_FRAMES * TOY_INPUT; i++)
        g->t.x[i] *= 0.125F;
    const cb_layer_spec layers[2] = {{.name = "a", .text = text, .hidden = H},
                                     {.name = "b", .text = text, .hidden = H}};
    assert_int_equal(cb_stack_create(&g->stack, layers, 2, CB_INPUT_DENSE, TOY_INPUT, &err), CB_OK);
    assert_true(cb_stack_weight_count(g->stack) <= 512);
    assert_int_equal(cb_stack_init(g->stack, 1, NULL, 0, w, &err), CB_OK);
    for (size_t i = 0; i < cb_stack_weight_count(g->stack); i++)
        f[i] = (float)w[i] + 0.25F;
    assert_int_equal(cb_engine_create(&g->engine, g->stack, &err), CB_OK);
    assert_int_equal(cb_engine_set_weights(g->engine, f, &err), CB_OK);
}

static void rig_close(rig *g) {
    cb_engine_destroy(g->engine);
    cb_stack_destroy(g->stack);
    toy_close(&g->t);
}

/* y [length][H] of frames from .. from + length - 1, run alone. */
static void run_piece(rig *g, size_t from, size_t length, float *y) {
    uint32_t rows[TOY_FRAMES];
    cb_rows out;
    cb_err err;
    for (size_t t = 0; t < length; t++)
        rows[t] = 1;
    const cb_steps steps = {.T = length, .B = 1, .rows = rows, .frames = length};
    assert_int_equal(cb_engine_forward(g->engine, &steps, g->t.x + from * TOY_INPUT, TOY_INPUT,
                                       NULL, 0, &out, &err),
                     CB_OK);
    for (size_t t = 0; t < length; t++)
        memcpy(y + t * H, out.data + t * out.ld, H * sizeof *y);
}

static size_t sequence_at(size_t frame) {
    size_t s = 0;
    while (toy_start[s + 1] <= frame)
        s++;
    return s;
}

static void check_streams(rig *g, size_t rows, size_t unroll) {
    cbi_stream s;
    cb_err err;
    int met[TOY_FRAMES] = {0};
    size_t most = 0;
    float expected[TOY_FRAMES * H], got[TOY_FRAMES * H];
    assert_int_equal(
        cbi_stream_init(&s, &g->t.data, &g->t.data.split[CB_TRAIN], g->stack, rows, unroll, &err),
        CB_OK);
    rows = rows < TOY_FRAMES ? rows : TOY_FRAMES;
    for (int epoch = 0; epoch < 2; epoch++) {
        size_t chunks = 0;
        for (size_t at = 0; at < s.length; at += unroll) {
            assert_int_equal(cbi_stream_pack(&s, at, g->engine, &err), CB_OK);
            const cbi_batch *b = &s.batch;
            cb_rows out;
            assert_true(b->steps.T <= unroll);
            most = b->steps.B > most ? b->steps.B : most;
            assert_int_equal(
                cb_engine_forward(g->engine, &b->steps, b->x, b->ldx, NULL, 1, &out, &err), CB_OK);
            for (size_t f = 0; f < b->steps.frames; f++) {
                const size_t frame = (size_t)(b->x[f * b->ldx] * 8 + 0.5F);
                met[frame]++;
                memcpy(got + frame * H, out.data + f * out.ld, H * sizeof *got);
                assert_memory_equal(b->target + f * 2, g->t.target + frame * 2, 2 * sizeof(float));
            }
            assert_int_equal(cbi_stream_keep(&s, g->engine, &err), CB_OK);
            chunks++;
        }
        assert_int_equal(chunks, (s.length + unroll - 1) / unroll);
    }
    assert_int_equal(most, s.batch.most_sequences);
    assert_int_equal(cbi_stream_leave(&s, g->engine, &err), CB_OK);
    cbi_stream_fini(&s);
    const size_t share = TOY_FRAMES / rows, extra = TOY_FRAMES % rows;
    for (size_t r = 0, at = 0; r < rows; r++) {
        const size_t end = at + share + (r < extra);
        while (at < end) {
            const size_t next = toy_start[sequence_at(at) + 1];
            const size_t stop = next < end ? next : end;
            run_piece(g, at, stop - at, expected + at * H);
            at = stop;
        }
    }
    for (size_t f = 0; f < TOY_FRAMES; f++)
        assert_int_equal(met[f], 2);
    assert_memory_equal(got, expected, sizeof expected);
}

static void test_streams(void **state) {
    (void)state;
    static const size_t rows[] = {1, 2, 3, 7, 20, 50}, unroll[] = {1, 2, 3, 5, 20, 100, 1000000};
    rig g;
    rig_open(&g);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (size_t u = 0; u < sizeof unroll / sizeof *unroll; u++)
            check_streams(&g, rows[r], unroll[u]);
    rig_close(&g);
}

static void test_refused(void **state) {
    (void)state;
    rig g;
    cbi_stream s;
    cb_err err;
    rig_open(&g);
    g.t.data.when = CB_WHEN_LAST;
    assert_int_equal(cbi_stream_init(&s, &g.t.data, &g.t.data.split[0], g.stack, 2, 3, &err),
                     CB_EARG);
    rig_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_streams),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
