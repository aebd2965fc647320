/* SPDX-License-Identifier: MIT */
/*
 * The pointwise kernels of every instruction set that this machine can run, against f64: the values
 * of the language's own table (cell/ops.c), and formulas for the helpers that the table lacks.
 * Arguments are drawn over all bit patterns of a float, more densely where the elementary functions
 * are not constant, and from a list of special values in all combinations. Functions of one
 * argument are also taken over the whole range, evenly:
 *
 *   test_pointwise 1     all 2^32 floats, half an hour for each set of kernels
 *   test_pointwise 97    every 97th
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cell/ops.h"
#include "kernels/kernels.h"
#include "numeric/guard.h"

enum { STRIP = 512, ROUNDS = 400 };

typedef double (*value)(double a, double b, double c);

static double v_fma(double a, double b, double c) {
    return a * b + c;
}
static double v_fnma(double a, double b, double c) {
    return c - a * b;
}
static double v_one_minus(double a, double b, double c) {
    (void)b, (void)c;
    return 1 - a;
}
static double v_d_sigmoid(double a, double b, double c) {
    (void)c;
    return a * (b * (1 - b));
}
static double v_d_tanh(double a, double b, double c) {
    (void)c;
    return a * (1 - b * b);
}

/* Sizes of what is added up, for operations in which it may cancel; infinite where a factor
 * overflows that is small in use. */
static double s_fma(double a, double b, double c) {
    return fabs(a * b) + fabs(c);
}
static double s_d_sigmoid(double a, double b, double c) {
    (void)c;
    return fabs(b) > 0x1p63 ? HUGE_VAL : fabs(a * b) * (1 + fabs(b));
}
static double s_d_tanh(double a, double b, double c) {
    (void)c;
    return fabs(b) > 0x1p63 ? HUGE_VAL : fabs(a) * (1 + b * b);
}

/* The largest error allowed, in units in the last place of the result or of `size`. What is not
 * listed rounds correctly. The helpers round up to three times; the bounds of the elementary
 * functions are those that pointwise.inc.c promises. */
typedef struct rule {
    const char *name;
    double ulp;
    value reference; /* NULL: that of cell/ops.c */
    value size;      /* NULL: the result */
} rule;

static const rule rules[] = {
    {"exp", 1.1, NULL, NULL},
    {"log", 1, NULL, NULL},
    {"sigmoid", 3, NULL, NULL},
    {"tanh", 3.5, NULL, NULL},
    {"softplus", 2, NULL, NULL},
    {"logsigmoid", 2, NULL, NULL},
    {"sin", 0.51, NULL, NULL},
    {"cos", 0.51, NULL, NULL},
    {"fma", 1, v_fma, s_fma},
    {"fnma", 1, v_fnma, s_fma},
    {"one_minus", 0.5, v_one_minus, NULL},
    {"d_sigmoid", 3, v_d_sigmoid, s_d_sigmoid},
    {"d_tanh", 3, v_d_tanh, s_d_tanh},
    {NULL, 0.5, NULL, NULL},
};

static const float specials[] = {
    0.0F,
    -0.0F,
    INFINITY,
    -INFINITY,
    NAN,
    1.0F,
    -1.0F,
    0.5F,
    -0.5F,
    2.0F,
    1e-45F,
    -1e-45F,
    1e-39F,
    -1e-39F,
    0x1p-126F,
    -0x1p-126F,
    1e-30F,
    -1e-30F,
    1e30F,
    -1e30F,
    0x1.fffffep127F,
    -0x1.fffffep127F,
    88.0F,
    88.7228F,
    88.73F,
    89.5F,
    -87.3F,
    -87.4F,
    -88.8F,
    -100.0F,
    100.0F,
    -103.9F,
    -104.1F,
    9.0F,
    -9.1F,
    20.0F,
    0.414213F,
    0.70710677F,
    0.7071068F,
    1.4142135F,
    -0.346F,
    0.347F,
    1.5707964F,
    3.1415927F,
    1048575.0F,
    1048577.0F,
    1e22F,
    16.0F,
    -0.0001F,
    0.0001F,
};
enum { SPECIALS = sizeof specials / sizeof *specials };

static uint32_t next(uint32_t *state) {
    *state = *state * 747796405U + 2891336453U;
    const uint32_t word = ((*state >> ((*state >> 28) + 4)) ^ *state) * 277803737U;
    return (word >> 22) ^ word;
}

static float any_float(uint32_t *state) {
    const uint32_t bits = next(state);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* One strip of arguments: specials first (every combination over the rounds), then random bits,
 * then values of ordinary size. */
static void draw(unsigned round, float *x, unsigned which, uint32_t *state) {
    const unsigned stride = which == 0 ? 1 : which == 1 ? SPECIALS + 1 : 7;
    for (unsigned i = 0; i < STRIP; i++) {
        if (i < STRIP / 4)
            x[i] = specials[(round * (STRIP / 4) + i) / (which == 0 ? 1 : stride) % SPECIALS];
        else if (i < STRIP / 2)
            x[i] = any_float(state);
        else
            x[i] = ldexpf((float)(int32_t)next(state), i % 2 ? -24 : -27 - (int)(i % 8));
    }
}

static double unit(double size) {
    int exponent;
    frexp(size, &exponent);
    return ldexp(1, exponent - 24 > -149 ? exponent - 24 : -149);
}

/* Error of `got` in units in the last place; 0 where both are NaN, or equal with equal signs. */
static double error_of(float got, double want, double size) {
    const float rounded = (float)want;
    if (isnan(rounded) || isnan(got))
        return isnan(rounded) && isnan(got) ? 0 : INFINITY;
    if (got == rounded && (got != 0 || signbit(got) == signbit(rounded)))
        return 0;
    if (isinf(size))
        return INFINITY;
    if (isinf(rounded) || isinf(got)) { /* one of them: as far from the border as the other is */
        const double border = copysign(0x1p128, want);
        return signbit(got) == signbit(rounded)
                   ? fabs(border - (isinf(got) ? want : (double)got)) / unit(0x1.fp127)
                   : HUGE_VAL;
    }
    if (got == 0 && rounded == 0)
        return INFINITY; /* the sign of zero is wrong */
    return fabs((double)got - want) / unit(size);
}

static const rule *rule_of(const char *name) {
    const rule *r = rules;
    while (r->name && strcmp(r->name, name) != 0)
        r++;
    return r;
}

typedef struct worst {
    double error;
    float a, b, c, got;
    double want;
} worst;

static int denormal(double x) {
    return x != 0 && fabs(x) < 0x1p-126;
}

/* With denormals flushed: draws with denormal arguments are left out, a result below twice the
 * least normal float may be 0, and a sum may lack a term below that. */
static int flushed(double x, double y, double z, double want, float got, int is_sum) {
    const double tiny = 0x1p-125;
    return denormal(x) || denormal(y) || denormal(z) || (got == 0 && fabs(want) < tiny) ||
           (is_sum && fabs((double)got - want) < tiny);
}

static worst measure(const cbi_pointwise_row *row, const rule *r, value reference, int flush) {
    static float a[STRIP], b[STRIP], c[STRIP], d[STRIP];
    worst w = {0};
    uint32_t state = 1;
    for (unsigned round = 0; round < ROUNDS; round++) {
        draw(round, a, 0, &state);
        draw(round, b, 1, &state);
        draw(round, c, 2, &state);
        const unsigned saved = flush ? cbi_denormals_flush() : 0;
        row->run(d, a, b, c, STRIP);
        if (flush)
            cbi_denormals_restore(saved);
        for (int i = 0; i < STRIP; i++) {
            const double x = (double)a[i], y = (double)b[i], z = (double)c[i];
            const double want = reference(x, y, z);
            const double size = r->size ? r->size(x, y, z) : want;
            double error = error_of(d[i], want, size);
            /* Where a sum of this size overflows, or what cancels does, either rounding is right.
             */
            if (r->size && !(fabs(size) < 0x1p127))
                error = 0;
            if (flush && flushed(x, y, z, want, d[i], r->size != NULL))
                error = 0;
            if (error > w.error)
                w = (worst){error, a[i], b[i], c[i], d[i], want};
        }
    }
    return w;
}

static void check_accuracy(int flush) {
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++)
        for (const cbi_pointwise_row *row = (*set)->pointwise; row->name; row++) {
            const rule *r = rule_of(row->name);
            const cbi_op *op = cbi_op_find(row->name);
            assert_true(r->reference || op);
            const worst w = measure(row, r, r->reference ? r->reference : op->value, flush);
            if (!(w.error <= r->ulp * (1 + 1e-6)))
                fail_msg(
                    "%s %s(%.9g, %.9g, %.9g): expected %.9g, got %.9g, %.3g ulp (at most %.3g)",
                    (*set)->name, row->name, (double)w.a, (double)w.b, (double)w.c, w.want,
                    (double)w.got, w.error, r->ulp);
        }
}

static void test_accuracy(void **state) {
    (void)state;
    check_accuracy(0);
}

static void test_accuracy_without_denormals(void **state) {
    (void)state;
    check_accuracy(1);
}

static const cbi_pointwise_row *find(const cbi_kernels *set, const char *name) {
    for (const cbi_pointwise_row *row = set->pointwise; row->name; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

/* Bit patterns from 0 on, every so many: all floats of both signs, NaN too. */
static uint64_t stride = 65537;

static worst scan(const cbi_pointwise_row *row, value reference) {
    static float a[STRIP], d[STRIP];
    worst w = {0};
    for (uint64_t first = 0; first <= UINT32_MAX; first += STRIP * stride) {
        for (unsigned i = 0; i < STRIP; i++) {
            const uint32_t bits = (uint32_t)(first + i * stride);
            memcpy(&a[i], &bits, sizeof bits);
        }
        row->run(d, a, a, a, STRIP);
        for (int i = 0; i < STRIP; i++) {
            const double want = reference((double)a[i], 0, 0), error = error_of(d[i], want, want);
            if (error > w.error)
                w = (worst){error, a[i], 0, 0, d[i], want};
        }
    }
    return w;
}

/* Functions of one argument over the whole range of floats. */
static void test_whole_range(void **state) {
    (void)state;
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++)
        for (const cbi_op *op = cbi_ops; op->name; op++) {
            const rule *r = rule_of(op->name);
            if (op->arity != 1)
                continue;
            const cbi_pointwise_row *row = find(*set, op->name);
            const worst w = scan(row, op->value);
            if (stride < 65537)
                print_message("%-9s %-10s %.3f ulp (at most %g), at %.9g\n", (*set)->name, op->name,
                              w.error, r->ulp, (double)w.a);
            if (!(w.error <= r->ulp * (1 + 1e-6)))
                fail_msg("%s %s(%.9g): expected %.9g, got %.9g, %.3g ulp (at most %.3g)",
                         (*set)->name, op->name, (double)w.a, w.want, (double)w.got, w.error,
                         r->ulp);
        }
}

static void test_every_operation_has_a_loop(void **state) {
    (void)state;
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++) {
        for (const cbi_op *op = cbi_ops; op->name; op++)
            if (!find(*set, op->name))
                fail_msg("%s has no loop for %s", (*set)->name, op->name);
        for (const rule *r = rules; r->name; r++)
            assert_non_null(find(*set, r->name));
    }
}

/* The values that users notice. */
static void test_saturation(void **state) {
    (void)state;
    static const struct {
        const char *name;
        float x, y;
    } cases[] = {
        {"logsigmoid", -100, -100},
        {"logsigmoid", -1e30F, -1e30F},
        {"logsigmoid", 200, -0.0F},
        {"softplus", 100, 100},
        {"softplus", 1e30F, 1e30F},
        {"softplus", -200, 0},
        {"sigmoid", 100, 1},
        {"sigmoid", -200, 0},
        {"sigmoid", 0, 0.5F},
        {"tanh", 50, 1},
        {"tanh", -50, -1},
        {"tanh", 1e-40F, 1e-40F},
        {"tanh", 1e-20F, 1e-20F},
        {"exp", 0, 1},
        {"exp", 1000, INFINITY},
        {"exp", -1000, 0},
        {"log", 1, 0},
        {"log", 0, -INFINITY},
    };
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            float x[CBI_LANES], y[CBI_LANES];
            for (int j = 0; j < CBI_LANES; j++)
                x[j] = cases[i].x;
            find(*set, cases[i].name)->run(y, x, NULL, NULL, CBI_LANES);
            for (int j = 0; j < CBI_LANES; j++)
                if (memcmp(&y[j], &cases[i].y, sizeof y[j]) != 0)
                    fail_msg("%s %s(%g): expected %g, got %g", (*set)->name, cases[i].name,
                             (double)cases[i].x, (double)cases[i].y, (double)y[j]);
        }
}

/* An element has the same bits whatever the length of the strip, in place or not, and nothing
 * outside the strip is touched. */
static void test_strips(void **state) {
    (void)state;
    guard g[4];
    uint32_t seed = 7;
    for (int i = 0; i < 4; i++)
        assert_int_equal(guard_open(&g[i]), 0);
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++)
        for (const cbi_pointwise_row *row = (*set)->pointwise; row->name; row++)
            for (int at_end = 0; at_end < 2; at_end++) {
                float *x[3], *d = guard_take(&g[3], STRIP, at_end), piece[CBI_LANES];
                for (unsigned i = 0; i < 3; i++) {
                    x[i] = guard_take(&g[i], STRIP, at_end);
                    draw((unsigned)at_end, x[i], i, &seed);
                }
                row->run(d, x[0], x[1], x[2], STRIP);
                for (size_t i = 0; i < STRIP; i += CBI_LANES) {
                    row->run(piece, x[0] + i, x[1] + i, x[2] + i, CBI_LANES);
                    assert_memory_equal(piece, d + i, sizeof piece);
                }
                for (int i = 0; i < 3; i++) {
                    float before[STRIP];
                    memcpy(before, x[i], sizeof before);
                    row->run(x[i], x[0], x[1], x[2], STRIP);
                    assert_memory_equal(x[i], d, sizeof before);
                    memcpy(x[i], before, sizeof before);
                }
            }
    for (int i = 0; i < 4; i++)
        guard_close(&g[i]);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_operation_has_a_loop),
        cmocka_unit_test(test_accuracy),
        cmocka_unit_test(test_accuracy_without_denormals),
        cmocka_unit_test(test_whole_range),
        cmocka_unit_test(test_saturation),
        cmocka_unit_test(test_strips),
    };
    if (argc > 1 && strtoul(argv[1], NULL, 10) > 0)
        stride = strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
