/* SPDX-License-Identifier: MIT */
/*
 * White-box: gradients of large matrices, whose operands are laid up over several blocks, have the
 * bits of those that are summed block by block; also where a block does not fit any more, where
 * blocks differ in size, and from one batch to the next.
 */
#include "numeric/sequences.h"

#include <stdlib.h>
#include <string.h>

#include "engine/engine_internal.h"

static const char gru[] = "state h\n"
                          "z = sigmoid(W x + U h + b)\n"
                          "r = sigmoid(W x + U h + b)\n"
                          "h' = z*h + (1 - z)*tanh(W x + U (r*h) + b)\n";

enum { H = 1024, I = 5 };

/* Gradients of both batches, one after the other. */
static float *gradients(const cb_stack *stack, const batch *batches, const float *w, int whole) {
    const size_t n = cb_stack_weight_count(stack);
    float *out = calloc(2 * n, sizeof *out);
    cb_engine *e;
    cb_rows y;
    cb_err err;
    assert_non_null(out);
    OK(cb_engine_create(&e, stack, &err));
    if (whole)
        cbi_engine_compute_all(e);
    OK(cb_engine_set_weights(e, w, &err));
    for (size_t i = 0; i < 2; i++) {
        const batch *b = &batches[i];
        OK(cb_engine_forward(e, &b->steps, b->x, I, NULL, 1, &y, &err));
        const cb_rows dy = cb_engine_output_gradient(e);
        for (size_t f = 0; f < b->steps.frames; f++)
            memcpy(dy.data + f * dy.ld, b->dy + f * dy.dim, dy.dim * sizeof *dy.data);
        OK(cb_engine_backward(e, out + i * n, NULL, 0, &err));
        /* Where BLIS is faster, it takes them block by block. */
        assert_true((e->layers[0].gather.most > 0) ==
                    (!whole && (size_t)H * H < e->kernels->blis_from));
    }
    cb_engine_destroy(e);
    return out;
}

static void test_bits(void **state) {
    (void)state;
    enum { B = 128 };
    size_t equal[B], falling[B];
    for (size_t r = 0; r < B; r++) {
        equal[r] = 10;
        falling[r] = r < B / 2 ? 9 : 9 - (r - B / 2) / 8;
    }
    const cb_layer_spec layer = {.name = "gru", .text = gru, .hidden = H};
    cb_stack *stack;
    cb_err err;
    OK(cb_stack_create(&stack, &layer, 1, CB_INPUT_DENSE, I, &err));
    float *w = draw_weights(stack, 1, 0.02);
    batch batches[] = {batch_make(stack, equal, B, 4, OWN), batch_make(stack, falling, B, 5, OWN)};
    float *laid_up = gradients(stack, batches, w, 0), *whole = gradients(stack, batches, w, 1);
    assert_memory_equal(laid_up, whole, 2 * cb_stack_weight_count(stack) * sizeof *whole);
    free(whole);
    free(laid_up);
    free(w);
    batch_free(&batches[0]);
    batch_free(&batches[1]);
    cb_stack_destroy(stack);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
