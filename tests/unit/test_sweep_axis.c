/* SPDX-License-Identifier: MIT */
/*
 * Axes of search spaces: what is refused, that draws stay in their range and reach its ends, that
 * they depend on seed, name and trial alone, and that they are spread as they should be.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cellbench/sweep.h"

static void assert_refused(cb_axis axis, const char *word) {
    cb_err err = {0};
    assert_int_equal(cb_axis_check(&axis, &err), CB_EARG);
    if (strstr(err.text, word) == NULL)
        fail_msg("expected '%s' in: %s", word, err.text);
}

static void test_check(void **state) {
    (void)state;
    char long_name[202];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_refused((cb_axis){NULL, CB_AXIS_INT, 1, 2, 0}, "name");
    assert_refused((cb_axis){"", CB_AXIS_INT, 1, 2, 0}, "name");
    assert_refused((cb_axis){long_name, CB_AXIS_INT, 1, 2, 0}, "name");
    assert_refused((cb_axis){"hidden", (cb_axis_kind)17, 1, 2, 0}, "kind 17");
    assert_refused((cb_axis){"hidden", CB_AXIS_CHOICE, 0, 0, 0}, "choice");
    assert_refused((cb_axis){"hidden", CB_AXIS_INT, 3, 2, 0}, "low <= high");
    assert_refused((cb_axis){"hidden", CB_AXIS_INT, 1.5, 2, 0}, "whole");
    assert_refused((cb_axis){"hidden", CB_AXIS_INT, 1, 1e300, 0}, "2^53");
    assert_refused((cb_axis){"hidden", CB_AXIS_INT, -9e15, 9e15, 0}, "too many");
    assert_refused((cb_axis){"hidden", CB_AXIS_LOG_INT, 0, 2, 0}, "above 0");
    assert_refused((cb_axis){"rate", CB_AXIS_UNIFORM, 1, 1, 0}, "low < high");
    assert_refused((cb_axis){"rate", CB_AXIS_UNIFORM, NAN, 1, 0}, "finite");
    assert_refused((cb_axis){"rate", CB_AXIS_UNIFORM, 0, INFINITY, 0}, "finite");
    assert_refused((cb_axis){"rate", CB_AXIS_UNIFORM, -1.7e308, 1.7e308, 0}, "low < high");
    assert_refused((cb_axis){"rate", CB_AXIS_LOG_UNIFORM, -1, 1, 0}, "above 0");
    const cb_axis good[] = {
        {"a", CB_AXIS_CHOICE, 0, 0, 1},
        {"a", CB_AXIS_INT, -3, -3, 0},
        {"a", CB_AXIS_LOG_INT, 1, 1, 0},
        {"a", CB_AXIS_UNIFORM, -1, 1, 0},
        {"a", CB_AXIS_LOG_UNIFORM, 1e-300, 1e300, 0},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(cb_axis_check(&good[i], NULL), CB_OK);
}

static void test_range(void **state) {
    (void)state;
    const cb_axis axes[] = {
        {"choice", CB_AXIS_CHOICE, 0, 4, 5},    {"int", CB_AXIS_INT, -2, 3, 0},
        {"log_int", CB_AXIS_LOG_INT, 1, 6, 0},  {"single", CB_AXIS_LOG_INT, 7, 7, 0},
        {"uniform", CB_AXIS_UNIFORM, -1, 1, 0}, {"log_uniform", CB_AXIS_LOG_UNIFORM, 1e-4, 1e-1, 0},
    };
    for (size_t a = 0; a < sizeof axes / sizeof axes[0]; a++) {
        const cb_axis *axis = &axes[a];
        int discrete = axis->kind <= CB_AXIS_LOG_INT;
        unsigned seen = 0;
        for (uint64_t trial = 0; trial < 2000; trial++) {
            double value = cb_axis_draw(axis, 1, trial);
            assert_true(value >= axis->low);
            assert_true(discrete ? value <= axis->high : value < axis->high);
            if (discrete) {
                assert_true(value == floor(value));
                seen |= 1u << (unsigned)(value - axis->low);
            }
        }
        /* Every value, both ends included, has come up. */
        if (discrete)
            assert_int_equal(seen, (1u << (unsigned)(axis->high - axis->low + 1)) - 1);
    }
}

/* The smallest range of two neighbouring numbers, where rounding could reach the open end. */
static void test_narrow_range(void **state) {
    (void)state;
    const cb_axis uniform = {"a", CB_AXIS_UNIFORM, 1, nextafter(1, 2), 0};
    const cb_axis log_uniform = {"a", CB_AXIS_LOG_UNIFORM, 3, nextafter(3, 4), 0};
    for (uint64_t trial = 0; trial < 200; trial++) {
        assert_true(cb_axis_draw(&uniform, 1, trial) == 1.0);
        assert_true(cb_axis_draw(&log_uniform, 1, trial) == 3.0);
    }
}

static void test_names(void **state) {
    (void)state;
    const cb_axis rate = {"rate", CB_AXIS_UNIFORM, 0, 1, 0};
    const cb_axis same = {"rate", CB_AXIS_UNIFORM, 0, 1, 0};
    const cb_axis other = {"clip", CB_AXIS_UNIFORM, 0, 1, 0};
    double forward[50];
    for (uint64_t trial = 0; trial < 50; trial++)
        forward[trial] = cb_axis_draw(&rate, 9, trial);
    for (uint64_t trial = 50; trial-- > 0;) {
        assert_true(cb_axis_draw(&other, 9, trial) != forward[trial]);
        assert_true(cb_axis_draw(&same, 9, trial) == forward[trial]);
        assert_true(cb_axis_draw(&rate, 10, trial) != forward[trial]);
        if (trial > 0)
            assert_true(forward[trial - 1] != forward[trial]);
    }
}

/* The mean of n draws of U[0, 1) has standard deviation sqrt(1 / (12 n)); five of them are allowed,
 * so that the fixed draw of this test would be wrong by chance once in a million. */
static void test_distribution(void **state) {
    (void)state;
    enum { N = 4000 };
    const double bound = 5 * sqrt(1.0 / (12.0 * N));
    const cb_axis uniform = {"u", CB_AXIS_UNIFORM, 10, 20, 0};
    const cb_axis log_uniform = {"l", CB_AXIS_LOG_UNIFORM, 1e-5, 1e-1, 0};
    const cb_axis log_int = {"i", CB_AXIS_LOG_INT, 1, 99, 0};
    double sum_uniform = 0, sum_log = 0, below_ten = 0;
    for (uint64_t trial = 0; trial < N; trial++) {
        sum_uniform += (cb_axis_draw(&uniform, 3, trial) - 10) / 10;
        sum_log += (log10(cb_axis_draw(&log_uniform, 3, trial)) + 5) / 4;
        below_ten += cb_axis_draw(&log_int, 3, trial) < 10;
    }
    assert_true(fabs(sum_uniform / N - 0.5) < bound);
    assert_true(fabs(sum_log / N - 0.5) < bound);
    /* log 10 is the middle of log 1 .. log 100; a share has deviation sqrt(1 / (4 n)). */
    assert_true(fabs(below_ten / N - 0.5) < 5 * sqrt(1.0 / (4.0 * N)));
}

static void test_grid(void **state) {
    (void)state;
    const cb_axis choice = {"a", CB_AXIS_CHOICE, 0, 0, 3};
    const cb_axis integers = {"a", CB_AXIS_INT, -1, 4, 0};
    const cb_axis uniform = {"a", CB_AXIS_UNIFORM, 0, 1, 0};
    const cb_axis log_int = {"a", CB_AXIS_LOG_INT, 1, 4, 0};
    assert_int_equal(cb_axis_grid_count(&choice), 3);
    assert_true(cb_axis_grid_value(&choice, 2) == 2.0);
    assert_int_equal(cb_axis_grid_count(&integers), 6);
    assert_true(cb_axis_grid_value(&integers, 0) == -1.0);
    assert_true(cb_axis_grid_value(&integers, 5) == 4.0);
    assert_int_equal(cb_axis_grid_count(&uniform), 0);
    assert_int_equal(cb_axis_grid_count(&log_int), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),        cmocka_unit_test(test_range),
        cmocka_unit_test(test_narrow_range), cmocka_unit_test(test_names),
        cmocka_unit_test(test_distribution), cmocka_unit_test(test_grid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
