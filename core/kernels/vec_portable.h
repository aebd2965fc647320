/* SPDX-License-Identifier: MIT */
/*
 * Vocabulary of vectors for any CPU: four lanes of the compiler's vector types (SSE2 on x86-64,
 * NEON on AArch64). Every vocabulary defines the same words:
 *
 *   vf, vi, vu, V_LANES float, int32_t and uint32_t vectors; arithmetic is written with C's
 *                       operators (unsigned wherever it may wrap)
 *   V_ROWS, V_GROUPS    block of the matrix product: rows, and groups of 16 columns (one panel)
 *   V_WIDE              panels side by side where there is only one row
 *   v_fma, v_fnma       a*b + c and c - a*b; rounded twice here, once where there is an FMA
 *   v_sel_lt/le/eq      p < q ? a : b, ...; NaN compares false, as in C
 *   v_max, v_min        a > b ? a : b and a < b ? a : b; so b where either is NaN
 *   v_quotient          a / b for b in [1, 2]
 *   v_ldexp             a * 2^n, rounded once, for n in [-160, 130]; n + V_SHIFT is given
 */
#ifndef CB_KERNELS_VEC_H
#define CB_KERNELS_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Adding it to a float below 2^22 rounds that to an integer, which is then in the low bits. */
#define V_SHIFT 0x1.8p23f

/* Three rows: 12 of the 16 registers of SSE2 accumulate, three hold A's elements, one a product. */
#define V_LANES 4
#define V_ROWS 3
#define V_WIDE 2
#define V_GROUPS 1

typedef float vf __attribute__((vector_size(4 * V_LANES)));
typedef int32_t vi __attribute__((vector_size(4 * V_LANES)));
typedef uint32_t vu __attribute__((vector_size(4 * V_LANES)));

static inline vf v_set(float x) {
    return (vf){x, x, x, x};
}

static inline vf v_load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void v_store(float *p, vf v) {
    memcpy(p, &v, sizeof v);
}

static inline vf v_fma(vf a, vf b, vf c) {
    return a * b + c;
}

static inline vf v_fnma(vf a, vf b, vf c) {
    return c - a * b;
}

static inline vf v_choose(vi mask, vf a, vf b) {
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

static inline vf v_sel_lt(vf p, vf q, vf a, vf b) {
    return v_choose(p < q, a, b);
}

static inline vf v_sel_le(vf p, vf q, vf a, vf b) {
    return v_choose(p <= q, a, b);
}

static inline vf v_sel_eq(vf p, vf q, vf a, vf b) {
    return v_choose(p == q, a, b);
}

static inline vf v_max(vf a, vf b) {
    return v_sel_lt(b, a, a, b);
}

static inline vf v_min(vf a, vf b) {
    return v_sel_lt(a, b, a, b);
}

static inline vf v_sqrt(vf a) {
    for (int i = 0; i < V_LANES; i++)
        a[i] = __builtin_sqrtf(a[i]);
    return a;
}

static inline vf v_quotient(vf a, vf b) {
    return a / b;
}

/* In two factors, so that results below the normal range and above the largest float come out. The
 * first product is exact. */
static inline vf v_ldexp(vf a, vf shifted) {
    const vi n = (vi)shifted - (vi)v_set(V_SHIFT);
    const vi half = n >> 1;
    return a * (vf)((vu)(half + 127) << 23) * (vf)((vu)(n - half + 127) << 23);
}

#endif
