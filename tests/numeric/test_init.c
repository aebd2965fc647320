/* SPDX-License-Identifier: MIT */
/*
 * Initial weights: each law's distribution, structures, pairing of seeds over cells, and which
 * override wins. Limits on means are 5 standard errors of a fixed draw: they hold or they do not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "cellbench/engine.h"

typedef struct drawn {
    cb_stack *stack;
    double *w;
} drawn;

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != CB_OK)                                                                       \
            fail_msg("%s", err.text);                                                              \
    } while (0)

static drawn build(const char *text, size_t layers, size_t I, size_t H) {
    cb_layer_spec spec[2] = {{"cell", text, NULL, 0, H}, {"cell", text, NULL, 0, H}};
    cb_err err;
    drawn d;
    OK(cb_stack_create(&d.stack, spec, layers, CB_INPUT_DENSE, I, &err));
    d.w = calloc(cb_stack_weight_count(d.stack) + 1, sizeof *d.w);
    assert_non_null(d.w);
    return d;
}

static void draw(drawn *d, uint64_t seed, const cb_init_override *overrides, size_t n) {
    cb_err err;
    OK(cb_stack_init(d->stack, seed, overrides, n, d->w, &err));
}

static void drop(drawn *d) {
    cb_stack_destroy(d->stack);
    free(d->w);
}

static const double *tensor(const drawn *d, const char *name, size_t *n) {
    size_t count;
    const cb_stack_param *p = cb_stack_params(d->stack, &count);
    for (size_t k = 0; k < count; k++)
        if (strcmp(p[k].name, name) == 0) {
            *n = p[k].param->free_count;
            return d->w + p[k].offset;
        }
    fail_msg("no tensor %s", name);
    return NULL;
}

/* mean and mean square of a uniform or normal draw, each within 5 standard errors. */
static void moments(const double *v, size_t n, double deviation, double fourth) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        mean += v[i] / (double)n;
        square += v[i] * v[i] / (double)n;
    }
    double variance = deviation * deviation;
    assert_true(fabs(mean) < 5 * deviation / sqrt((double)n));
    assert_true(fabs(square - variance) < 5 * sqrt((fourth - variance * variance) / (double)n));
}

static void uniform(const double *v, size_t n, double limit) {
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(v[i]));
    assert_true(most <= limit && most > 0.99 * limit);
    moments(v, n, limit / sqrt(3), pow(limit, 4) / 5);
}

static void all_equal(const double *v, size_t n, double value) {
    for (size_t i = 0; i < n; i++)
        assert_true(v[i] == value);
}

enum { I = 40, H = 60 };
static const char rnn[] = "state h\nh' = tanh(W x + R h + b)\n";

static void test_laws(void **state) {
    (void)state;
    drawn d = build(rnn, 1, I, H);
    size_t n = 0;
    draw(&d, 1, NULL, 0); /* the defaults: glorot for matrices, zero for vectors */
    uniform(tensor(&d, "1.W_h", &n), I * H, sqrt(6.0 / (I + H)));
    uniform(tensor(&d, "1.R_h", &n), H * H, sqrt(6.0 / (H + H)));
    all_equal(tensor(&d, "1.b_h", &n), H, 0);
    const cb_init_override others[] = {{"W", {CB_LAW_UNIFORM, 0.3, 0}},
                                       {"R", {CB_LAW_NORMAL, 0.2, 0}},
                                       {"b", {CB_LAW_CONSTANT, -1.5, 0}}};
    draw(&d, 1, others, 3);
    uniform(tensor(&d, "1.W_h", &n), I * H, 0.3);
    const double *r = tensor(&d, "1.R_h", &n);
    moments(r, n, 0.2, 3 * pow(0.2, 4));
    all_equal(tensor(&d, "1.b_h", &n), H, -1.5);
    const cb_init_override last[] = {
        {"R", {CB_LAW_IDENTITY, 0.9, 0}}, {"W", {CB_LAW_ZERO, 0, 0}}, {"b", {CB_LAW_NORMAL, 1, 0}}};
    draw(&d, 1, last, 3);
    r = tensor(&d, "1.R_h", &n);
    for (size_t i = 0; i < n; i++)
        assert_true(r[i] == (i / H == i % H ? 0.9 : 0));
    all_equal(tensor(&d, "1.W_h", &n), I * H, 0);
    const cb_init_override range = {"R", {CB_LAW_RANGE, 2, 2.5}};
    draw(&d, 1, &range, 1);
    double centred[H * H];
    for (size_t i = 0; i < n; i++)
        centred[i] = tensor(&d, "1.R_h", &n)[i] - 2.25;
    uniform(centred, n, 0.25);
    drop(&d);
}

/* Rows, or columns where there are fewer, are orthogonal and have length a. */
static void orthogonal(const double *m, size_t rows, size_t cols, double a) {
    int wide = cols > rows;
    size_t k = wide ? rows : cols, length = wide ? cols : rows;
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j <= i; j++) {
            double dot = 0;
            for (size_t l = 0; l < length; l++)
                dot += wide ? m[i * cols + l] * m[j * cols + l] : m[l * cols + i] * m[l * cols + j];
            assert_true(fabs(dot - (i == j ? a * a : 0)) < 1e-13 * (double)length);
        }
}

static void test_orthogonal(void **state) {
    (void)state;
    static const cb_init_override law[] = {{"R", {CB_LAW_ORTHOGONAL, 1.3, 0}},
                                           {"W", {CB_LAW_ORTHOGONAL, 0.5, 0}}};
    static const size_t inputs[] = {1, 7, H, 90};
    for (size_t i = 0; i < 4; i++) {
        drawn d = build(rnn, 1, inputs[i], H);
        size_t n;
        draw(&d, i, law, 2);
        orthogonal(tensor(&d, "1.R_h", &n), H, H, 1.3);
        orthogonal(tensor(&d, "1.W_h", &n), H, inputs[i], 0.5);
        /* Haar: the trace of a random rotation has mean 0 and variance 1. */
        double trace = 0;
        const double *r = tensor(&d, "1.R_h", &n);
        for (size_t k = 0; k < H; k++)
            trace += r[k * H + k] / 1.3;
        assert_true(fabs(trace) < 5);
        drop(&d);
    }
}

/* A structure uses the numbers that a full matrix has at the same places, and glorot counts the
 * elements in use. */
static void test_structures(void **state) {
    (void)state;
    drawn full = build(rnn, 1, 3, 12);
    static const cb_init_override law[] = {{"R", {CB_LAW_NORMAL, 1, 0}}};
    size_t n = 0;
    draw(&full, 5, law, 1);
    const double *f = tensor(&full, "1.R_h", &n);
    static const struct {
        const char *structure;
        size_t count;
    } cases[] = {{"diagonal", 12},
                 {"blockdiag(3)", 48},
                 {"upper(3)", 96},
                 {"lower(3)", 96},
                 {"antisymmetric", 66}};
    for (size_t c = 0; c < 5; c++) {
        char text[160];
        snprintf(text, sizeof text, "state h\nmatrix R = %s\nh' = tanh(W x + R h + b)\n",
                 cases[c].structure);
        drawn d = build(text, 1, 3, 12);
        draw(&d, 5, law, 1);
        const double *s = tensor(&d, "1.R_h", &n);
        assert_int_equal(n, cases[c].count);
        for (size_t i = 0, k = 0; i < 144; i++) {
            size_t row = i / 12, col = i % 12, br = row / 4, bc = col / 4;
            int used = c == 0   ? row == col
                       : c == 1 ? br == bc
                       : c == 2 ? br <= bc
                       : c == 3 ? br >= bc
                                : row < col;
            if (used)
                assert_true(s[k++] == f[i]);
        }
        draw(&d, 5, NULL, 0);
        double used = (double)n * (c == 4 ? 2 : 1), limit = sqrt(6 / (2 * used / 12)), most = 0;
        s = tensor(&d, "1.R_h", &n);
        for (size_t k = 0; k < n; k++)
            most = fmax(most, fabs(s[k]));
        assert_true(most <= limit && most > 0.6 * limit);
        drop(&d);
    }
    drop(&full);
}

static const char lstm[] = "state h, c\n"
                           "z  = tanh(W x + R h + b)\n"
                           "i  = sigmoid(W x + R h + b)\n"
                           "f  = sigmoid(W x + R h + b)\n"
                           "c' = f*c + i*z\n"
                           "o  = sigmoid(W x + R h + b)\n"
                           "h' = o*tanh(c')\n";
static const char peephole[] = "state h, c\n"
                               "i  = sigmoid(W x + R h + p*c + b)\n"
                               "z  = tanh(W x + R h + b)\n"
                               "f  = sigmoid(W x + R h + p*c + b)\n"
                               "c' = f*c + i*z\n"
                               "o  = sigmoid(W x + R h + p*c' + b)\n"
                               "h' = o*tanh(c')\n";

/* The same seed gives a tensor the same start in every cell that has it, whatever stands before it;
 * layers and seeds differ. */
static void test_pairing(void **state) {
    (void)state;
    drawn a = build(lstm, 2, 3, 5), b = build(peephole, 2, 3, 5);
    static const char *const names[] = {"1.W_z", "1.R_o", "2.W_i", "2.R_f"};
    size_t n, other;
    draw(&a, 9, NULL, 0);
    draw(&b, 9, NULL, 0);
    for (size_t i = 0; i < 4; i++) {
        const double *x = tensor(&a, names[i], &n), *y = tensor(&b, names[i], &other);
        assert_int_equal(n, other);
        assert_memory_equal(x, y, n * sizeof *x);
    }
    assert_memory_not_equal(tensor(&a, "1.R_z", &n), tensor(&a, "2.R_z", &n), 25 * sizeof(double));
    assert_memory_not_equal(tensor(&a, "1.R_z", &n), tensor(&a, "1.R_i", &n), 25 * sizeof(double));
    draw(&b, 10, NULL, 0);
    assert_memory_not_equal(tensor(&a, "1.W_z", &n), tensor(&b, "1.W_z", &n), 15 * sizeof(double));
    drop(&a);
    drop(&b);
}

/* The most particular name wins, then the later one; the cell's own law comes last. */
static void test_overrides(void **state) {
    (void)state;
    drawn d =
        build("state h\ninit b = constant(7)\nz = tanh(W x + R h + b)\nh' = z + b\n", 2, 3, 4);
    const cb_init_override all[] = {{"2.b_z", {CB_LAW_CONSTANT, 1}},
                                    {"b_z", {CB_LAW_CONSTANT, 2}},
                                    {"b", {CB_LAW_CONSTANT, 3, 0}},
                                    {"b", {CB_LAW_CONSTANT, 4, 0}},
                                    {"2.b_z", {CB_LAW_CONSTANT, 5}}};
    size_t n = 0;
    draw(&d, 1, NULL, 0);
    all_equal(tensor(&d, "1.b_h", &n), 4, 7);
    draw(&d, 1, all, 4);
    all_equal(tensor(&d, "2.b_z", &n), 4, 1);
    all_equal(tensor(&d, "1.b_z", &n), 4, 2);
    all_equal(tensor(&d, "1.b_h", &n), 4, 4);
    draw(&d, 1, all, 5);
    all_equal(tensor(&d, "2.b_z", &n), 4, 5);
    drop(&d);
}

static void test_wrong_overrides(void **state) {
    (void)state;
    drawn d = build(lstm, 2, 3, 4);
    const struct {
        cb_init_override override;
        const char *text;
    } wrong[] = {{{"b_y", {CB_LAW_ZERO, 0}}, "no parameter is called 'b_y', did you mean 'b_"},
                 {{"3.b_z", {CB_LAW_ZERO, 0}}, "'3.b_z'"},
                 {{"", {CB_LAW_ZERO, 0}}, "no parameter is called ''"},
                 {{"b_z", {CB_LAW_ORTHOGONAL, 1}}, "'b_z' is a vector"},
                 {{"b", {CB_LAW_GLOROT, 0, 0}}, "is a vector"}};
    cb_err err;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(cb_stack_init(d.stack, 1, &wrong[i].override, 1, d.w, &err), CB_EARG);
        if (strstr(err.text, wrong[i].text) == NULL)
            fail_msg("expected '%s' in: %s", wrong[i].text, err.text);
    }
    drop(&d);
}

/* Learned initial states begin at the value written in the text, and are counted. */
static void test_learned_start(void **state) {
    (void)state;
    drawn d =
        build("state h = learned, c = 0.5\nc' = 0.5*c + W x\nh' = tanh(R h + c' + b)\n", 2, 3, 4);
    size_t n = 0;
    draw(&d, 1, NULL, 0);
    all_equal(tensor(&d, "2.h0_init", &n), 4, 0);
    assert_int_equal(n, 4);
    assert_int_equal(cb_stack_param_count(d.stack), 3 * 4 + 4 * 4 + 4 + 4 + 4 * 4 + 4 * 4 + 4 + 4);
    drop(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_laws),          cmocka_unit_test(test_orthogonal),
        cmocka_unit_test(test_structures),    cmocka_unit_test(test_pairing),
        cmocka_unit_test(test_overrides),     cmocka_unit_test(test_wrong_overrides),
        cmocka_unit_test(test_learned_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
