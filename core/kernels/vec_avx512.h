/* SPDX-License-Identifier: MIT */
/* Vocabulary of vectors for AVX-512, 16 lanes; the words are explained in vec_portable.h. */
#ifndef CB_KERNELS_VEC_H
#define CB_KERNELS_VEC_H

#if !defined(__AVX512F__) || !defined(__AVX512DQ__) || !defined(__FMA__)
#error "this file is compiled with -mavx512f -mavx512dq -mfma"
#endif

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define V_SHIFT 0x1.8p23f

/* Six rows of 64 columns: 24 of 32 registers accumulate, four hold a row of the panel. */
#define V_LANES 16
#define V_ROWS 6
#define V_WIDE 2
#define V_GROUPS 4

typedef __m512 vf;
typedef int32_t vi __attribute__((vector_size(4 * V_LANES)));
typedef uint32_t vu __attribute__((vector_size(4 * V_LANES)));

#define V_DOUBLES 8
typedef double vd __attribute__((vector_size(8 * V_DOUBLES)));
typedef uint64_t vq __attribute__((vector_size(8 * V_DOUBLES)));

static inline vd vd_sqrt(vd a) {
    return (vd)_mm512_sqrt_pd((__m512d)a);
}

static inline vq vq_times(vq a, uint32_t b) {
    return (vq)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(b));
}

static inline vf v_set(float x) {
    return _mm512_set1_ps(x);
}

static inline vf v_load(const float *p) {
    return _mm512_loadu_ps(p);
}

static inline void v_store(float *p, vf v) {
    _mm512_storeu_ps(p, v);
}

static inline vf v_fma(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(a, b, c);
}

static inline vf v_fnma(vf a, vf b, vf c) {
    return _mm512_fnmadd_ps(a, b, c);
}

static inline vf v_sel_lt(vf p, vf q, vf a, vf b) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(p, q, _CMP_LT_OQ), b, a);
}

static inline vf v_sel_le(vf p, vf q, vf a, vf b) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(p, q, _CMP_LE_OQ), b, a);
}

static inline vf v_sel_eq(vf p, vf q, vf a, vf b) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(p, q, _CMP_EQ_OQ), b, a);
}

static inline vf v_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
}

static inline vf v_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
}

static inline vf v_sqrt(vf a) {
    return _mm512_sqrt_ps(a);
}

/*
 * The divider takes 16 cycles a vector; these seven multiply-adds take less than four. The parabola
 * (1 + T3(2b - 3)/99) / b, T3 Chebyshev's polynomial, is 1/b within 1/99; two Newton steps bring
 * that to 1e-8, the second applied to the quotient. The error is that of two roundings and a sixth
 * of a unit in the last place, also where denormals are flushed, since no remainder of a is formed.
 * (The CPU's own estimate, vrcp14ps, may differ in bits from maker to maker.)
 */
static inline vf v_quotient(vf a, vf b) {
    vf y = v_fma(b, v_set(32 / 99.0F), v_set(-144 / 99.0F));
    y = v_fma(y, b, v_set(210 / 99.0F));
    y = v_fma(v_fnma(b, y, v_set(1)), y, y);
    const vf q = a * y;
    return v_fma(v_fnma(b, y, v_set(1)), q, q);
}

static inline vf v_ldexp(vf a, vf shifted) {
    return _mm512_scalef_ps(a, shifted - v_set(V_SHIFT));
}

#endif
