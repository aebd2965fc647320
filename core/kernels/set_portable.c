/* SPDX-License-Identifier: MIT */
/* The kernels for any CPU: the shared algorithms in this vocabulary of vectors. */
#include "kernels/sets.h"

#include "kernels/vec_portable.h"

#include "kernels/pointwise.inc.c"
#include "kernels/product.inc.c"

const cbi_kernels cbi_kernels_portable = {
    .name = "portable",
    .pointwise = pointwise,
    .panel = PANEL,
    .product = product,
    .blis_from = 0,
    .multiply_adds = multiply_adds,
    .row_sum = row_sum,
};
