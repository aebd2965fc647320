/* SPDX-License-Identifier: MIT */
/* The kernels for any CPU: the shared algorithms in this vocabulary of vectors. */
#include "kernels/sets.h"

#include "kernels/vec_portable.h"

#include "kernels/pointwise.inc.c"
#include "kernels/product.inc.c"

/* What noise.inc.c equals. */
static void noise(cb_random *stream, double sd, float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] += (float)(sd * cb_random_normal(stream));
}

const cbi_kernels cbi_kernels_portable = {
    .name = "portable",
    .pointwise = pointwise,
    .panel = PANEL,
    .product = product,
    .blis_from = 0,
    .multiply_adds = multiply_adds,
    .row_sum = row_sum,
    .noise = noise,
};
