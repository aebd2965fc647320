/* SPDX-License-Identifier: MIT */
/*
 * Large products by the sets' own kernels: the bits of BLIS at every remainder of the blocks, for
 * each way in which the matrices may lie, between unreadable pages, into a C full of NaN.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/kernels.h"
#include "numeric/guard.h"

static uint32_t seed = 1;

static void fill(float *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 747796405U + 2891336453U;
        p[i] = (float)((int)(seed >> 8) - (1 << 23)) * 0x1p-23F;
    }
}

/* Whether BLIS rounds a multiply-add once, as its kernels for AVX2 do: else the bits differ. */
static int blis_is_fused(void) {
    const float a[2] = {-1, 1 + 0x1p-20F}, b[2] = {1, 1 + 0x1p-20F};
    float c = 0;
    cbi_gemm(1, 1, 2, a, 2, 1, b, 1, 1, 0, &c, 1);
    return c > 0x1p-19F;
}

typedef struct arena {
    guard a, b, c, work;
} arena;

/* mode: bit 0: A lies across; bit 1: B does; bit 2: onto what C holds; bit 3: at the end. */
static void one_case(const cbi_kernels *set, arena *mem, size_t m, size_t n, size_t k,
                     unsigned mode) {
    static float expected[GUARD_FLOATS];
    const int end = (mode & 8) != 0, add = (mode & 4) != 0;
    const size_t lda = (mode & 1 ? m : k) + 2, ldb = (mode & 2 ? k : n) + 1, ldc = n + 3;
    const size_t rsa = mode & 1 ? 1 : lda, csa = mode & 1 ? lda : 1;
    const size_t rsb = mode & 2 ? 1 : ldb, csb = mode & 2 ? ldb : 1;
    const size_t count = (m - 1) * ldc + n;
    const size_t size_a = k ? (m - 1) * rsa + (k - 1) * csa + 1 : 0;
    const size_t size_b = k ? (k - 1) * rsb + (n - 1) * csb + 1 : 0;
    float *a = guard_take(&mem->a, size_a, end), *b = guard_take(&mem->b, size_b, end);
    float *c = guard_take(&mem->c, count, end);
    float *work = guard_take(&mem->work, cbi_gemm_work(set, n), 1);
    fill(a, size_a);
    fill(b, size_b);
    if (add)
        fill(c, count);
    memcpy(expected, c, count * sizeof *c);
    cbi_gemm(m, n, k, a, rsa, csa, b, rsb, csb, (float)add, expected, ldc);
    cbi_gemm_with(set, m, n, k, a, rsa, csa, b, rsb, csb, (float)add, c, ldc, work);
    if (memcmp(c, expected, count * sizeof *c) != 0)
        fail_msg("%s: m = %zu, n = %zu, k = %zu, mode %u: not the bits of BLIS", set->name, m, n, k,
                 mode);
}

static void test_bits_of_blis(void **state) {
    (void)state;
    static const size_t ms[] = {1, 2, 5, 7, 47, 48, 49, 100}, ns[] = {1, 15, 16, 17, 64, 65, 88};
    static const size_t ks[] = {0, 1, 3, 60, 255, 256, 257, 513};
    arena mem;
    unsigned turn = 0;
    if (!blis_is_fused()) {
        print_message("skipped: BLIS rounds multiply-adds twice on this machine\n");
        skip();
    }
    assert_int_equal(
        guard_open(&mem.a) | guard_open(&mem.b) | guard_open(&mem.c) | guard_open(&mem.work), 0);
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++) {
        if ((*set)->blis_from == 0)
            continue;
        for (size_t i = 0; i < sizeof ms / sizeof *ms; i++)
            for (size_t j = 0; j < sizeof ns / sizeof *ns; j++)
                for (size_t l = 0; l < sizeof ks / sizeof *ks; l++, turn++)
                    one_case(*set, &mem, ms[i], ns[j], ks[l], (turn * 7 + turn / 8) % 16);
        for (unsigned mode = 0; mode < 16; mode++) { /* more columns than a piece has */
            one_case(*set, &mem, 3, 511 + mode % 3, 20, mode);
            one_case(*set, &mem, 50, 600, 70, mode);
        }
    }
    guard_close(&mem.a);
    guard_close(&mem.b);
    guard_close(&mem.c);
    guard_close(&mem.work);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bits_of_blis)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
