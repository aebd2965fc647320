/* SPDX-License-Identifier: MIT */
/*
 * Cells against their papers: each is computed here a second time, in f64, by plain loops written
 * from the paper's equations, which share nothing with the language, its graph or its engines but
 * the numbers of the weights. The f64 reference agrees within 1e-12.
 */
#include <complex.h>
#undef I /* here the input dimension */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cellbench/engine.h"
#include "cellbench/random.h"

enum { T = 9, I = 3, H = 8, CONTEXT = 40 };

typedef struct net {
    cb_stack *stack;
    double *w;
} net;

/* Writes y [T][H], one sequence from states of 0. */
typedef void paper(const net *n, const double x[T][I], double y[T][H]);

static const double *weights(const net *n, const char *name) {
    size_t count;
    const cb_stack_param *p = cb_stack_params(n->stack, &count);
    for (size_t k = 0; k < count; k++)
        if (strcmp(p[k].name, name) == 0)
            return n->w + p[k].offset;
    fail_msg("no tensor %s", name);
    return NULL;
}

/* A tensor of the first layer: family and equation. */
static const double *of(const net *n, const char *family, const char *equation) {
    char name[64];
    snprintf(name, sizeof name, "1.%s_%s", family, equation);
    return weights(n, name);
}

static double row(const double *m, const double *v, size_t cols, size_t j) {
    double sum = 0;
    for (size_t k = 0; k < cols; k++)
        sum += m[j * cols + k] * v[k];
    return sum;
}

static double sig(double a) {
    return 1 / (1 + exp(-a));
}

/* Row j of W x + b, and of W x + R h + b. */
static double from_x(const net *n, const char *q, const double *x, size_t j) {
    return row(of(n, "W", q), x, I, j) + of(n, "b", q)[j];
}

static double from_xh(const net *n, const char *q, const double *x, const double *h, size_t j) {
    return from_x(n, q, x, j) + row(of(n, "R", q), h, H, j);
}

/* Gers, Schraudolph & Schmidhuber 2002 */
static void peephole(const net *n, const double x[T][I], double y[T][H]) {
    double h[H] = {0}, c[H] = {0};
    for (size_t t = 0; t < T; t++) {
        for (size_t j = 0; j < H; j++) {
            double in = sig(from_xh(n, "i", x[t], h, j) + of(n, "p", "i")[j] * c[j]);
            double forget = sig(from_xh(n, "f", x[t], h, j) + of(n, "p", "f")[j] * c[j]);
            c[j] = forget * c[j] + in * tanh(from_xh(n, "z", x[t], h, j));
            y[t][j] = tanh(c[j]) * sig(from_xh(n, "o", x[t], h, j) + of(n, "p", "o")[j] * c[j]);
        }
        memcpy(h, y[t], sizeof h);
    }
}

/* Hochreiter & Schmidhuber 1997, blocks of two cells */
static void lstm_1997(const net *n, const double x[T][I], double y[T][H]) {
    enum { BLOCKS = H / 2 };
    double h[H] = {0}, s[H] = {0}, in[BLOCKS] = {0}, out[BLOCKS] = {0}, next[2][BLOCKS];
    for (size_t t = 0; t < T; t++) {
        for (size_t k = 0; k < BLOCKS; k++) {
            next[0][k] = sig(from_xh(n, "i", x[t], h, k) + row(of(n, "U", "i"), in, BLOCKS, k) +
                             row(of(n, "V", "i"), out, BLOCKS, k));
            next[1][k] = sig(from_xh(n, "o", x[t], h, k) + row(of(n, "U", "o"), in, BLOCKS, k) +
                             row(of(n, "V", "o"), out, BLOCKS, k));
        }
        for (size_t j = 0; j < H; j++) {
            double net_c = from_xh(n, "z", x[t], h, j) + row(of(n, "U", "z"), in, BLOCKS, j) +
                           row(of(n, "V", "z"), out, BLOCKS, j);
            s[j] += next[0][j / 2] * (4 * sig(net_c) - 2);
            y[t][j] = next[1][j / 2] * (2 * sig(s[j]) - 1);
        }
        memcpy(in, next[0], sizeof in);
        memcpy(out, next[1], sizeof out);
        memcpy(h, y[t], sizeof h);
    }
}

/* Koutnik et al. 2014, periods 1, 2, 4, 8: slow modules feed fast ones */
static void clockwork(const net *n, const double x[T][I], double y[T][H]) {
    enum { SIZE = H / 4 };
    const double *free_number = of(n, "R", "h");
    double R[H][H] = {{0}}, h[H] = {0};
    for (size_t i = 0; i < H; i++)
        for (size_t j = i / SIZE * SIZE; j < H; j++)
            R[i][j] = *free_number++;
    for (size_t t = 0; t < T; t++) {
        for (size_t i = 0; i < H; i++) {
            y[t][i] = h[i];
            if (t % (1u << i / SIZE) == 0)
                y[t][i] = tanh(from_x(n, "h", x[t], i) + row(R[i], h, H, 0));
        }
        memcpy(h, y[t], sizeof h);
    }
}

/* Mikolov et al. 2014, eq. 3-5; y = h + V s */
static void scrn(const net *n, const double x[T][I], double y[T][H]) {
    double h[H] = {0}, s[CONTEXT] = {0}, next[H];
    for (size_t t = 0; t < T; t++) {
        for (size_t k = 0; k < CONTEXT; k++)
            s[k] = 0.95 * s[k] + (1 - 0.95) * row(of(n, "W", "s"), x[t], I, k);
        for (size_t j = 0; j < H; j++)
            next[j] = sig(row(of(n, "P", "h"), s, CONTEXT, j) + row(of(n, "W", "h"), x[t], I, j) +
                          row(of(n, "R", "h"), h, H, j));
        memcpy(h, next, sizeof h);
        for (size_t j = 0; j < H; j++)
            y[t][j] = h[j] + row(of(n, "V", "y"), s, CONTEXT, j);
    }
}

/* Jozefowicz et al. 2015, I not H: tanh of W_fit x */
static void mut1(const net *n, const double x[T][I], double y[T][H]) {
    double h[H] = {0}, rh[H];
    for (size_t t = 0; t < T; t++) {
        for (size_t j = 0; j < H; j++)
            rh[j] = h[j] * sig(from_xh(n, "r", x[t], h, j));
        for (size_t j = 0; j < H; j++) {
            double z = sig(from_x(n, "z", x[t], j));
            double fit = row(weights(n, "1.W_fit"), x[t], I, j);
            y[t][j] = z * tanh(row(of(n, "R", "n"), rh, H, j) + tanh(fit) + of(n, "b", "n")[j]) +
                      (1 - z) * h[j];
        }
        memcpy(h, y[t], sizeof h);
    }
}

/* Zhou et al. 2016 */
static void mgu(const net *n, const double x[T][I], double y[T][H]) {
    double h[H] = {0}, f[H], fh[H];
    for (size_t t = 0; t < T; t++) {
        for (size_t j = 0; j < H; j++)
            fh[j] = h[j] * (f[j] = sig(from_xh(n, "f", x[t], h, j)));
        for (size_t j = 0; j < H; j++)
            y[t][j] = (1 - f[j]) * h[j] + f[j] * tanh(from_xh(n, "n", x[t], fh, j));
        memcpy(h, y[t], sizeof h);
    }
}

/* van der Westhuizen & Lasenby 2018, beta = 1 */
static void janet(const net *n, const double x[T][I], double y[T][H]) {
    double h[H] = {0};
    for (size_t t = 0; t < T; t++) {
        for (size_t j = 0; j < H; j++) {
            double s = from_xh(n, "s", x[t], h, j);
            y[t][j] = sig(s) * h[j] + (1 - sig(s - 1)) * tanh(from_xh(n, "n", x[t], h, j));
        }
        memcpy(h, y[t], sizeof h);
    }
}

/* Beck et al. 2024, eq. 8-14, not stabilised; two heads */
static void slstm(const net *n, const double x[T][I], double y[T][H]) {
    enum { HEAD = H / 2 };
    static const char *const gate[] = {"z", "u", "l", "o"};
    double h[H] = {0}, c[H] = {0}, m[H] = {0};
    for (size_t t = 0; t < T; t++) {
        for (size_t j = 0; j < H; j++) {
            double a[4];
            for (size_t g = 0; g < 4; g++)
                a[g] = from_x(n, gate[g], x[t], j) +
                       row(of(n, "R", gate[g]), h + j / HEAD * HEAD, HEAD, j);
            c[j] = sig(a[2]) * c[j] + exp(a[1]) * tanh(a[0]);
            m[j] = sig(a[2]) * m[j] + exp(a[1]);
            y[t][j] = sig(a[3]) * c[j] / m[j];
        }
        memcpy(h, y[t], sizeof h);
    }
}

/* Lei et al. 2018, I not H: W_fit x in the highway */
static void sru(const net *n, const double x[T][I], double y[T][H]) {
    double c[H] = {0};
    for (size_t t = 0; t < T; t++)
        for (size_t j = 0; j < H; j++) {
            double f = sig(from_x(n, "f", x[t], j) + of(n, "p", "f")[j] * c[j]);
            double r = sig(from_x(n, "r", x[t], j) + of(n, "p", "r")[j] * c[j]);
            c[j] = f * c[j] + (1 - f) * row(of(n, "W", "u"), x[t], I, j);
            y[t][j] = r * c[j] + (1 - r) * row(weights(n, "1.W_fit"), x[t], I, j);
        }
}

/* Bradbury et al. 2016, width 2, fo-pooling */
static void qrnn(const net *n, const double x[T][I], double y[T][H]) {
    static const char *const gate[] = {"z", "f", "o"}, *const before[] = {"u", "v", "w"};
    double c[H] = {0};
    for (size_t t = 0; t < T; t++)
        for (size_t j = 0; j < H; j++) {
            double a[3];
            for (size_t g = 0; g < 3; g++)
                a[g] = from_x(n, gate[g], x[t], j) +
                       (t ? row(of(n, "V", before[g]), x[t - 1], I, j) : 0);
            c[j] = sig(a[1]) * c[j] + (1 - sig(a[1])) * tanh(a[0]);
            y[t][j] = sig(a[2]) * c[j];
        }
}

/* Feng et al. 2024 */
static void minlstm(const net *n, const double x[T][I], double y[T][H]) {
    double h[H] = {0};
    for (size_t t = 0; t < T; t++)
        for (size_t j = 0; j < H; j++) {
            double f = sig(from_x(n, "f", x[t], j)), i = sig(from_x(n, "i", x[t], j));
            y[t][j] = h[j] = (f * h[j] + i * from_x(n, "n", x[t], j)) / (f + i);
        }
}

/* Orvieto et al. 2023: a complex diagonal recurrence */
static void lru(const net *n, const double x[T][I], double y[T][H]) {
    double complex s[H] = {0};
    for (size_t t = 0; t < T; t++) {
        for (size_t j = 0; j < H; j++) {
            double complex lambda =
                cexp(CMPLX(-exp(of(n, "nu", "r")[j]), exp(of(n, "theta", "t")[j])));
            double complex in =
                CMPLX(row(of(n, "W", "u"), x[t], I, j), row(of(n, "W", "v"), x[t], I, j));
            s[j] = lambda * s[j] + sqrt(1 - creal(lambda * conj(lambda))) * in;
        }
        for (size_t j = 0; j < H; j++) {
            double complex sum = 0;
            for (size_t k = 0; k < H; k++)
                sum += CMPLX(of(n, "P", "h")[j * H + k], of(n, "Q", "h")[j * H + k]) * s[k];
            y[t][j] = creal(sum) + of(n, "p", "h")[j] * row(weights(n, "1.W_fit"), x[t], I, j);
        }
    }
}

/* Zilly et al. 2017, depth 2 */
static void highway(const net *n, const double x[T][I], double y[T][H]) {
    double s[H] = {0}, next[H];
    for (size_t t = 0; t < T; t++) {
        for (size_t j = 0; j < H; j++) {
            double gate = sig(from_xh(n, "t1", x[t], s, j));
            next[j] = tanh(from_xh(n, "a1", x[t], s, j)) * gate + s[j] * (1 - gate);
        }
        for (size_t j = 0; j < H; j++) {
            double gate = sig(row(of(n, "R", "t2"), next, H, j) + of(n, "b", "t2")[j]);
            double a = tanh(row(of(n, "R", "a2"), next, H, j) + of(n, "b", "a2")[j]);
            y[t][j] = a * gate + next[j] * (1 - gate);
        }
        memcpy(s, y[t], sizeof s);
    }
}

/* Rusch et al. 2022, eq. 3, dt = 1 */
static void lem(const net *n, const double x[T][I], double y[T][H]) {
    double h[H] = {0}, z[H] = {0}, dt[H];
    for (size_t t = 0; t < T; t++) {
        for (size_t j = 0; j < H; j++) {
            double own = sig(from_xh(n, "k", x[t], h, j));
            dt[j] = sig(from_xh(n, "m", x[t], h, j));
            z[j] = (1 - own) * z[j] + own * tanh(from_xh(n, "z", x[t], h, j));
        }
        for (size_t j = 0; j < H; j++)
            y[t][j] = (1 - dt[j]) * h[j] + dt[j] * tanh(from_xh(n, "h", x[t], z, j));
        memcpy(h, y[t], sizeof h);
    }
}

/* Rusch & Mishra 2021, eq. 3, with the defaults of the settings */
static void cornn(const net *n, const double x[T][I], double y[T][H]) {
    double s[H] = {0}, v[H] = {0}, force[H];
    for (size_t t = 0; t < T; t++) {
        for (size_t j = 0; j < H; j++)
            force[j] = tanh(from_xh(n, "v", x[t], s, j) + row(of(n, "R2", "v"), v, H, j)) -
                       2.7 * s[j] - 4.7 * v[j];
        for (size_t j = 0; j < H; j++) {
            v[j] += 0.042 * force[j];
            y[t][j] = s[j] += 0.042 * v[j];
        }
    }
}

/* Chang et al. 2019: W - W^T, of which the numbers above the diagonal are kept */
static void antisymmetric(const net *n, const double x[T][I], double y[T][H]) {
    const double *free_number = of(n, "R", "h");
    double W[H][H] = {{0}}, h[H] = {0};
    for (size_t i = 0; i < H; i++)
        for (size_t j = i + 1; j < H; j++)
            W[j][i] = -(W[i][j] = *free_number++);
    for (size_t t = 0; t < T; t++) {
        for (size_t j = 0; j < H; j++)
            y[t][j] = h[j] + 0.1 * tanh(from_x(n, "h", x[t], j) + row(W[j], h, H, 0) - 0.01 * h[j]);
        memcpy(h, y[t], sizeof h);
    }
}

static void normalise(const double *a, const double *gain, double *out) {
    double mean = 0, variance = 0;
    for (size_t j = 0; j < H; j++)
        mean += a[j] / H;
    for (size_t j = 0; j < H; j++)
        variance += (a[j] - mean) * (a[j] - mean) / H;
    for (size_t j = 0; j < H; j++)
        out[j] = gain[j] * (a[j] - mean) / sqrt(variance + 1e-5);
}

/* Ba, Kiros & Hinton 2016: both sums of a gate normalised, then added */
static void gru_layernorm(const net *n, const double x[T][I], double y[T][H]) {
    static const char *const gate[] = {"r", "z", "n"};
    double h[H] = {0};
    for (size_t t = 0; t < T; t++) {
        double sum[H], in[3][H], back[3][H];
        for (size_t g = 0; g < 3; g++) {
            for (size_t j = 0; j < H; j++)
                sum[j] = row(of(n, "W", gate[g]), x[t], I, j);
            normalise(sum, of(n, "g1", gate[g]), in[g]);
            for (size_t j = 0; j < H; j++)
                sum[j] = row(of(n, "R", gate[g]), h, H, j);
            normalise(sum, of(n, "g", gate[g]), back[g]);
        }
        for (size_t j = 0; j < H; j++) {
            double r = sig(back[0][j] + in[0][j] + of(n, "b", "r")[j]);
            double z = sig(back[1][j] + in[1][j] + of(n, "b", "z")[j]);
            double new =
                tanh(r * (back[2][j] + of(n, "b1", "n")[j]) + in[2][j] + of(n, "b", "n")[j]);
            y[t][j] = (1 - z) * h[j] + z * new;
        }
        memcpy(h, y[t], sizeof h);
    }
}

static const struct {
    const char *cell;
    paper *compute;
} papers[] = {
    {"peephole", peephole},
    {"lstm-1997", lstm_1997},
    {"clockwork", clockwork},
    {"scrn", scrn},
    {"mut1", mut1},
    {"mgu", mgu},
    {"janet", janet},
    {"slstm", slstm},
    {"sru", sru},
    {"qrnn", qrnn},
    {"minlstm", minlstm},
    {"lru", lru},
    {"highway", highway},
    {"lem", lem},
    {"cornn", cornn},
    {"gru-layernorm", gru_layernorm},
    {"antisymmetric", antisymmetric},
};

static void compare(const char *cell, paper *compute) {
    static const uint32_t rows[T] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    const cb_steps steps = {.T = T, .B = 1, .rows = rows, .frames = T};
    const cb_cell_def *def;
    cb_reference *reference;
    cb_err err;
    net n;
    double x[T][I], y[T][H], expected[T][H], largest = 0;
    assert_int_equal(cb_cell_find(&def, cb_variants, cell, &err), CB_OK);
    const cb_layer_spec layer = {.name = cell, .text = def->text, .hidden = H};
    assert_int_equal(cb_stack_create(&n.stack, &layer, 1, CB_INPUT_DENSE, I, &err), CB_OK);
    n.w = calloc(cb_stack_weight_count(n.stack), sizeof *n.w);
    assert_non_null(n.w);
    assert_int_equal(cb_stack_init(n.stack, 11, NULL, 0, n.w, &err), CB_OK);
    cb_random random = cb_random_stream(11, "papers", 0);
    for (size_t i = 0; i < cb_stack_weight_count(n.stack); i++)
        n.w[i] += 0.2 * cb_random_normal(&random); /* off the zeros of the laws */
    for (size_t i = 0; i < T * I; i++)
        x[i / I][i % I] = cb_random_normal(&random);
    assert_int_equal(cb_reference_create(&reference, n.stack, &err), CB_OK);
    assert_int_equal(cb_reference_forward(reference, &steps, n.w, x[0], NULL, y[0], &err), CB_OK);
    compute(&n, x, expected);
    for (size_t i = 0; i < T * H; i++) {
        const double a = y[i / H][i % H], b = expected[i / H][i % H];
        if (!(fabs(a - b) <= 1e-12 * fmax(1, fabs(b))))
            fail_msg("%s: step %zu, unit %zu: %.17g, by the paper %.17g", cell, i / H, i % H, a, b);
        largest = fmax(largest, fabs(b));
    }
    assert_true(largest > 0.01);
    cb_reference_destroy(reference);
    cb_stack_destroy(n.stack);
    free(n.w);
}

static void test_papers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof papers / sizeof *papers; i++)
        compare(papers[i].cell, papers[i].compute);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_papers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
