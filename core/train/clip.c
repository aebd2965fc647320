/* SPDX-License-Identifier: MIT */
/* The norm is summed in eight interleaved parts, so that additions do not wait for each other. */
#include "train/clip.h"

#include <math.h>

enum { PARTS = 8 };

double cbi_gradient_norm(const float *g, size_t n) {
    double part[PARTS] = {0};
    size_t i = 0;
    for (; i + PARTS <= n; i += PARTS)
        for (size_t k = 0; k < PARTS; k++)
            part[k] += (double)g[i + k] * (double)g[i + k];
    for (size_t k = 0; i < n; i++, k++)
        part[k] += (double)g[i] * (double)g[i];
    for (size_t half = PARTS / 2; half > 0; half /= 2)
        for (size_t k = 0; k < half; k++)
            part[k] += part[k + half];
    return sqrt(part[0]);
}

void cbi_gradient_clip(float *g, size_t n, double norm, double most) {
    if (most <= 0 || norm <= most)
        return;
    const float scale = (float)(most / norm);
    for (size_t i = 0; i < n; i++)
        g[i] *= scale;
}

void cbi_gradient_clip_value(float *g, size_t n, double most) {
    const float limit = (float)most;
    for (size_t i = 0; i < n; i++)
        g[i] = g[i] > limit ? limit : g[i] < -limit ? -limit : g[i];
}

void cbi_gradient_penalty(float *g, const float *w, size_t n, double share) {
    const float s = (float)share;
    for (size_t i = 0; i < n; i++)
        g[i] += s * w[i];
}
