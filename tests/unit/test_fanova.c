/* SPDX-License-Identifier: MIT */
/*
 * fANOVA against functions whose decomposition is known in closed form: additive, Ishigami's (with
 * an interaction of two smooth axes), and one whose axes act only together. Then what the header
 * promises of categories, conditional and constant axes, noise, and bad input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cellbench/fanova.h"
#include "cellbench/random.h"
#include "faults.h"

enum { AXES_MOST = 8 };

static const double pi = 3.14159265358979323846;

typedef struct sample {
    size_t rows, axes;
    double *x, *y;
    cb_fanova_kind kinds[AXES_MOST];
} sample;

/* Uniform in [0, 1) on each axis. */
static sample draw(size_t rows, size_t axes) {
    sample s = {.rows = rows, .axes = axes};
    cb_random stream = cb_random_stream(7, "test/fanova", rows);
    s.x = malloc(rows * axes * sizeof *s.x);
    s.y = malloc(rows * sizeof *s.y);
    assert_true(s.x != NULL && s.y != NULL && axes <= AXES_MOST);
    for (size_t i = 0; i < rows * axes; i++)
        s.x[i] = cb_random_uniform(&stream);
    return s;
}

static void drop(sample *s) {
    free(s->x);
    free(s->y);
}

static cb_fanova *decompose(const sample *s, const cb_fanova_options *options) {
    cb_fanova *f = NULL;
    cb_err err;
    if (cb_fanova_create(&f, s->x, s->y, s->kinds, s->rows, s->axes, options, &err) != CB_OK)
        fail_msg("%s", err.text);
    return f;
}

static double single(const cb_fanova *f, size_t axis) {
    const cb_fanova_share s = cb_fanova_single(f, axis);
    assert_true(s.low <= s.share && s.share <= s.high);
    return s.share;
}

static double pair(const cb_fanova *f, size_t a, size_t b) {
    cb_fanova_share s, turned;
    cb_err err;
    assert_int_equal(cb_fanova_pair(f, a, b, &s, &err), CB_OK);
    assert_int_equal(cb_fanova_pair(f, b, a, &turned, &err), CB_OK);
    assert_true(fabs(s.share - turned.share) < 1e-9);
    return s.share;
}

/* Two points of a hundred: what the project promises of the known answers. */
static void assert_near(double got, double expected, const char *what) {
    if (!(fabs(got - expected) <= 0.02))
        fail_msg("%s: expected %.4f, got %.4f", what, expected, got);
}

/* Variances 9/12, 4/12 and, of a square, 4/45; nothing between them. */
static void test_additive(void **state) {
    (void)state;
    sample s = draw(5000, 4);
    for (size_t i = 0; i < s.rows; i++) {
        const double *v = s.x + 4 * i;
        s.y[i] = 3.0 * v[0] + 2.0 * v[1] + v[2] * v[2];
    }
    cb_fanova *f = decompose(&s, NULL);
    const double all = 9.0 / 12.0 + 4.0 / 12.0 + 4.0 / 45.0;
    assert_near(single(f, 0), 9.0 / 12.0 / all, "3 x");
    assert_near(single(f, 1), 4.0 / 12.0 / all, "2 x");
    assert_near(single(f, 2), 4.0 / 45.0 / all, "x^2");
    assert_near(single(f, 3), 0.0, "nothing");
    for (size_t a = 0; a < 4; a++)
        for (size_t b = a + 1; b < 4; b++)
            assert_near(pair(f, a, b), 0.0, "a pair");
    assert_true(cb_fanova_r2(f) > 0.98);
    cb_fanova_destroy(f);
    drop(&s);
}

/* sin a + 7 sin^2 b + 0.1 c^4 sin a on [-pi, pi]^3 (Ishigami, Homma 1990; the variances by Sobol,
 * Levitan 1999). */
static void test_ishigami(void **state) {
    (void)state;
    sample s = draw(10000, 3);
    for (size_t i = 0; i < s.rows; i++) {
        double v[3];
        for (size_t k = 0; k < 3; k++)
            v[k] = pi * (2.0 * s.x[3 * i + k] - 1.0);
        s.y[i] = sin(v[0]) + 7.0 * sin(v[1]) * sin(v[1]) + 0.1 * pow(v[2], 4.0) * sin(v[0]);
    }
    cb_fanova *f = decompose(&s, NULL);
    const double pi4 = pow(pi, 4.0), b = 0.1, first = 0.5 * pow(1.0 + b * pi4 / 5.0, 2.0);
    const double second = 49.0 / 8.0, both = b * b * pi4 * pi4 * (1.0 / 18.0 - 1.0 / 50.0);
    const double all = first + second + both;
    assert_near(single(f, 0), first / all, "a");
    assert_near(single(f, 1), second / all, "b");
    assert_near(single(f, 2), 0.0, "c");
    assert_near(pair(f, 0, 2), both / all, "a with c");
    assert_near(pair(f, 0, 1), 0.0, "a with b");
    assert_near(pair(f, 1, 2), 0.0, "b with c");
    cb_fanova_destroy(f);
    drop(&s);
}

/* A product of two axes around their means: alone neither says anything. Variances 1/144 and,
 * beside them, 1/1728. */
static void test_interaction(void **state) {
    (void)state;
    sample s = draw(10000, 4);
    for (size_t i = 0; i < s.rows; i++) {
        const double *v = s.x + 4 * i;
        s.y[i] = (v[0] - 0.5) * (v[1] - 0.5) + v[2] / 12.0;
    }
    cb_fanova *f = decompose(&s, NULL);
    assert_near(single(f, 0), 0.0, "first of two");
    assert_near(single(f, 1), 0.0, "second of two");
    assert_near(pair(f, 0, 1), 12.0 / 13.0, "both");
    assert_near(single(f, 2), 1.0 / 13.0, "beside them");
    assert_near(pair(f, 0, 2), 0.0, "one with the other");
    cb_fanova_destroy(f);
    drop(&s);
}

/* Only the order of the values counts: a logarithmic axis needs no declaration. */
static void test_scale_of_an_axis(void **state) {
    (void)state;
    sample s = draw(500, 2);
    for (size_t i = 0; i < s.rows; i++)
        s.y[i] = s.x[2 * i] + s.x[2 * i + 1];
    cb_fanova *plain = decompose(&s, NULL);
    for (size_t i = 0; i < s.rows; i++)
        s.x[2 * i] = 1e-5 * pow(1e4, s.x[2 * i]);
    cb_fanova *scaled = decompose(&s, NULL);
    for (size_t a = 0; a < 2; a++) {
        const cb_fanova_share p = cb_fanova_single(plain, a), q = cb_fanova_single(scaled, a);
        assert_memory_equal(&p, &q, sizeof p);
    }
    cb_fanova_destroy(plain);
    cb_fanova_destroy(scaled);
    drop(&s);
}

/* Four categories of uneven shares, with the effects 0, 1, 2, 0: weighted by share. */
static void test_categories(void **state) {
    (void)state;
    sample s = draw(4000, 2);
    s.kinds[0] = CB_FANOVA_CATEGORY;
    double share[4] = {0.0}, mean = 0.0, variance = 0.0;
    static const double effect[4] = {0.0, 1.0, 2.0, 0.0};
    for (size_t i = 0; i < s.rows; i++) {
        const double u = s.x[2 * i];
        const size_t k = u < 0.1 ? 3 : u < 0.3 ? 0 : u < 0.6 ? 2 : 1;
        share[k] += 1.0 / (double)s.rows;
        s.x[2 * i] = (double)k;
        s.y[i] = effect[k] + s.x[2 * i + 1];
    }
    for (size_t k = 0; k < 4; k++)
        mean += share[k] * effect[k];
    for (size_t k = 0; k < 4; k++)
        variance += share[k] * (effect[k] - mean) * (effect[k] - mean);
    cb_fanova *f = decompose(&s, NULL);
    assert_near(single(f, 0), variance / (variance + 1.0 / 12.0), "categories");
    const cb_fanova_point *curve;
    size_t count;
    cb_fanova_curve(f, 0, &curve, &count);
    assert_int_equal(count, 4);
    for (size_t k = 0; k < 4; k++) {
        assert_true(curve[k].low == (double)k && fabs(curve[k].mean - effect[k] - 0.5) < 0.02);
        assert_int_equal(curve[k].best, k == 0 || k == 3);
    }
    cb_fanova_destroy(f);
    drop(&s);
}

/* An axis that exists for one of two categories only. It takes nothing from the category, and
 * where it is active it explains what it explains there. */
static void test_conditional(void **state) {
    (void)state;
    sample s = draw(4000, 3), part = draw(4000, 2);
    s.kinds[0] = CB_FANOVA_CATEGORY;
    part.rows = 0;
    for (size_t i = 0; i < s.rows; i++) {
        double *v = s.x + 3 * i;
        const int on = v[0] < 0.5;
        v[0] = on;
        s.y[i] = 2.0 * on + v[2] + (on ? 2.0 * v[1] : 0.0);
        if (on) {
            memcpy(part.x + 2 * part.rows, v + 1, 2 * sizeof *v);
            part.y[part.rows++] = s.y[i];
        } else {
            v[1] = (double)NAN;
        }
    }
    cb_fanova *f = decompose(&s, NULL);
    /* By hand, over category and axis taken as independent: f = 2 on + 2 on u + w. The category:
     * 3^2/4; the axis: (2/2)^2/12; both together the same; w: 1/12. */
    const double all = 9.0 / 4.0 + 3.0 / 12.0;
    assert_near(single(f, 0), 9.0 / 4.0 / all, "the category");
    assert_near(single(f, 1), 1.0 / 12.0 / all, "the conditional axis");
    assert_near(pair(f, 0, 1), 1.0 / 12.0 / all, "the two together");
    assert_near(single(f, 2), 1.0 / 12.0 / all, "the other");
    cb_fanova_destroy(f);
    cb_fanova *active = decompose(&part, NULL);
    assert_near(single(active, 0), 0.8, "the conditional axis where it is active");
    cb_fanova_destroy(active);
    drop(&s);
    drop(&part);
}

static void test_curve(void **state) {
    (void)state;
    sample s = draw(3000, 2);
    for (size_t i = 0; i < s.rows; i++)
        s.y[i] = 100.0 + (s.x[2 * i] - 0.3) * (s.x[2 * i] - 0.3);
    cb_fanova *f = decompose(&s, NULL);
    const cb_fanova_point *curve;
    size_t count, rows = 0;
    cb_fanova_curve(f, 0, &curve, &count);
    assert_int_equal(count, CB_FANOVA_BINS);
    for (size_t b = 0; b < count; b++) {
        const double at = 0.5 * (curve[b].low + curve[b].high);
        assert_true(curve[b].low <= curve[b].high);
        assert_true(b == 0 || curve[b - 1].high < curve[b].low);
        assert_true(fabs(curve[b].mean - 100.0 - (at - 0.3) * (at - 0.3)) < 0.01);
        assert_true(curve[b].sd >= 0.0);
        assert_true(!curve[b].best || fabs(at - 0.3) < 0.1);
        rows += curve[b].rows;
    }
    assert_int_equal(rows, s.rows);
    /* All of an axis without effect is as good. */
    cb_fanova_curve(f, 1, &curve, &count);
    size_t best = 0;
    for (size_t b = 0; b < count; b++)
        best += curve[b].best != 0;
    assert_true(best > count / 2);
    cb_fanova_destroy(f);
    drop(&s);
}

/* Noise alone: the forest knows nothing, and says so. */
static void test_noise(void **state) {
    (void)state;
    sample s = draw(400, 3);
    cb_random stream = cb_random_stream(1, "test/noise", 0);
    for (size_t i = 0; i < s.rows; i++)
        s.y[i] = cb_random_normal(&stream);
    cb_fanova *f = decompose(&s, NULL);
    assert_true(cb_fanova_r2(f) < 0.05);
    assert_int_equal(cb_fanova_leaf(f), 16);
    cb_fanova_destroy(f);
    drop(&s);
}

static void test_constant(void **state) {
    (void)state;
    sample s = draw(50, 2);
    for (size_t i = 0; i < s.rows; i++) {
        s.x[2 * i + 1] = 3.0;
        s.y[i] = 1e9 + s.x[2 * i];
    }
    cb_fanova *f = decompose(&s, NULL);
    assert_true(single(f, 0) > 0.999);
    assert_true(single(f, 1) == 0.0);
    cb_fanova_destroy(f);
    for (size_t i = 0; i < s.rows; i++)
        s.y[i] = 0.1;
    f = decompose(&s, NULL);
    assert_true(isnan(cb_fanova_r2(f)) && isnan(cb_fanova_single(f, 0).share));
    cb_fanova_share both;
    assert_int_equal(cb_fanova_pair(f, 0, 1, &both, NULL), CB_OK);
    assert_true(isnan(both.share));
    cb_fanova_destroy(f);
    drop(&s);
}

static void test_same_bits(void **state) {
    (void)state;
    sample s = draw(300, 3);
    for (size_t i = 0; i < s.rows; i++)
        s.y[i] = sin(9.0 * s.x[3 * i]) * s.x[3 * i + 1];
    cb_fanova *f = decompose(&s, NULL), *again = decompose(&s, NULL);
    const cb_fanova_options other = {.seed = 1};
    cb_fanova *moved = decompose(&s, &other);
    for (size_t a = 0; a < 3; a++) {
        const cb_fanova_share p = cb_fanova_single(f, a), q = cb_fanova_single(again, a);
        assert_memory_equal(&p, &q, sizeof p);
        assert_true(p.share != cb_fanova_single(moved, a).share);
    }
    cb_fanova_destroy(f);
    cb_fanova_destroy(again);
    cb_fanova_destroy(moved);
    drop(&s);
}

static void test_bad_input(void **state) {
    (void)state;
    static const cb_fanova_kind kinds[1] = {CB_FANOVA_CATEGORY};
    static const struct {
        size_t rows, axes;
        double x, y;
        cb_fanova_options options;
        const char *says;
    } cases[] = {
        {1, 1, 0.0, 0.0, {0}, "2 to"},
        {3, 0, 0.0, 0.0, {0}, "axes"},
        {3, 1, 0.0, (double)INFINITY, {0}, "row 1: y"},
        {3, 1, 0.0, (double)NAN, {0}, "row 1: y"},
        {3, 1, (double)INFINITY, 0.0, {0}, "row 1, axis 0"},
        {3, 1, 0.5, 0.0, {0}, "category"},
        {3, 1, CB_FANOVA_CATEGORIES, 0.0, {0}, "category"},
        {3, 1, 0.0, 0.0, {.features = 1.5}, "features"},
        {3, 1, 0.0, 0.0, {.level = 1.0}, "level"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const double x[3] = {0.0, cases[i].x, 1.0}, y[3] = {0.0, cases[i].y, 1.0};
        cb_fanova *f = NULL;
        cb_err err;
        assert_int_equal(cb_fanova_create(&f, x, y, kinds, cases[i].rows, cases[i].axes,
                                          &cases[i].options, &err),
                         CB_EARG);
        assert_null(f);
        if (strstr(err.text, cases[i].says) == NULL)
            fail_msg("case %zu: '%s' does not say '%s'", i, err.text, cases[i].says);
    }
    cb_fanova_destroy(NULL);
}

/* Two rows, rows that are all alike, an axis that no row has. */
static void test_small(void **state) {
    (void)state;
    const double x[] = {0.0, (double)NAN, 1.0, (double)NAN, 2.0, (double)NAN},
                 y[] = {1.0, 2.0, 4.0};
    static const cb_fanova_kind kinds[2] = {CB_FANOVA_NUMBER, CB_FANOVA_CATEGORY};
    for (size_t rows = 2; rows <= 3; rows++) {
        cb_fanova *f = NULL;
        const cb_fanova_point *curve;
        size_t count;
        assert_int_equal(cb_fanova_create(&f, x, y, kinds, rows, 2, NULL, NULL), CB_OK);
        assert_true(fabs(single(f, 0) - 1.0) < 1e-9);
        assert_true(single(f, 1) == 0.0);
        cb_fanova_curve(f, 1, &curve, &count);
        assert_int_equal(count, 0);
        cb_fanova_destroy(f);
    }
    cb_fanova *f = NULL;
    assert_int_equal(cb_fanova_create(&f, x, y, kinds, 3, 2, NULL, NULL), CB_OK);
    cb_fanova_share out;
    assert_int_equal(cb_fanova_pair(f, 0, 0, &out, NULL), CB_EARG);
    assert_int_equal(cb_fanova_pair(f, 0, 2, &out, NULL), CB_EARG);
    cb_fanova_destroy(f);
}

static cb_status faulty(void *context) {
    const sample *s = context;
    const cb_fanova_options options = {.trees = 3};
    cb_fanova *f = NULL;
    cb_fanova_share share;
    cb_err err;
    cb_status st = cb_fanova_create(&f, s->x, s->y, s->kinds, s->rows, s->axes, &options, &err);
    if (st == CB_OK)
        st = cb_fanova_pair(f, 0, 1, &share, &err);
    cb_fanova_destroy(f);
    return st;
}

static void test_no_memory(void **state) {
    (void)state;
    sample s = draw(40, 2);
    for (size_t i = 0; i < s.rows; i++)
        s.y[i] = s.x[2 * i] * s.x[2 * i + 1];
    assert_true(faults_run(faulty, &s) > 20);
    drop(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_additive),    cmocka_unit_test(test_ishigami),
        cmocka_unit_test(test_interaction), cmocka_unit_test(test_scale_of_an_axis),
        cmocka_unit_test(test_categories),  cmocka_unit_test(test_conditional),
        cmocka_unit_test(test_curve),       cmocka_unit_test(test_noise),
        cmocka_unit_test(test_constant),    cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_bad_input),   cmocka_unit_test(test_small),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
