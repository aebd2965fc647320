/* SPDX-License-Identifier: MIT */
/*
 * The optimisers' formulas, in f32 with factors worked out in f64 once per update. Loops are plain
 * so that the compiler makes vectors of them; nothing in them may be reordered.
 */
#include "train/optimiser.h"

#include <math.h>
#include <string.h>

/* w = w - rate*g */
static void sgd(const cbi_step *step, size_t n, const float *g, float *w, float *const *states) {
    const float rate = (float)step->rate;
    (void)states;
    for (size_t i = 0; i < n; i++)
        w[i] -= rate * g[i];
}

/* Polyak 1964 ("heavy ball"), as in Sutskever et al. 2013, equations 1 and 2:
 * v = m*v - rate*g;  w = w + v */
static void momentum(const cbi_step *step, size_t n, const float *g, float *w,
                     float *const *states) {
    const float rate = (float)step->rate, m = (float)step->momentum;
    float *restrict v = states[0];
    for (size_t i = 0; i < n; i++) {
        v[i] = m * v[i] - rate * g[i];
        w[i] += v[i];
    }
}

/* Sutskever et al. 2013, equations 3 and 4: v = m*v - rate*g(w + m*v);  w = w + v. The weights
 * kept here are the point u = w + m*v at which the gradient is taken (Bengio et al. 2013,
 * "Advances in optimizing recurrent networks", equation 7):
 * v = m*v - rate*g(u);  u = u + m*v - rate*g(u) */
static void nesterov(const cbi_step *step, size_t n, const float *g, float *w,
                     float *const *states) {
    const float rate = (float)step->rate, m = (float)step->momentum;
    float *restrict v = states[0];
    for (size_t i = 0; i < n; i++) {
        const float d = rate * g[i];
        v[i] = m * v[i] - d;
        w[i] += m * v[i] - d;
    }
}

/* Kingma, Ba 2015, algorithm 1:
 * m = b1*m + (1 - b1)*g;  v = b2*v + (1 - b2)*g^2
 * w = w - rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon) */
static void adam(const cbi_step *step, size_t n, const float *g, float *w, float *const *states) {
    const float b1 = (float)step->beta1, c1 = (float)(1 - step->beta1);
    const float b2 = (float)step->beta2, c2 = (float)(1 - step->beta2);
    const float rate = (float)(step->rate / (1 - step->power1));
    const float scale = (float)(1 / sqrt(1 - step->power2));
    const float epsilon = (float)step->epsilon;
    float *restrict m = states[0], *restrict v = states[1];
    for (size_t i = 0; i < n; i++) {
        m[i] = b1 * m[i] + c1 * g[i];
        v[i] = b2 * v[i] + c2 * (g[i] * g[i]);
        w[i] -= rate * m[i] / (sqrtf(v[i]) * scale + epsilon);
    }
}

/* Loshchilov, Hutter 2019, algorithm 2, with its lambda = rate*weight_decay:
 * w = w - rate*weight_decay*w, then as adam. */
static void adamw(const cbi_step *step, size_t n, const float *g, float *w, float *const *states) {
    const float shrink = (float)(step->rate * step->weight_decay);
    for (size_t i = 0; i < n; i++)
        w[i] -= shrink * w[i];
    adam(step, n, g, w, states);
}

/* Tieleman, Hinton 2012, lecture 6e, with momentum as in PyTorch:
 * n = d*n + (1 - d)*g^2;  v = m*v + g / (sqrt(n) + epsilon);  w = w - rate*v */
static void rmsprop(const cbi_step *step, size_t count, const float *g, float *w,
                    float *const *states) {
    const float d = (float)step->decay, c = (float)(1 - step->decay);
    const float rate = (float)step->rate, m = (float)step->momentum;
    const float epsilon = (float)step->epsilon;
    float *restrict n = states[0], *restrict v = states[1];
    for (size_t i = 0; i < count; i++) {
        n[i] = d * n[i] + c * (g[i] * g[i]);
        v[i] = m * v[i] + g[i] / (sqrtf(n[i]) + epsilon);
        w[i] -= rate * v[i];
    }
}

/* Graves 2013, equations 38 to 45: divided by the spread about the mean gradient a; n - a^2 is
 * kept from rounding below 0:
 * n = d*n + (1 - d)*g^2;  a = d*a + (1 - d)*g
 * v = m*v - rate * g / sqrt(n - a^2 + epsilon);  w = w + v */
static void rmsprop_graves(const cbi_step *step, size_t count, const float *g, float *w,
                           float *const *states) {
    const float d = (float)step->decay, c = (float)(1 - step->decay);
    const float rate = (float)step->rate, m = (float)step->momentum;
    const float epsilon = (float)step->epsilon;
    float *restrict n = states[0], *restrict a = states[1], *restrict v = states[2];
    for (size_t i = 0; i < count; i++) {
        n[i] = d * n[i] + c * (g[i] * g[i]);
        a[i] = d * a[i] + c * g[i];
        const float spread = n[i] - a[i] * a[i];
        v[i] = m * v[i] - rate * g[i] / sqrtf((spread > 0 ? spread : 0) + epsilon);
        w[i] += v[i];
    }
}

/* Duchi et al. 2011, with diagonal matrices: s = s + g^2;  w = w - rate * g / (sqrt(s) + epsilon)
 */
static void adagrad(const cbi_step *step, size_t n, const float *g, float *w,
                    float *const *states) {
    const float rate = (float)step->rate, epsilon = (float)step->epsilon;
    float *restrict s = states[0];
    for (size_t i = 0; i < n; i++) {
        s[i] += g[i] * g[i];
        w[i] -= rate * g[i] / (sqrtf(s[i]) + epsilon);
    }
}

/* Zeiler 2012, algorithm 1: n = d*n + (1 - d)*g^2;  v = sqrt((s + epsilon) / (n + epsilon)) * g
 * s = d*s + (1 - d)*v^2;  w = w - rate*v */
static void adadelta(const cbi_step *step, size_t count, const float *g, float *w,
                     float *const *states) {
    const float d = (float)step->decay, c = (float)(1 - step->decay);
    const float rate = (float)step->rate, epsilon = (float)step->epsilon;
    float *restrict n = states[0], *restrict s = states[1];
    for (size_t i = 0; i < count; i++) {
        n[i] = d * n[i] + c * (g[i] * g[i]);
        const float v = sqrtf((s[i] + epsilon) / (n[i] + epsilon)) * g[i];
        s[i] = d * s[i] + c * (v * v);
        w[i] -= rate * v;
    }
}

static const cbi_optimiser optimisers[] = {
    {"sgd", 0, sgd},
    {"momentum", 1, momentum},
    {"nesterov", 1, nesterov},
    {"adam", 2, adam},
    {"adamw", 2, adamw},
    {"rmsprop", 2, rmsprop},
    {"rmsprop-graves", 3, rmsprop_graves},
    {"adagrad", 1, adagrad},
    {"adadelta", 2, adadelta},
    {NULL, 0, NULL},
};

const cbi_optimiser *cbi_optimiser_find(const char *name) {
    for (const cbi_optimiser *row = optimisers; row->name; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

void cbi_step_advance(cbi_step *step) {
    step->power1 *= step->beta1;
    step->power2 *= step->beta2;
}
