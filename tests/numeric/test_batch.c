/* SPDX-License-Identifier: MIT */
/*
 * White-box test of batches: layout of unequal lengths with inputs and targets, order of sequences
 * in an epoch, limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "toy_data.h"
#include "train/batch.h"

/* Lengths of the toy: 3 1 5 0 3 5 3. Longest first, ties by place in the list; 3 has no frames. */
static const uint32_t list[] = {6, 3, 1, 5, 0, 2};
static const uint32_t sorted[] = {5, 2, 6, 0, 1};
static const uint32_t rows[] = {5, 4, 4, 2, 2};

static void pack_toy(toy *t, cbi_batch *batch, cb_input_kind input, cb_loss loss, cb_when when) {
    toy_open(t, input, loss, when, 4);
    assert_int_equal(cbi_batch_init(batch, &t->data, 6, 1u << CB_TRAIN, NULL), CB_OK);
    memset(batch->rows, 0xff, batch->most_steps * sizeof *batch->rows);
    cbi_batch_pack(batch, &t->data.split[CB_TRAIN], list, 6);
    assert_int_equal(batch->steps.B, 5);
    assert_int_equal(batch->steps.T, 5);
    assert_int_equal(batch->steps.frames, 17);
    assert_memory_equal(batch->steps.rows, rows, sizeof rows);
}

static void test_each_step_dense(void **state) {
    (void)state;
    toy t;
    cbi_batch b;
    pack_toy(&t, &b, CB_INPUT_DENSE, CB_LOSS_BERNOULLI, CB_WHEN_EACH);
    assert_int_equal(b.targets, 17);
    assert_null(b.index);
    assert_null(b.label);
    assert_null(b.last);
    size_t at = 0;
    for (size_t step = 0; step < 5; step++)
        for (size_t r = 0; r < rows[step]; r++, at++) {
            const size_t frame = toy_start[sorted[r]] + step;
            assert_memory_equal(b.x + at * b.ldx, t.x + frame * TOY_INPUT,
                                TOY_INPUT * sizeof(float));
            assert_memory_equal(b.target + at * 4, t.target + frame * 4, 4 * sizeof(float));
        }
    /* the same storage again, for a smaller batch */
    const uint32_t one[] = {1};
    cbi_batch_pack(&b, &t.data.split[CB_TRAIN], one, 1);
    assert_int_equal(b.steps.frames, 1);
    assert_true(b.x[0] == 3.0F);
    const uint32_t empty[] = {3};
    cbi_batch_pack(&b, &t.data.split[CB_TRAIN], empty, 1);
    assert_int_equal(b.steps.frames, 0);
    assert_int_equal(b.steps.T, 0);
    assert_int_equal(b.targets, 0);
    cbi_batch_fini(&b);
    toy_close(&t);
}

static void test_last_step_index(void **state) {
    (void)state;
    toy t;
    cbi_batch b;
    pack_toy(&t, &b, CB_INPUT_INDEX, CB_LOSS_SOFTMAX, CB_WHEN_LAST);
    assert_int_equal(b.targets, 5);
    assert_null(b.x);
    assert_null(b.target);
    size_t at = 0, seen = 0;
    for (size_t step = 0; step < 5; step++)
        for (size_t r = 0; r < rows[step]; r++, at++) {
            const size_t frame = toy_start[sorted[r]] + step;
            assert_int_equal(b.index[at], t.index[frame]);
            if (frame + 1 != toy_start[sorted[r] + 1])
                continue;
            assert_int_equal(b.last[r], at);
            assert_int_equal(b.label[r], t.label[sorted[r]]);
            seen++;
        }
    assert_int_equal(seen, 5);
    cbi_batch_fini(&b);
    toy_close(&t);
}

static void test_no_input(void **state) {
    (void)state;
    toy t;
    cbi_batch b;
    pack_toy(&t, &b, CB_INPUT_NONE, CB_LOSS_SQUARED, CB_WHEN_EACH);
    assert_null(b.x);
    assert_null(b.index);
    assert_non_null(b.target);
    cbi_batch_fini(&b);
    toy_close(&t);
}

static void test_most(void **state) {
    (void)state;
    static const size_t most[] = {0, 5, 10, 13, 16, 19, 20, 20, 20};
    toy t;
    toy_open(&t, CB_INPUT_DENSE, CB_LOSS_SQUARED, CB_WHEN_EACH, 1);
    for (size_t n = 0; n < sizeof most / sizeof *most; n++) {
        size_t frames, steps;
        assert_int_equal(cbi_batch_most(&t.data.split[0], n, &frames, &steps, NULL), CB_OK);
        assert_int_equal(frames, most[n]);
        assert_int_equal(steps, 5);
    }
    toy_close(&t);
}

static void test_order_covers_each_once(void **state) {
    (void)state;
    enum { N = 101 };
    uint32_t first[N], second[N], again[N];
    unsigned char seen[N] = {0};
    cbi_batch_order(1, 1, 1, N, first);
    for (size_t i = 0; i < N; i++) {
        assert_true(first[i] < N);
        assert_false(seen[first[i]]++);
    }
    cbi_batch_order(1, 1, 1, N, again);
    assert_memory_equal(first, again, sizeof first);
    cbi_batch_order(1, 2, 1, N, second);
    assert_memory_not_equal(first, second, sizeof first);
    cbi_batch_order(2, 1, 1, N, second);
    assert_memory_not_equal(first, second, sizeof first);
    cbi_batch_order(2, 1, 0, N, second);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(second[i], i);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_step_dense),
        cmocka_unit_test(test_last_step_index),
        cmocka_unit_test(test_no_input),
        cmocka_unit_test(test_most),
        cmocka_unit_test(test_order_covers_each_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
