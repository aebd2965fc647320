/* SPDX-License-Identifier: MIT */
/*
 * White-box test of the readout: each loss, at each step and at the last one, against losses
 * written down again in f64, and its gradients against finite differences of those.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "toy_data.h"
#include "train/readout.h"

enum { H = 5, LD = 16, MOST_K = 19, MOST_W = MOST_K * (H + 1) };

/* One case: a packed batch, weights and outputs in f64 and f32. */
typedef struct fixture {
    toy t;
    cbi_batch batch;
    cbi_readout readout;
    size_t K;
    double w[MOST_W], y[TOY_FRAMES * LD];
    float w32[MOST_W], y32[TOY_FRAMES * LD];
} fixture;

static double row_loss(const fixture *f, const double *z, size_t row) {
    const size_t K = f->K;
    const float *target = f->batch.target ? f->batch.target + row * K : NULL;
    double loss = 0, total = 0;
    for (size_t k = 0; k < K; k++) {
        if (f->readout.loss == CB_LOSS_SOFTMAX)
            total += exp(z[k]);
        else if (f->readout.loss == CB_LOSS_BERNOULLI) {
            const double p = 1 / (1 + exp(-z[k]));
            loss -= target[k] != 0 ? log(p) : log(1 - p);
        } else
            loss += (z[k] - (double)target[k]) * (z[k] - (double)target[k]) / (double)K;
    }
    return f->readout.loss == CB_LOSS_SOFTMAX ? log(total) - z[f->batch.label[row]] : loss;
}

static double reference_loss(const fixture *f) {
    double sum = 0;
    for (size_t row = 0; row < f->batch.targets; row++) {
        const double *y = f->y + (f->batch.last ? f->batch.last[row] : row) * LD;
        double z[MOST_K];
        for (size_t k = 0; k < f->K; k++) {
            z[k] = f->w[f->K * H + k];
            for (size_t h = 0; h < H; h++)
                z[k] += f->w[k * H + h] * y[h];
        }
        sum += row_loss(f, z, row);
    }
    return sum;
}

static void setup(fixture *f, cb_loss loss, cb_when when, size_t K) {
    static const uint32_t list[] = {6, 3, 1, 5, 0, 2};
    cb_random stream = cb_random_stream(3, "readout", K);
    memset(f, 0, sizeof *f);
    f->K = K;
    toy_open(&f->t, CB_INPUT_DENSE, loss, when, K);
    assert_int_equal(cbi_batch_init(&f->batch, &f->t.data, 6, 1, NULL), CB_OK);
    cbi_batch_pack(&f->batch, &f->t.data.split[CB_TRAIN], list, 6);
    assert_int_equal(cbi_readout_init(&f->readout, &f->t.data, H, f->batch.most_frames, 6, NULL),
                     CB_OK);
    for (size_t i = 0; i < K * (H + 1); i++)
        f->w[i] = (double)(f->w32[i] = (float)(0.7 * cb_random_normal(&stream)));
    for (size_t i = 0; i < TOY_FRAMES * LD; i++)
        f->y[i] = (double)(f->y32[i] = i % LD < H ? (float)cb_random_normal(&stream) : (float)NAN);
}

static void teardown(fixture *f) {
    cbi_readout_fini(&f->readout);
    cbi_batch_fini(&f->batch);
    toy_close(&f->t);
}

/* Central differences of 4 points; their own error is far below that of f32. */
static double difference(const fixture *f, double *at) {
    const double h = 1e-3, old = *at;
    double v[4];
    for (int i = 0; i < 4; i++) {
        *at = old + h * (double)(i < 2 ? i - 2 : i - 1);
        v[i] = reference_loss(f);
    }
    *at = old;
    return (v[0] - 8 * v[1] + 8 * v[2] - v[3]) / (12 * h);
}

/* f32 sums of at most 17 rows or 19 targets, of terms below 4: 1e-5 of the largest gradient. */
static void compare(const char *what, double expected, double got, double scale) {
    if (!(fabs(expected - got) <= 1e-5 * scale))
        fail_msg("%s: expected %.9g, got %.9g", what, expected, got);
}

static void check_case(cb_loss loss, cb_when when, size_t K, double scale) {
    fixture f;
    float gradient[MOST_W], dy[TOY_FRAMES * LD];
    setup(&f, loss, when, K);
    const size_t frames = f.batch.steps.frames;
    const cb_rows y = {f.y32, LD, H}, dy_rows = {dy, LD, H};
    for (size_t i = 0; i < MOST_W; i++)
        gradient[i] = NAN;
    for (size_t i = 0; i < TOY_FRAMES * LD; i++)
        dy[i] = NAN;
    const double expected = reference_loss(&f);
    cbi_loss_sum sum = cbi_readout_loss(&f.readout, f.w32, &y, &f.batch, 0);
    compare("loss without gradient", expected, sum.loss, 1 + expected);
    sum = cbi_readout_loss(&f.readout, f.w32, &y, &f.batch, scale);
    compare("loss", expected, sum.loss, 1 + expected);
    cbi_readout_backward(&f.readout, f.w32, &y, &f.batch, gradient, &dy_rows);
    for (size_t i = 0; i < K * (H + 1); i++)
        compare("weight", scale * difference(&f, &f.w[i]), (double)gradient[i], 10 * scale);
    for (size_t i = 0; i < frames * LD; i++)
        if (i % LD < H)
            compare("dy", scale * difference(&f, &f.y[i]), (double)dy[i], 10 * scale);
    teardown(&f);
}

static void test_losses_and_gradients(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 2, 16, MOST_K};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int loss = CB_LOSS_SOFTMAX; loss <= CB_LOSS_SQUARED; loss++)
            for (int when = CB_WHEN_EACH; when <= CB_WHEN_LAST; when++) {
                check_case((cb_loss)loss, (cb_when)when, sizes[i], 1);
                check_case((cb_loss)loss, (cb_when)when, sizes[i], 0.125);
            }
}

/* Rows are worked on in blocks: their size must not be seen. */
static void test_blocks_change_nothing(void **state) {
    (void)state;
    for (int loss = CB_LOSS_SOFTMAX; loss <= CB_LOSS_SQUARED; loss++) {
        fixture f;
        setup(&f, (cb_loss)loss, CB_WHEN_EACH, MOST_K);
        const cb_rows y = {f.y32, LD, H};
        const size_t n = f.batch.targets * f.readout.ldk;
        float dz[TOY_FRAMES * 32];
        assert_int_equal(f.readout.ldk, 32);
        const cbi_loss_sum whole = cbi_readout_loss(&f.readout, f.w32, &y, &f.batch, 1);
        memcpy(dz, f.readout.z, n * sizeof *dz);
        f.readout.block = 3;
        const cbi_loss_sum cut = cbi_readout_loss(&f.readout, f.w32, &y, &f.batch, 1);
        assert_memory_equal(&whole, &cut, sizeof whole);
        for (size_t i = 0; i < n; i++)
            if (i % 32 < MOST_K)
                assert_memory_equal(&dz[i], &f.readout.z[i], sizeof *dz);
        teardown(&f);
    }
}

static void test_wrong_classes(void **state) {
    (void)state;
    fixture f;
    setup(&f, CB_LOSS_SOFTMAX, CB_WHEN_LAST, 3);
    const cb_rows y = {f.y32, LD, H};
    size_t wrong = 0;
    memset(f.w32, 0, sizeof f.w32);
    f.w32[3 * H + 2] = 1; /* the bias always says class 2 */
    for (size_t r = 0; r < f.batch.targets; r++)
        wrong += f.batch.label[r] != 2;
    assert_in_range(wrong, 1, f.batch.targets - 1);
    const cbi_loss_sum sum = cbi_readout_loss(&f.readout, f.w32, &y, &f.batch, 1);
    assert_true(sum.wrong == (double)wrong);
    teardown(&f);
}

/* Far out, nothing overflows; and what is not a number is seen. */
static void test_extremes(void **state) {
    (void)state;
    for (int loss = CB_LOSS_SOFTMAX; loss <= CB_LOSS_BERNOULLI; loss++) {
        fixture f;
        setup(&f, (cb_loss)loss, CB_WHEN_EACH, 3);
        const cb_rows y = {f.y32, LD, H};
        memset(f.w32, 0, sizeof f.w32);
        f.w32[3 * H] = 1e4F;
        f.w32[3 * H + 1] = -1e4F;
        cbi_loss_sum sum = cbi_readout_loss(&f.readout, f.w32, &y, &f.batch, 1);
        assert_true(isfinite(sum.loss));
        assert_true(sum.loss >= 1e4);
        for (size_t r = 0; r < f.batch.targets; r++)
            for (size_t k = 0; k < 3; k++)
                assert_true(fabsf(f.readout.z[r * f.readout.ldk + k]) <= 1);
        f.y32[4 * LD + 1] = NAN;
        sum = cbi_readout_loss(&f.readout, f.w32, &y, &f.batch, 1);
        assert_true(isnan(sum.loss));
        teardown(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses_and_gradients),
        cmocka_unit_test(test_blocks_change_nothing),
        cmocka_unit_test(test_wrong_classes),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
