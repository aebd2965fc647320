/* SPDX-License-Identifier: MIT */
/*
 * The optimisers' formulas, in f32 with factors worked out in f64 once per update. Loops are plain
 * so that the compiler makes vectors of them; nothing in them may be reordered.
 */
#include "train/optimiser.h"

#include <math.h>
#include <string.h>

/* w = w - rate*g */
static void sgd(const cbi_step *step, size_t n, const float *g, float *w, float *s0, float *s1) {
    const float rate = (float)step->rate;
    (void)s0, (void)s1;
    for (size_t i = 0; i < n; i++)
        w[i] -= rate * g[i];
}

/* Polyak 1964 ("heavy ball"), as in Sutskever et al. 2013, equations 1 and 2:
 * v = m*v - rate*g;  w = w + v */
static void momentum(const cbi_step *step, size_t n, const float *g, float *w, float *restrict v,
                     float *s1) {
    const float rate = (float)step->rate, m = (float)step->momentum;
    (void)s1;
    for (size_t i = 0; i < n; i++) {
        v[i] = m * v[i] - rate * g[i];
        w[i] += v[i];
    }
}

/* Sutskever et al. 2013, equations 3 and 4: v = m*v - rate*g(w + m*v);  w = w + v. The weights
 * kept here are the point u = w + m*v at which the gradient is taken (Bengio et al. 2013,
 * "Advances in optimizing recurrent networks", equation 7):
 * v = m*v - rate*g(u);  u = u + m*v - rate*g(u) */
static void nesterov(const cbi_step *step, size_t n, const float *g, float *w, float *restrict v,
                     float *s1) {
    const float rate = (float)step->rate, m = (float)step->momentum;
    (void)s1;
    for (size_t i = 0; i < n; i++) {
        const float d = rate * g[i];
        v[i] = m * v[i] - d;
        w[i] += m * v[i] - d;
    }
}

/* Kingma, Ba 2015, algorithm 1:
 * m = b1*m + (1 - b1)*g;  v = b2*v + (1 - b2)*g^2
 * w = w - rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon) */
static void adam(const cbi_step *step, size_t n, const float *g, float *w, float *restrict m,
                 float *restrict v) {
    const float b1 = (float)step->beta1, c1 = (float)(1 - step->beta1);
    const float b2 = (float)step->beta2, c2 = (float)(1 - step->beta2);
    const float rate = (float)(step->rate / (1 - step->power1));
    const float scale = (float)(1 / sqrt(1 - step->power2));
    const float epsilon = (float)step->epsilon;
    for (size_t i = 0; i < n; i++) {
        m[i] = b1 * m[i] + c1 * g[i];
        v[i] = b2 * v[i] + c2 * (g[i] * g[i]);
        w[i] -= rate * m[i] / (sqrtf(v[i]) * scale + epsilon);
    }
}

static const cbi_optimiser optimisers[] = {
    {"sgd", 0, 0, sgd},
    {"momentum", CBI_READS_MOMENTUM, 1, momentum},
    {"nesterov", CBI_READS_MOMENTUM, 1, nesterov},
    {"adam", CBI_READS_BETAS, 2, adam},
    {NULL, 0, 0, NULL},
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
