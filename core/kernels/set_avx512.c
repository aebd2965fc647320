/* SPDX-License-Identifier: MIT */
/* The kernels for AVX-512 (F and DQ): the shared algorithms in this vocabulary of vectors. */
#include "kernels/sets.h"

#include "kernels/vec_avx512.h"

#include "kernels/noise.inc.c"
#include "kernels/pointwise.inc.c"
#include "kernels/product.inc.c"

const cbi_kernels cbi_kernels_avx512 = {
    .name = "avx512",
    .pointwise = pointwise,
    .panel = PANEL,
    .product = product,
    .blis_from = SIZE_MAX,
    .multiply_adds = multiply_adds,
    .row_sum = row_sum,
    .noise = noise,
};
