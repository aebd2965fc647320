/* SPDX-License-Identifier: MIT */
/*
 * Matrix products, row sums and the choice of an instruction set: every set that this machine can
 * run against f64, every remainder around the block sizes, guard pages at both ends of the buffers,
 * and the promise that the bits of an element depend on k alone.
 */
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "kernels/kernels.h"
#include "numeric/guard.h"

enum { MOST_ROWS = 13, CANARY = 16 }; /* twice the tallest block, and one more */

static const size_t depths[] = {0, 1, 2, 3, 7, 16, 33, 100};
enum { DEPTHS = sizeof depths / sizeof *depths };

static uint32_t seed = 1;

/* Small integers (sums are then exact), or fractions of 24 bits (products are then rounded). */
static void fill(float *p, size_t n, int exact) {
    for (size_t i = 0; i < n; i++) {
        seed = seed * 747796405U + 2891336453U;
        const int v = (int)(seed >> 8) - (1 << 23);
        p[i] = exact ? (float)((v >> 12) % 8) : (float)v * 0x1p-23F;
    }
}

static size_t round_up(size_t n, size_t unit) {
    return (n + unit - 1) / unit * unit;
}

/* |got - expected| is at most this: k + 1 roundings of partial sums, each of at most the sum of the
 * sizes, half a unit; k more where products are rounded too. */
static double bound(size_t k, double size) {
    return (2 * (double)k + 2) * (double)FLT_EPSILON / 2 * size * 1.01;
}

typedef struct matrix {
    const float *p;
    size_t rs, cs;
} matrix;

static double at(matrix a, size_t i, size_t j) {
    return (double)a.p[i * a.rs + j * a.cs];
}

/* Holds C [m][n] against C0 + A B; `exact`: no error at all is allowed. */
static void check_product(const char *what, size_t m, size_t n, size_t k, matrix a, matrix b,
                          matrix start, const float *c, size_t ldc, int exact) {
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = start.p ? at(start, i, j) : 0, size = fabs(sum);
            for (size_t l = 0; l < k; l++) {
                sum += at(a, i, l) * at(b, l, j);
                size += fabs(at(a, i, l) * at(b, l, j));
            }
            const double got = (double)c[i * ldc + j];
            if (!(fabs(got - sum) <= (exact ? 0 : bound(k, size))))
                fail_msg("%s m=%zu n=%zu k=%zu element (%zu, %zu): expected %.9g, got %.9g", what,
                         m, n, k, i, j, sum, got);
        }
}

static float *pack(const cbi_kernels *set, size_t k, size_t n, matrix b) {
    float *out = malloc((cbi_panels_size(set, k, cbi_groups(n)) + 1) * sizeof *out);
    assert_non_null(out);
    cbi_panels_put(set, k, 0, 0, k, n, b.p, b.rs, b.cs, out);
    return out;
}

/* Four buffers of guarded memory: A, panels, initial values, C. */
typedef struct arena {
    guard a, b, init, c;
} arena;

typedef enum start_kind { FROM_ZERO, FROM_ROW, FROM_PLANE, IN_PLACE, STARTS } start_kind;

static void one_product(const cbi_kernels *set, arena *mem, size_t m, size_t n, size_t k,
                        start_kind kind, int turned, int at_end, int exact) {
    static float plain[100 * 257], first[MOST_ROWS * 272];
    const size_t wide = round_up(n, CBI_LANES), ldc = wide + CANARY;
    const size_t lda = (turned ? m : k) + 3, rsa = turned ? 1 : lda, csa = turned ? lda : 1;
    const size_t size_c = (m - 1) * ldc + wide;
    const size_t size_a = k ? (m - 1) * rsa + (k - 1) * csa + 1 : 0;
    float *a = guard_take(&mem->a, size_a, at_end);
    float *b = guard_take(&mem->b, cbi_panels_size(set, k, cbi_groups(n)), at_end);
    float *c = guard_take(&mem->c, size_c, at_end), *init = NULL;
    const size_t ldi = kind == FROM_ROW ? 0 : kind == IN_PLACE ? ldc : wide;
    for (size_t i = 0; k && i < m; i++)
        for (size_t l = 0; l < k; l++)
            fill(a + i * rsa + l * csa, 1, exact);
    fill(plain, k * n, exact);
    cbi_panels_put(set, k, 0, 0, k, n, plain, n, 1, b);
    if (kind == FROM_ROW || kind == FROM_PLANE) {
        init = guard_take(&mem->init, (m - 1) * ldi + wide, at_end);
        fill(init, (m - 1) * ldi + wide, exact);
    } else if (kind == IN_PLACE) {
        init = c;
        fill(c, size_c, exact);
    }
    for (size_t i = 0; init && i < m; i++)
        memcpy(first + i * wide, init + i * ldi, wide * sizeof *first);
    for (size_t i = 0; i + 1 < m; i++)
        for (size_t j = wide; j < ldc; j++)
            c[i * ldc + j] = 12345;
    cbi_matrix_product(set, m, n, &(cbi_operand){a, rsa, csa, k}, b, init, ldi, c, ldc);
    for (size_t i = 0; i + 1 < m; i++)
        for (size_t j = wide; j < ldc; j++)
            assert_true(c[i * ldc + j] == 12345);
    check_product(set->name, m, n, k, (matrix){a, rsa, csa}, (matrix){plain, n, 1},
                  (matrix){init ? first : NULL, wide, 1}, c, ldc, exact);
}

static void test_product(void **state) {
    (void)state;
    arena mem;
    assert_int_equal(
        guard_open(&mem.a) | guard_open(&mem.b) | guard_open(&mem.init) | guard_open(&mem.c), 0);
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++) {
        const size_t panel = (*set)->panel;
        /* Around one panel, two, and the four that a row alone may take at once. */
        const size_t widths[] = {
            1,          15,         16,         17,        panel - 1,     panel,     panel + 1,
            panel + 17, panel + 33, panel + 48, 2 * panel, 2 * panel + 1, 4 * panel, 4 * panel + 1};
        unsigned turn = 0;
        for (size_t m = 1; m <= MOST_ROWS; m++)
            for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
                for (size_t d = 0; d < DEPTHS; d++, turn++)
                    one_product(*set, &mem, m, widths[w], depths[d],
                                (start_kind)((turn + turn / DEPTHS) % STARTS),
                                (turn / 7 + turn / DEPTHS) % 2, (turn / 3 + turn / DEPTHS) % 2,
                                turn % 5 == 0);
    }
    guard_close(&mem.a);
    guard_close(&mem.b);
    guard_close(&mem.init);
    guard_close(&mem.c);
}

/* Operands side by side, and columns of C that lie apart and begin differently, give the bits of
 * products one after the other; also where panels, or other things, are fetched ahead of their
 * use. */
static void one_bundle(const cbi_kernels *set, size_t m, size_t deep) {
    enum { VALUES = 3, OPERANDS = 2, LDC = 64 };
    static const size_t widths[VALUES] = {20, 16, 49};
    const size_t depth[OPERANDS] = {deep, 7}, k = deep + 7;
    float *a[OPERANDS], *b[VALUES][OPERANDS], *c[VALUES], *apart[VALUES];
    cbi_columns columns[16];
    size_t groups = 0;
    for (size_t s = 0; s < OPERANDS; s++)
        fill(a[s] = malloc(m * depth[s] * sizeof(float)), m * depth[s], 0);
    for (size_t v = 0; v < VALUES; v++)
        groups += cbi_groups(widths[v]);
    float *panels = calloc(cbi_panels_size(set, k, groups), sizeof *panels);
    for (size_t v = 0, group = 0; v < VALUES; group += cbi_groups(widths[v++])) {
        c[v] = malloc(m * LDC * sizeof(float));
        apart[v] = malloc(m * LDC * sizeof(float));
        fill(c[v], m * LDC, 0);
        memcpy(apart[v], c[v], m * LDC * sizeof(float));
        for (size_t g = 0; g < cbi_groups(widths[v]); g++) {
            float *at = c[v] + g * CBI_LANES;
            columns[group + g] =
                v == 0 ? (cbi_columns){cbi_zeros, at, 0, LDC} : (cbi_columns){at, at, LDC, LDC};
        }
        for (size_t s = 0; s < OPERANDS; s++) {
            const size_t n = widths[v];
            fill(b[v][s] = malloc(n * depth[s] * sizeof(float)), n * depth[s], 0);
            /* packed from rows, or across them */
            cbi_panels_put(set, k, s * deep, group, depth[s], n, b[v][s], s ? 1 : n,
                           s ? depth[s] : 1, panels);
            float *own = calloc(cbi_panels_size(set, depth[s], cbi_groups(n)), sizeof *own);
            cbi_panels_put(set, depth[s], 0, 0, depth[s], n, b[v][s], s ? 1 : n, s ? depth[s] : 1,
                           own);
            const cbi_operand one = {a[s], depth[s], 1, depth[s]};
            cbi_matrix_product(set, m, n, &one, own, v == 0 && s == 0 ? NULL : apart[v], LDC,
                               apart[v], LDC);
            free(own);
        }
    }
    const cbi_operand operands[OPERANDS] = {{a[0], deep, 1, deep}, {a[1], 7, 1, 7}};
    cbi_lines lines[] = {{panels, 1}, {a[0], 40}, {panels, 100}};
    cbi_ahead ahead = {lines, sizeof lines / sizeof *lines};
    set->product(m, groups, columns, OPERANDS, operands, panels, &ahead);
    if (m >= 12 && deep == 131) /* three blocks */
        assert_int_equal(ahead.count, 0);
    for (size_t v = 0; v < VALUES; v++) {
        for (size_t i = 0; i < m; i++)
            assert_memory_equal(c[v] + i * LDC, apart[v] + i * LDC, widths[v] * sizeof(float));
        for (size_t s = 0; s < OPERANDS; s++)
            free(b[v][s]);
        free(c[v]);
        free(apart[v]);
    }
    for (size_t s = 0; s < OPERANDS; s++)
        free(a[s]);
    free(panels);
}

static void test_bundles(void **state) {
    (void)state;
    static const size_t depths_of[] = {1, 50, 131, 3000};
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++)
        for (size_t m = 1; m <= 14; m++)
            for (size_t d = 0; d < sizeof depths_of / sizeof *depths_of; d++)
                one_bundle(*set, m, depths_of[d]);
}

/* Each row alone and each column alone give the bits of the whole product. */
static void test_product_bits(void **state) {
    (void)state;
    enum { M = 13, N = 131, K = 70, LDC = 144 };
    static float a[M * K], b[K * N], c[M * LDC], part[M * LDC];
    fill(a, M * K, 0);
    fill(b, K * N, 0);
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++) {
        float *all = pack(*set, K, N, (matrix){b, N, 1});
        cbi_matrix_product(*set, M, N, &(cbi_operand){a, K, 1, K}, all, NULL, 0, c, LDC);
        for (size_t first = 0; first < M; first++) {
            cbi_matrix_product(*set, M - first, N, &(cbi_operand){a + first * K, K, 1, K}, all,
                               NULL, 0, part, LDC);
            for (size_t i = first; i < M; i++)
                assert_memory_equal(part + (i - first) * LDC, c + i * LDC, N * sizeof *c);
        }
        for (size_t j = 0; j < N; j++) {
            float *one = pack(*set, K, 1, (matrix){b + j, N, 1});
            cbi_matrix_product(*set, M, 1, &(cbi_operand){a, K, 1, K}, one, NULL, 0, part, LDC);
            for (size_t i = 0; i < M; i++)
                assert_memory_equal(part + i * LDC, c + i * LDC + j, sizeof *c);
            free(one);
        }
        free(all);
    }
}

/* Columns of A that are zero can be passed over, and any groups of columns of C be left out: the
 * bits are those of the whole product, and nothing else is written. */
static void one_part(const cbi_kernels *set, size_t m, const float *a, const float *b, size_t from,
                     size_t to) {
    enum { N = 9 * CBI_LANES, K = 40, MOST = 14 };
    static float whole[MOST * N], part[MOST * N];
    float gaps[MOST * K];
    for (size_t i = 0; i < m * K; i++) /* columns 0..4, 17 and from 33 on */
        gaps[i] = i % K < 5 || i % K == 17 || i % K >= 33 ? 0 : a[i];
    const cbi_operand pieces[] = {
        {gaps + 5, K, 1, 12, 5}, {gaps + 18, K, 1, 15, 1}, {gaps, K, 1, 0, 7}};
    float *panels = pack(set, K, N, (matrix){b, N, 1});
    cbi_matrix_product(set, m, N, &(cbi_operand){gaps, K, 1, K}, panels, NULL, 0, whole, N);
    for (size_t i = 0; i < m * N; i++)
        part[i] = 12345;
    cbi_matrix_part(set, m, K, from, to, 3, pieces, panels, NULL, 0, part + from * CBI_LANES, N);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < N; j++) {
            const int inside = j >= from * CBI_LANES && j < to * CBI_LANES;
            const float expected = inside ? whole[i * N + j] : 12345;
            assert_memory_equal(&part[i * N + j], &expected, sizeof expected);
        }
    free(panels);
}

static void test_parts(void **state) {
    (void)state;
    enum { N = 9 * CBI_LANES, K = 40, M = 14 };
    static float a[M * K], b[K * N];
    fill(a, M * K, 0);
    fill(b, K * N, 0);
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++)
        for (size_t from = 0; from < 9; from++)
            for (size_t to = from + 1; to <= 9; to++)
                for (size_t m = 1; m <= M; m += 1 + from % 3)
                    one_part(*set, m, a, b, from, to);
}

static void test_row_sum(void **state) {
    (void)state;
    enum { ROWS = 3, MOST = 150, STEP = 5 };
    guard g;
    assert_int_equal(guard_open(&g), 0);
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++)
        for (size_t n = 0; n <= MOST; n++)
            for (size_t gap = 0; gap < 20; gap += 19) { /* padding, or none before the page */
                float d[ROWS * STEP], again;
                float *a = guard_take(&g, ROWS * (n + gap), 1);
                for (size_t i = 0; i < ROWS; i++)
                    fill(a + i * (n + gap), n, n % 2 == 0);
                (*set)->row_sum(ROWS, n, a, n + gap, d, STEP);
                for (size_t i = 0; i < ROWS; i++) {
                    double sum = 0, size = 0;
                    for (size_t j = 0; j < n; j++) {
                        sum += (double)a[i * (n + gap) + j];
                        size += fabs((double)a[i * (n + gap) + j]);
                    }
                    assert_true(fabs((double)d[i * STEP] - sum) <= (n % 2 ? bound(n, size) : 0));
                    (*set)->row_sum(1, n, a + i * (n + gap), 0, &again, 0);
                    assert_memory_equal(&again, &d[i * STEP], sizeof again);
                }
            }
    guard_close(&g);
}

/* What noise must equal, bit by bit. */
static void slow_noise(cb_random *stream, double sd, float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] += (float)(sd * cb_random_normal(stream));
}

static void check_noise(const cbi_kernels *set, cb_random stream, double sd, float *x, size_t n) {
    cb_random again = stream;
    float *wanted = malloc((n + 1) * sizeof *wanted);
    assert_non_null(wanted);
    for (size_t i = 0; i < n; i++)
        wanted[i] = x[i] = (float)(i % 3);
    set->noise(&stream, sd, x, n);
    slow_noise(&again, sd, wanted, n);
    if (memcmp(x, wanted, n * sizeof *x) != 0)
        fail_msg("%s: %zu numbers of sd %g from block %llu on", set->name, n, sd,
                 (unsigned long long)again.position);
    assert_memory_equal(&stream.position, &again.position, sizeof stream.position);
    assert_int_equal(stream.left, again.left);
    free(wanted);
}

/* Every length around the strips, no byte beyond; long ones, so that numbers whose rounding is in
 * doubt are among them (one in 10^6); a stream that is not at the begin of a block; counters that
 * carry into their upper half. */
static void test_noise(void **state) {
    (void)state;
    enum { LONG = 1 << 21 };
    static float x[LONG];
    guard g;
    assert_int_equal(guard_open(&g), 0);
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++) {
        cb_random stream = cb_random_stream(7, "noise/test", 3);
        for (size_t n = 0; n <= 150; n++)
            check_noise(*set, stream, 0.5, guard_take(&g, n, 1), n);
        check_noise(*set, stream, 0.3, x, LONG);
        check_noise(*set, stream, 1e-3, x + 1, 1000);
        check_noise(*set, stream, 0, x, 1000);
        stream.position = UINT32_MAX - 40;
        stream.index = UINT64_MAX - 1;
        check_noise(*set, stream, 1, x, 1000);
        (void)cb_random_u32(&stream);
        check_noise(*set, stream, 1, x, 1000);
    }
    guard_close(&g);
}

static void test_gemm(void **state) {
    (void)state;
    static const size_t ms[] = {0, 1, 5, 6, 7, 17}, ns[] = {0, 1, 15, 16, 17, 33};
    static const size_t ks[] = {0, 1, 7, 33, 257};
    static float a[40 * 300], b[300 * 40], c[40 * 48], first[40 * 48];
    for (size_t x = 0; x < 6 * 6 * 5; x++) {
        const size_t m = ms[x / 30], n = ns[x / 5 % 6], k = ks[x % 5], ldc = n + 3;
        for (int mode = 0; mode < 8; mode++) {
            const int exact = x % 2 == 0, add = mode & 4;
            const matrix ma = {a, mode & 1 ? 1 : k + 2, mode & 1 ? m + 1 : 1};
            const matrix mb = {b, mode & 2 ? 1 : n + 1, mode & 2 ? k + 3 : 1};
            fill(a, sizeof a / sizeof *a, exact);
            fill(b, sizeof b / sizeof *b, exact);
            fill(first, sizeof first / sizeof *first, exact);
            memcpy(c, first, sizeof c);
            for (size_t i = 0; !add && i < m; i++)
                for (size_t j = 0; j < n; j++)
                    c[i * ldc + j] = NAN;
            cbi_gemm(m, n, k, ma.p, ma.rs, ma.cs, mb.p, mb.rs, mb.cs, add ? 1 : 0, c, ldc);
            check_product("gemm", m, n, k, ma, mb, (matrix){add ? first : NULL, ldc, 1}, c, ldc,
                          exact);
            for (size_t i = 0; i < sizeof c / sizeof *c; i++)
                if (i / ldc >= m || i % ldc >= n)
                    assert_true(c[i] == first[i]);
        }
    }
}

/* Any part of the rows and columns gives the bits of the whole, also over the blocks of k. */
static void test_gemm_bits(void **state) {
    (void)state;
    enum { M = 61, N = 53, K = 530 };
    static float a[M * K], b[K * N], c[M * N], part[M * N];
    for (int mode = 0; mode < 8; mode++) {
        const matrix ma = {a, mode & 1 ? 1 : K, mode & 1 ? M : 1};
        const matrix mb = {b, mode & 2 ? 1 : N, mode & 2 ? K : 1};
        const float beta = mode & 4 ? 1.0F : 0.0F;
        fill(a, M * K, 0);
        fill(b, K * N, 0);
        fill(c, M * N, 0);
        memcpy(part, c, sizeof part);
        cbi_gemm(M, N, K, ma.p, ma.rs, ma.cs, mb.p, mb.rs, mb.cs, beta, c, N);
        for (size_t i = 0; i < M;) {
            const size_t m = i % 3 == 0 ? 1 : i % 11 + 1 < M - i ? i % 11 + 1 : M - i;
            for (size_t j = 0; j < N;) {
                const size_t n = j % 4 == 0 ? 1 : j % 19 + 1 < N - j ? j % 19 + 1 : N - j;
                cbi_gemm(m, n, K, ma.p + i * ma.rs, ma.rs, ma.cs, mb.p + j * mb.cs, mb.rs, mb.cs,
                         beta, part + i * N + j, N);
                j += n;
            }
            i += m;
        }
        assert_memory_equal(part, c, sizeof c);
    }
}

/* What each set computed when these digests were taken: SHA-256 over every pointwise operation on
 * fixed arguments (NaN in one form), a product and row sums. Where results change on
 * purpose, CB_NUMERICS (cellbench/train.h) is raised and the digests are taken again; where only an
 * operation is added, just the latter. */
static const struct {
    const char *name, *digest;
} golden[] = {
    {"portable", "14f22a8c78cc5194d9e941509ec2bd8e030358aaff6a7d5046eb317645469f51"},
    {"avx2", "e8769332225156b01d2f5c9af37ed6ba492212de6c179b77b6a7fee92dcfc31f"},
    {"avx512", "6a691ac992a3e758ec2762acd53fa5d6359e88792dbb845935ea2eb2112fde5a"},
};

static void test_golden_bits(void **state) {
    (void)state;
    enum { N = 256, M = 8, K = 20, WIDE = 144, MOST = 40 };
    static float x[3][N], b[K * WIDE], out[MOST * N + M * WIDE + M];
    seed = 1;
    for (int i = 0; i < 3; i++)
        fill(x[i], N, 0);
    for (int i = 0; i < N; i++)
        x[0][i] *= (float)(1 + i % 9 * 11); /* at most 89: sines stay with our own code */
    fill(b, K * WIDE, 0);
    for (const cbi_kernels *const *set = cbi_kernels_all(); *set; set++) {
        float *d = out, *panels = pack(*set, K, WIDE - 3, (matrix){b, WIDE, 1});
        char digest[CBI_SHA256_HEX];
        for (const cbi_pointwise_row *row = (*set)->pointwise; row->name; row++, d += N) {
            assert_true(d < out + MOST * N);
            row->run(d, x[0], x[1], x[2], N);
        }
        for (float *p = out; p < d; p++)
            if (isnan(*p))
                *p = 12345;
        cbi_matrix_product(*set, M, WIDE - 3, &(cbi_operand){x[1], K, 1, K}, panels, x[2], 0, d,
                           WIDE);
        (*set)->row_sum(M, WIDE - 3, d, WIDE, d + M * WIDE, 1);
        for (size_t i = 0; i < M; i++) /* padding is no result */
            for (size_t j = WIDE - 3; j < WIDE; j++)
                d[i * WIDE + j] = 0;
        free(panels);
        cbi_sha256_hex(out, (size_t)(d + M * WIDE + M - out) * sizeof *out, digest);
        for (size_t i = 0; i < sizeof golden / sizeof *golden; i++)
            if (strcmp(golden[i].name, (*set)->name) == 0)
                assert_string_equal(digest, golden[i].digest);
    }
}

static void test_denormals(void **state) {
    (void)state;
    volatile float tiny = FLT_MIN, half = 0.5F;
    assert_true(tiny * half > 0);
    const unsigned saved = cbi_denormals_flush();
#if defined(__x86_64__)
    assert_true(tiny * half == 0);
    const unsigned inner = cbi_denormals_flush();
    cbi_denormals_restore(inner);
    assert_true(tiny * half == 0);
#endif
    cbi_denormals_restore(saved);
    assert_true(tiny * half > 0);
}

/* Runs before anything else has asked for a set: the first choice stays. */
static void test_choice(void **state) {
    (void)state;
    const cbi_kernels *const *all = cbi_kernels_all();
    const cbi_kernels *got, *again, *last = NULL;
    cb_err err;
    for (const cbi_kernels *const *set = all; *set; set++)
        last = *set;
    assert_non_null(last);
    assert_string_equal(last->name, "portable");
    char *asked = getenv("CELLBENCH_ISA") ? strdup(getenv("CELLBENCH_ISA")) : NULL;
    setenv("CELLBENCH_ISA", "abacus", 1);
    assert_int_equal(cbi_kernels_get(&got, &err), CB_EARG);
    assert_null(got);
    assert_non_null(strstr(err.text, "'abacus'"));
    for (const cbi_kernels *const *set = all; *set; set++)
        assert_non_null(strstr(err.text, (*set)->name));
    assert_int_equal(cbi_kernels_get(&got, NULL), CB_EARG);
    if (asked)
        setenv("CELLBENCH_ISA", asked, 1);
    else
        unsetenv("CELLBENCH_ISA");
    assert_int_equal(cbi_kernels_get(&got, &err), CB_OK);
    assert_string_equal(got->name, asked && *asked ? asked : (*all)->name);
    setenv("CELLBENCH_ISA", "portable", 1);
    assert_int_equal(cbi_kernels_get(&again, &err), CB_OK);
    assert_ptr_equal(again, got);
    free(asked);
    assert_non_null(strstr(cbi_blis_version(), ", kernel "));
    print_message("sets usable here, best first:");
    for (const cbi_kernels *const *set = all; *set; set++)
        print_message(" %s", (*set)->name);
    print_message("; BLIS %s\n", cbi_blis_version());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),       cmocka_unit_test(test_product),
        cmocka_unit_test(test_product_bits), cmocka_unit_test(test_bundles),
        cmocka_unit_test(test_row_sum),      cmocka_unit_test(test_noise),
        cmocka_unit_test(test_parts),        cmocka_unit_test(test_gemm),
        cmocka_unit_test(test_gemm_bits),    cmocka_unit_test(test_denormals),
        cmocka_unit_test(test_golden_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
