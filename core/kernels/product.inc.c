/* SPDX-License-Identifier: MIT */
/*
 * The matrix product on packed panels, and sums of rows; compiled once for each instruction set,
 * after its vec_*.h.
 *
 * A block of up to V_ROWS rows and one panel is kept in registers over the whole of k: A is read
 * where it lies, one element broadcast to all lanes, B from the panel. Each element of C has one
 * chain of additions in the order of k, whichever block it falls in, so its bits depend on k alone.
 */
enum { GROUP = CBI_LANES / V_LANES, PANEL = V_GROUPS * CBI_LANES, PER_PANEL = V_GROUPS * GROUP };

typedef void (*block_run)(size_t k, const float *a, size_t rsa, size_t csa, const float *b,
                          const float *init, size_t ldi, float *c, size_t ldc);

/* A loop that is unrolled whole, so that the arrays it fills live in registers. */
#define EACH(i, n) _Pragma("GCC unroll 16") for (size_t i = 0; i < (n); i++)

/* `rows` and `vectors` are constants wherever this is inlined. The vectors of a row may reach over
 * several whole panels. */
static inline __attribute__((always_inline)) void
block(const size_t rows, const size_t vectors, size_t k, const float *a, size_t rsa, size_t csa,
      const float *b, const float *init, size_t ldi, float *c, size_t ldc) {
    const size_t next = k * PANEL;
    vf sum[V_ROWS][V_WIDE * PER_PANEL];
    EACH(i, rows) {
        EACH(j, vectors) {
            sum[i][j] = v_load(init + i * ldi + j * V_LANES);
        }
    }
    for (size_t l = 0; l < k; l++, b += PANEL) {
        vf row[V_WIDE * PER_PANEL];
        EACH(j, vectors) {
            row[j] = v_load(b + j / PER_PANEL * next + j % PER_PANEL * V_LANES);
        }
        EACH(i, rows) {
            const vf x = v_set(a[i * rsa + l * csa]);
            EACH(j, vectors) {
                sum[i][j] = v_fma(x, row[j], sum[i][j]);
            }
        }
    }
    EACH(i, rows) {
        EACH(j, vectors) {
            v_store(c + i * ldc + j * V_LANES, sum[i][j]);
        }
    }
}

/* One function for each height and, where a panel is wider than 16, each width of a last panel. */
#define BLOCK(rows, groups)                                                                        \
    static void block_##rows##_##groups(size_t k, const float *a, size_t rsa, size_t csa,          \
                                        const float *b, const float *init, size_t ldi, float *c,   \
                                        size_t ldc) {                                              \
        block(rows, groups *GROUP, k, a, rsa, csa, b, init, ldi, c, ldc);                          \
    }

/* clang-format off */
#if V_GROUPS == 1
#define BLOCKS(rows) BLOCK(rows, 1)
#define NAMES(rows) {block_##rows##_1}
#elif V_GROUPS == 4
#define BLOCKS(rows) BLOCK(rows, 1) BLOCK(rows, 2) BLOCK(rows, 3) BLOCK(rows, 4)
#define NAMES(rows) {block_##rows##_1, block_##rows##_2, block_##rows##_3, block_##rows##_4}
#else
#error "V_GROUPS: 1 or 4"
#endif
/* clang-format on */

BLOCKS(1)
BLOCKS(2)
BLOCKS(3)
#if V_ROWS == 6
BLOCKS(4)
BLOCKS(5)
BLOCKS(6)
#elif V_ROWS != 3
#error "V_ROWS: 3 or 6"
#endif

static const block_run blocks[V_ROWS][V_GROUPS] = {
    NAMES(1), NAMES(2), NAMES(3),
#if V_ROWS == 6
    NAMES(4), NAMES(5), NAMES(6),
#endif
};

/* A row alone, V_WIDE whole panels at a time: the few chains of one panel would wait for their own
 * sums. */
static void block_wide(size_t k, const float *a, size_t csa, const float *b, const float *init,
                       float *c) {
    block(1, V_WIDE * PER_PANEL, k, a, 0, csa, b, init, 0, c, 0);
}

/* Panel by panel, so that one panel stays in the nearest cache while all rows pass. */
static void product(size_t m, size_t n, size_t k, const float *a, size_t rsa, size_t csa,
                    const float *b, const float *init, size_t ldi, float *c, size_t ldc) {
    static const float zeros[V_WIDE * PANEL];
    size_t j = 0;
    for (; m == 1 && n - j >= V_WIDE * PANEL; j += V_WIDE * PANEL, b += V_WIDE * k * PANEL)
        block_wide(k, a, csa, b, init ? init + j : zeros, c + j);
    for (; j < n; j += PANEL, b += k * PANEL) {
        const size_t left = (n - j + CBI_LANES - 1) / CBI_LANES;
        const size_t groups = left < V_GROUPS ? left : V_GROUPS;
        for (size_t i = 0; i < m; i += V_ROWS) {
            const size_t rows = m - i < V_ROWS ? m - i : V_ROWS;
            blocks[rows - 1][groups - 1](k, a + i * rsa, rsa, csa, b,
                                         init ? init + i * ldi + j : zeros, init ? ldi : 0,
                                         c + i * ldc + j, ldc);
        }
    }
}

static double multiply_adds(size_t n) {
    enum { CHAINS = 12 };
    vf sum[CHAINS];
    const vf factor = v_set(0.5F), term = v_set(1);
    EACH(i, CHAINS) {
        sum[i] = v_set((float)i);
    }
    for (size_t l = 0; l < n; l++) {
        EACH(i, CHAINS) {
            sum[i] = v_fma(sum[i], factor, term);
        }
    }
    /* Read by nobody, but written: so the work is not left out. */
    volatile float end = 0;
    EACH(i, CHAINS) {
        float lanes[V_LANES];
        v_store(lanes, sum[i]);
        end = end + lanes[0];
    }
    return 2.0 * CHAINS * V_LANES * (double)n;
}

/* Sixteen partial sums, then halves onto halves. Floats behind the row's n are not read. */
static void row_sum(size_t rows, size_t n, const float *a, size_t lda, float *d, size_t ldd) {
    const size_t whole = n - n % CBI_LANES;
    for (size_t i = 0; i < rows; i++, a += lda, d += ldd) {
        float part[CBI_LANES] = {0};
        memcpy(part, a + whole, (n - whole) * sizeof *a);
        vf sum[GROUP];
        EACH(j, GROUP) {
            sum[j] = v_load(part + j * V_LANES);
        }
        for (size_t l = 0; l < whole; l += CBI_LANES) {
            EACH(j, GROUP) {
                sum[j] = sum[j] + v_load(a + l + j * V_LANES);
            }
        }
        EACH(j, GROUP) {
            v_store(part + j * V_LANES, sum[j]);
        }
        for (size_t half = CBI_LANES / 2; half > 0; half /= 2)
            for (size_t j = 0; j < half; j++)
                part[j] += part[j + half];
        *d = part[0];
    }
}
