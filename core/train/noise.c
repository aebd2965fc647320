/* SPDX-License-Identifier: MIT */
/* One number is drawn for each element, in order, whatever its value. */
#include "train/noise.h"

void cbi_noise_add(cb_random *stream, double sd, float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] += (float)(sd * cb_random_normal(stream));
}

void cbi_dropout(cb_random *stream, double share, float *x, size_t n) {
    const double range = 4294967296.0; /* 2^32 */
    const uint32_t limit = (uint32_t)(share * range);
    const float scale = (float)(1 / (1 - share));
    for (size_t i = 0; i < n; i++)
        x[i] = cb_random_u32(stream) < limit ? 0 : x[i] * scale;
}
