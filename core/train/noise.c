/* SPDX-License-Identifier: MIT */
/* One number is drawn for each element, in order, whatever its value. */
#include "train/noise.h"

#include <assert.h>

#include "kernels/kernels.h"

void cbi_noise_add(cb_random *stream, double sd, float *x, size_t n) {
    const cbi_kernels *kernels = NULL;
    const cb_status st = cbi_kernels_get(&kernels, NULL);
    assert(st == CB_OK); /* chosen for good when the engine was made */
    (void)st;
    kernels->noise(stream, sd, x, n);
}

void cbi_dropout(cb_random *stream, double share, float *x, size_t n) {
    const double range = 4294967296.0; /* 2^32 */
    const uint32_t limit = (uint32_t)(share * range);
    const float scale = (float)(1 / (1 - share));
    for (size_t i = 0; i < n; i++)
        x[i] = cb_random_u32(stream) < limit ? 0 : x[i] * scale;
}
