/* SPDX-License-Identifier: MIT */
/* The kernels for AVX2 with FMA: the shared algorithms in this vocabulary of vectors. */
#include "kernels/sets.h"

#include "kernels/vec_avx2.h"

#include "kernels/noise.inc.c"
#include "kernels/pointwise.inc.c"
#include "kernels/product.inc.c"

const cbi_kernels cbi_kernels_avx2 = {
    .name = "avx2",
    .pointwise = pointwise,
    .panel = PANEL,
    .product = product,
    .blis_from = 128 * 128,
    .multiply_adds = multiply_adds,
    .row_sum = row_sum,
    .noise = noise,
};
