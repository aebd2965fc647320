/* SPDX-License-Identifier: MIT */
/*
 * White-box test of what changes from update to update: schedules as functions, noise, dropout and
 * averages against their definitions.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/average.h"
#include "train/noise.h"
#include "train/course.h"

static void near(double got, double expected) {
    if (!(fabs(got - expected) <= 1e-12))
        fail_msg("expected %.17g, got %.17g", expected, got);
}

static void test_step(void **state) {
    (void)state;
    /* Zaremba et al. 2014: four epochs at the full rate, then halved each epoch. */
    const cbi_schedule zaremba = {CBI_SCHEDULE_STEP, 4, 1, 0.5, 0};
    for (size_t epoch = 1; epoch <= 13; epoch++)
        for (size_t k = 0; k < 3; k++)
            near(cbi_schedule_share(&zaremba, 1, (double)(epoch - 1) + (double)k / 3, 0),
                 epoch <= 4 ? 1 : pow(0.5, (double)epoch - 4));
    const cbi_schedule steps = {CBI_SCHEDULE_STEP, 10, 10, 0.1, 0};
    near(cbi_schedule_share(&steps, 1, 9.99, 0), 1);
    near(cbi_schedule_share(&steps, 1, 10, 0), 0.1);
    near(cbi_schedule_share(&steps, 1, 19.99, 0), 0.1);
    near(cbi_schedule_share(&steps, 1, 20, 0), 0.01);
}

static void test_smooth_schedules(void **state) {
    (void)state;
    const cbi_schedule decay = {CBI_SCHEDULE_EXPONENTIAL, 2, 3, 0.125, 0};
    near(cbi_schedule_share(&decay, 1, 1.5, 0), 1);
    near(cbi_schedule_share(&decay, 1, 3, 0), 0.5);
    near(cbi_schedule_share(&decay, 1, 5, 0), 0.125);
    const cbi_schedule line = {CBI_SCHEDULE_LINEAR, 2, 8, 0.2, 0};
    near(cbi_schedule_share(&line, 1, 2, 0), 1);
    near(cbi_schedule_share(&line, 1, 4, 0), 0.8);
    near(cbi_schedule_share(&line, 1, 10, 0), 0.2);
    near(cbi_schedule_share(&line, 1, 11, 0), 0.2);
    const cbi_schedule cosine = {CBI_SCHEDULE_COSINE, 0, 6, 0, 0};
    near(cbi_schedule_share(&cosine, 1, 0, 0), 1);
    near(cbi_schedule_share(&cosine, 1, 2, 0), 0.75);
    near(cbi_schedule_share(&cosine, 1, 3, 0), 0.5);
    near(cbi_schedule_share(&cosine, 1, 4, 0), 0.25);
    near(cbi_schedule_share(&cosine, 1, 7, 0), 0);
}

static void test_plateau_and_warm_up(void **state) {
    (void)state;
    const cbi_schedule plateau = {CBI_SCHEDULE_PLATEAU, 0, 5, 0.5, 0};
    near(cbi_schedule_share(&plateau, 1, 50, 0), 1);
    near(cbi_schedule_share(&plateau, 1, 50, 3), 0.125);
    const cbi_schedule warm = {CBI_SCHEDULE_CONSTANT, 0, 0, 0, 4};
    for (size_t u = 1; u <= 6; u++)
        near(cbi_schedule_share(&warm, u, 0, 0), u < 4 ? (double)u / 4 : 1);
    const cbi_schedule both = {CBI_SCHEDULE_STEP, 1, 1, 0.5, 4};
    near(cbi_schedule_share(&both, 2, 1, 0), 0.25);
}

enum { N = 20000 };

static void test_noise(void **state) {
    (void)state;
    static float x[N];
    cb_random stream = cb_random_stream(1, "noise/weights", 1);
    double mean = 0, square = 0;
    for (size_t i = 0; i < N; i++)
        x[i] = 3;
    cbi_noise_add(&stream, 0.5, x, N);
    for (size_t i = 0; i < N; i++) {
        const double d = (double)x[i] - 3;
        mean += d / N;
        square += d * d / N;
    }
    assert_true(fabs(mean) < 4 * 0.5 / sqrt(N));
    assert_true(fabs(square - 0.25) < 4 * 0.25 * sqrt(2.0 / N));
}

static void test_dropout(void **state) {
    (void)state;
    static float x[N];
    cb_random stream = cb_random_stream(1, "dropout/readout", 1);
    size_t zeros = 0;
    for (size_t i = 0; i < N; i++)
        x[i] = 3;
    cbi_dropout(&stream, 0.25, x, N);
    for (size_t i = 0; i < N; i++) {
        assert_true(x[i] == 0 || x[i] == 4);
        zeros += x[i] == 0;
    }
    assert_true(fabs((double)zeros / N - 0.25) < 4 * sqrt(0.25 * 0.75 / N));
}

/* Weights of update t: w[k] = k + t^2. */
static void fill(float w[3], size_t t) {
    for (size_t k = 0; k < 3; k++)
        w[k] = (float)(k + t * t);
}

static void check_average(const float *got, double expected) {
    for (size_t k = 0; k < 3; k++)
        assert_true(fabs((double)got[k] - (expected + (double)k)) < 1e-4);
}

static void test_averages(void **state) {
    (void)state;
    cbi_average none, ema, mean;
    float w[3];
    double sum = 0, weight = 0, epoch_mean[4] = {0};
    assert_int_equal(cbi_average_init(&none, CBI_AVERAGE_NONE, 0, 0, 3, NULL), CB_OK);
    assert_int_equal(cbi_average_init(&ema, CBI_AVERAGE_EMA, 0.8, 0, 3, NULL), CB_OK);
    assert_int_equal(cbi_average_init(&mean, CBI_AVERAGE_MEAN, 0, 2, 3, NULL), CB_OK);
    assert_ptr_equal(cbi_average_weights(&ema, w), w);
    assert_ptr_equal(cbi_average_weights(&mean, w), w);
    for (size_t epoch = 0, t = 1; epoch < 4; epoch++) {
        cbi_average_begin_epoch(&ema);
        cbi_average_begin_epoch(&mean);
        for (size_t u = 0; u < 3; u++, t++) {
            fill(w, t);
            cbi_average_add(&none, w);
            cbi_average_add(&ema, w);
            cbi_average_add(&mean, w);
            sum = 0.8 * sum + (double)(t * t);
            weight = 0.8 * weight + 1;
            epoch_mean[epoch] += (double)(t * t) / 3;
            check_average(cbi_average_weights(&ema, w), sum / weight);
        }
        check_average(cbi_average_weights(&mean, w),
                      epoch ? (epoch_mean[epoch] + epoch_mean[epoch - 1]) / 2 : epoch_mean[0]);
        assert_ptr_equal(cbi_average_weights(&none, w), w);
    }
    cbi_average_fini(&none);
    cbi_average_fini(&ema);
    cbi_average_fini(&mean);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_smooth_schedules),
        cmocka_unit_test(test_plateau_and_warm_up),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_averages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
