/* SPDX-License-Identifier: MIT */
/*
 * White-box test of optimisers and clipping: traces of 100 updates against formulas written down
 * again in f64, on spans, and Nesterov's against the form in which it was published.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cellbench/random.h"
#include "train/clip.h"
#include "train/optimiser.h"

enum { N = 37, STEPS = 100 };

static const cbi_step start = {.rate = 0.01,
                               .momentum = 0.9,
                               .beta1 = 0.9,
                               .beta2 = 0.999,
                               .epsilon = 1e-8,
                               .power1 = 1,
                               .power2 = 1,
                               .decay = 0.95,
                               .weight_decay = 0.1};

/* One weight in f64. */
typedef struct scalar {
    double w, a, b, c;
} scalar;

static void ref_sgd(scalar *s, double g, int t) {
    (void)t;
    s->w = s->w - 0.01 * g;
}

static void ref_momentum(scalar *s, double g, int t) {
    (void)t;
    s->a = 0.9 * s->a - 0.01 * g;
    s->w = s->w + s->a;
}

static void ref_nesterov(scalar *s, double g, int t) {
    (void)t;
    const double before = s->a;
    s->a = 0.9 * before - 0.01 * g;
    /* from the look-ahead point u = w + m*v to the next: w' + m*v', w' = w + v' */
    s->w = (s->w - 0.9 * before) + s->a + 0.9 * s->a;
}

static void ref_adam(scalar *s, double g, int t) {
    s->a = 0.9 * s->a + (1 - 0.9) * g;
    s->b = 0.999 * s->b + (1 - 0.999) * g * g;
    const double m = s->a / (1 - pow(0.9, t)), v = s->b / (1 - pow(0.999, t));
    s->w = s->w - 0.01 * m / (sqrt(v) + 1e-8);
}

static void ref_adamw(scalar *s, double g, int t) {
    const double decay = 0.01 * 0.1 * s->w;
    ref_adam(s, g, t);
    s->w = s->w - decay;
}

static void ref_rmsprop(scalar *s, double g, int t) {
    (void)t;
    s->a = 0.95 * s->a + (1 - 0.95) * g * g;
    s->b = 0.9 * s->b + g / (sqrt(s->a) + 1e-8);
    s->w = s->w - 0.01 * s->b;
}

static void ref_rmsprop_graves(scalar *s, double g, int t) {
    (void)t;
    s->a = 0.95 * s->a + (1 - 0.95) * g * g;
    s->b = 0.95 * s->b + (1 - 0.95) * g;
    s->c = 0.9 * s->c - 0.01 * g / sqrt(s->a - s->b * s->b + 1e-8);
    s->w = s->w + s->c;
}

static void ref_adagrad(scalar *s, double g, int t) {
    (void)t;
    s->a = s->a + g * g;
    s->w = s->w - 0.01 * g / (sqrt(s->a) + 1e-8);
}

static void ref_adadelta(scalar *s, double g, int t) {
    (void)t;
    s->a = 0.95 * s->a + (1 - 0.95) * g * g;
    const double d = -sqrt(s->b + 1e-8) / sqrt(s->a + 1e-8) * g;
    s->b = 0.95 * s->b + (1 - 0.95) * d * d;
    s->w = s->w + 0.01 * d;
}

static const struct {
    const char *name;
    size_t states;
    void (*update)(scalar *s, double g, int t);
} references[] = {
    {"sgd", 0, ref_sgd},
    {"momentum", 1, ref_momentum},
    {"nesterov", 1, ref_nesterov},
    {"adam", 2, ref_adam},
    {"adamw", 2, ref_adamw},
    {"rmsprop", 2, ref_rmsprop},
    {"rmsprop-graves", 3, ref_rmsprop_graves},
    {"adagrad", 1, ref_adagrad},
    {"adadelta", 2, ref_adadelta},
};

static void test_traces(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof references / sizeof *references; k++) {
        const cbi_optimiser *rule = cbi_optimiser_find(references[k].name);
        assert_non_null(rule);
        assert_int_equal(rule->states, references[k].states);
        cb_random stream = cb_random_stream(1, "trace", k);
        float w[N], g[N], s[CBI_MOST_STATES][N] = {{0}};
        scalar ref[N];
        double moved = 0;
        for (size_t i = 0; i < N; i++) {
            w[i] = (float)cb_random_normal(&stream);
            ref[i] = (scalar){.w = (double)w[i]};
        }
        cbi_step step = start;
        for (int t = 1; t <= STEPS; t++) {
            cbi_step_advance(&step);
            for (size_t i = 0; i < N; i++)
                g[i] = (float)(0.5 + cb_random_normal(&stream));
            /* in two spans, as around a fixed tensor */
            float *const begin[] = {s[0], s[1], s[2]}, *const rest[] = {s[0] + 10, s[1] + 10,
                                                                        s[2] + 10};
            rule->update(&step, 10, g, w, begin);
            rule->update(&step, N - 10, g + 10, w + 10, rest);
            for (size_t i = 0; i < N; i++) {
                const double before = ref[i].w;
                references[k].update(&ref[i], (double)g[i], t);
                moved += fabs(ref[i].w - before);
                const double scale = fmax(1, fabs(ref[i].w));
                if (fabs((double)w[i] - ref[i].w) > 1e-6 * scale)
                    fail_msg("%s: update %d, weight %zu: expected %.9g, got %.9g",
                             references[k].name, t, i, ref[i].w, (double)w[i]);
            }
        }
        /* adadelta takes steps of the size of root epsilon at first */
        assert_true(moved / N > (strcmp(rule->name, "adadelta") == 0 ? 1e-4 : 0.1));
    }
    assert_null(cbi_optimiser_find("adamant"));
}

/* Sutskever et al. 2013 take the gradient at w + m*v and keep w; ours keeps that point. On a
 * quadratic, whose gradient is known everywhere, both must walk the same way. */
static void test_nesterov_as_published(void **state) {
    (void)state;
    const double curvature[3] = {1, 7, 0.2};
    const double rate = 0.05, m = 0.9;
    double w[3] = {1, -2, 3}, v[3] = {0};
    float u[3] = {1, -2, 3}, s[3] = {0}, g[3], *const states[] = {s};
    cbi_step step = {.rate = rate, .momentum = m};
    for (int t = 0; t < STEPS; t++) {
        for (size_t i = 0; i < 3; i++)
            g[i] = (float)(curvature[i] * (double)u[i]);
        cbi_optimiser_find("nesterov")->update(&step, 3, g, u, states);
        for (size_t i = 0; i < 3; i++) {
            v[i] = m * v[i] - rate * curvature[i] * (w[i] + m * v[i]);
            w[i] += v[i];
            assert_true(fabs((double)u[i] - (w[i] + m * v[i])) < 1e-5);
        }
    }
}

static void test_clip(void **state) {
    (void)state;
    for (size_t n = 0; n <= 40; n++) {
        float g[40] = {0}, old[40] = {0};
        double sum = 0;
        for (size_t i = 0; i < n; i++) {
            g[i] = old[i] = (float)(i + 1) * (i % 2 ? -0.5F : 0.25F);
            sum += (double)g[i] * (double)g[i];
        }
        const double norm = cbi_gradient_norm(g, n);
        assert_true(fabs(norm - sqrt(sum)) <= 1e-14 * sqrt(sum));
        cbi_gradient_clip(g, n, norm, 0);
        assert_memory_equal(g, old, n * sizeof *g);
        cbi_gradient_clip(g, n, norm, norm);
        assert_memory_equal(g, old, n * sizeof *g);
        if (n == 0)
            continue;
        cbi_gradient_clip(g, n, norm, norm / 4);
        for (size_t i = 0; i < n; i++) /* a power of two: exact */
            assert_true(g[i] == old[i] / 4);
    }
}

static void test_clip_value_and_penalty(void **state) {
    (void)state;
    float g[] = {-3, -0.5F, 0, 0.25F, 1, 7}, w[] = {1, 2, 3, -4, 5, -6};
    const float cut[] = {-1, -0.5F, 0, 0.25F, 1, 1};
    cbi_gradient_clip_value(g, 6, 1);
    assert_memory_equal(g, cut, sizeof g);
    cbi_gradient_penalty(g, w, 6, 0.5);
    for (size_t i = 0; i < 6; i++)
        assert_true(g[i] == cut[i] + w[i] / 2);
}

static void test_norm_of_huge_and_not_finite(void **state) {
    (void)state;
    float g[19];
    for (size_t i = 0; i < 19; i++)
        g[i] = 3e38F;
    const double norm = cbi_gradient_norm(g, 19);
    assert_true(isfinite(norm));
    assert_true(fabs(norm / (double)3e38F - sqrt(19)) < 1e-12);
    for (size_t i = 0; i < 19; i++) {
        g[i] = NAN;
        assert_true(!isfinite(cbi_gradient_norm(g, 19)));
        g[i] = -INFINITY;
        assert_true(!isfinite(cbi_gradient_norm(g, 19)));
        g[i] = 1;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traces),
        cmocka_unit_test(test_nesterov_as_published),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_clip_value_and_penalty),
        cmocka_unit_test(test_norm_of_huge_and_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
