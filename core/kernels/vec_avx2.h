/* SPDX-License-Identifier: MIT */
/* Vocabulary of vectors for AVX2 with FMA, eight lanes; the words are explained in vec_portable.h.
 */
#ifndef CB_KERNELS_VEC_H
#define CB_KERNELS_VEC_H

#if !defined(__AVX2__) || !defined(__FMA__)
#error "this file is compiled with -mavx2 -mfma"
#endif

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define V_SHIFT 0x1.8p23f

/* Six rows of 16 columns: 12 of 16 registers accumulate. */
#define V_LANES 8
#define V_ROWS 6
#define V_WIDE 4
#define V_GROUPS 1

typedef __m256 vf;
typedef int32_t vi __attribute__((vector_size(4 * V_LANES)));
typedef uint32_t vu __attribute__((vector_size(4 * V_LANES)));

#define V_DOUBLES 4
typedef double vd __attribute__((vector_size(8 * V_DOUBLES)));
typedef uint64_t vq __attribute__((vector_size(8 * V_DOUBLES)));

static inline vd vd_sqrt(vd a) {
    return (vd)_mm256_sqrt_pd((__m256d)a);
}

static inline vq vq_times(vq a, uint32_t b) {
    return (vq)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(b));
}

static inline vf v_set(float x) {
    return _mm256_set1_ps(x);
}

static inline vf v_load(const float *p) {
    return _mm256_loadu_ps(p);
}

static inline void v_store(float *p, vf v) {
    _mm256_storeu_ps(p, v);
}

static inline vf v_fma(vf a, vf b, vf c) {
    return _mm256_fmadd_ps(a, b, c);
}

static inline vf v_fnma(vf a, vf b, vf c) {
    return _mm256_fnmadd_ps(a, b, c);
}

static inline vf v_sel_lt(vf p, vf q, vf a, vf b) {
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(p, q, _CMP_LT_OQ));
}

static inline vf v_sel_le(vf p, vf q, vf a, vf b) {
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(p, q, _CMP_LE_OQ));
}

static inline vf v_sel_eq(vf p, vf q, vf a, vf b) {
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(p, q, _CMP_EQ_OQ));
}

static inline vf v_max(vf a, vf b) {
    return _mm256_max_ps(a, b);
}

static inline vf v_min(vf a, vf b) {
    return _mm256_min_ps(a, b);
}

static inline vf v_sqrt(vf a) {
    return _mm256_sqrt_ps(a);
}

static inline vf v_quotient(vf a, vf b) {
    return a / b;
}

static inline vf v_ldexp(vf a, vf shifted) {
    const vi n = (vi)shifted - (vi)v_set(V_SHIFT);
    const vi half = n >> 1;
    return a * (vf)((vu)(half + 127) << 23) * (vf)((vu)(n - half + 127) << 23);
}

#endif
