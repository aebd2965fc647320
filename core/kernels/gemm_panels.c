/* SPDX-License-Identifier: MIT */
/*
 * Large products by the set's own product(), to the bits that BLIS gives with a kernel of fused
 * multiply-adds: the sum over k is cut into the pieces of BLIS's blocks, each begun with nothing
 * and then added to C. So the choice between the two is one of speed alone.
 */
#include "kernels/kernels.h"

/* KC is BLIS's for f32 (AVX2 kernels); a packed piece of B, KC x NC, stays in the second-level
 * cache, and a block of C, MC x NC, passes through it. */
enum { KC = 256, NC = 512, MC = 48 };

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

size_t cbi_gemm_work(const cbi_kernels *kernels, size_t n) {
    const size_t columns = least(n, NC);
    return cbi_panels_size(kernels, KC, cbi_groups(columns)) + MC * cbi_padded(columns);
}

static void put_block(size_t m, size_t n, const float *part, size_t ldp, int add, float *c,
                      size_t ldc) {
    for (size_t i = 0; i < m; i++, part += ldp, c += ldc) {
        if (add)
            for (size_t j = 0; j < n; j++)
                c[j] += part[j];
        else
            for (size_t j = 0; j < n; j++)
                c[j] = part[j];
    }
}

/* C (+)= A B for n <= NC and k <= KC. */
static void multiply_piece(const cbi_kernels *kernels, size_t m, size_t n, const cbi_operand *a,
                           const float *b, size_t rsb, size_t csb, int add, float *c, size_t ldc,
                           float *work) {
    const size_t ldp = cbi_padded(n);
    float *panels = work + MC * ldp;
    cbi_panels_put(kernels, a->k, 0, 0, a->k, n, b, rsb, csb, panels);
    for (size_t i = 0; i < m; i += MC) {
        const size_t rows = least(m - i, MC);
        const cbi_operand block = {a->a + i * a->rsa, a->rsa, a->csa, a->k};
        cbi_matrix_product(kernels, rows, n, &block, panels, NULL, 0, work, ldp);
        put_block(rows, n, work, ldp, add, c + i * ldc, ldc);
    }
}

void cbi_gemm_with(const cbi_kernels *kernels, size_t m, size_t n, size_t k, const float *a,
                   size_t rsa, size_t csa, const float *b, size_t rsb, size_t csb, float beta,
                   float *c, size_t ldc, float *work) {
    if (m * n >= kernels->blis_from || k == 0) {
        cbi_gemm(m, n, k, a, rsa, csa, b, rsb, csb, beta, c, ldc);
        return;
    }
    for (size_t j = 0; j < n; j += NC)
        for (size_t l = 0; l < k; l += KC) {
            const cbi_operand piece = {a + l * csa, rsa, csa, least(k - l, KC)};
            multiply_piece(kernels, m, least(n - j, NC), &piece, b + l * rsb + j * csb, rsb, csb,
                           l > 0 || beta != 0, c + j, ldc, work);
        }
}
