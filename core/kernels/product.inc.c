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

typedef void (*block_run)(size_t first, const cbi_columns *columns, size_t operands,
                          const cbi_operand *operand, const float *b, const float *ahead,
                          size_t stride);

/* A loop that is unrolled whole, so that the arrays it fills live in registers. */
#define EACH(i, n) _Pragma("GCC unroll 16") for (size_t i = 0; i < (n); i++)

/* Rows from `first` on. `rows` and `vectors` are constants wherever this is inlined; the vectors of
 * a row may reach over several whole panels, `next` floats from one to the other. With each k what
 * is at `ahead` is fetched into the second-level cache, and that goes on by `stride` floats. */
static inline __attribute__((always_inline)) void block(const size_t rows, const size_t vectors,
                                                        size_t first, const cbi_columns *columns,
                                                        size_t operands, const cbi_operand *operand,
                                                        const float *b, size_t next,
                                                        const float *ahead, size_t stride) {
    vf sum[V_ROWS][V_WIDE * PER_PANEL];
    EACH(j, vectors) {
        const cbi_columns *to = &columns[j / GROUP];
        EACH(i, rows) {
            sum[i][j] = v_load(to->init + (first + i) * to->ldi + j % GROUP * V_LANES);
        }
    }
    for (size_t s = 0; s < operands; s++) {
        const size_t k = operand[s].k, rsa = operand[s].rsa, csa = operand[s].csa;
        const float *a = operand[s].a + first * rsa;
        b += operand[s].skip * PANEL;
        for (size_t l = 0; l < k; l++, b += PANEL, ahead += stride) {
            __builtin_prefetch(ahead, 0, 2);
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
    }
    EACH(j, vectors) {
        const cbi_columns *to = &columns[j / GROUP];
        EACH(i, rows) {
            v_store(to->c + (first + i) * to->ldc + j % GROUP * V_LANES, sum[i][j]);
        }
    }
}

/* One function for each height and, where a panel is wider than 16, each width of a last panel. */
#define BLOCK(rows, groups)                                                                        \
    static void block_##rows##_##groups(size_t first, const cbi_columns *columns, size_t operands, \
                                        const cbi_operand *operand, const float *b,                \
                                        const float *ahead, size_t stride) {                       \
        block(rows, groups *GROUP, first, columns, operands, operand, b, 0, ahead, stride);        \
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
static void block_wide(const cbi_columns *columns, size_t operands, const cbi_operand *operand,
                       const float *b, size_t next) {
    block(1, V_WIDE * PER_PANEL, 0, columns, operands, operand, b, next, b, 0);
}

/* What the next block begins with: its first multiply-adds would wait for it. Few of them would not
 * be worth the trouble. */
static void fetch_rows(size_t from, size_t to, size_t k, size_t width, const cbi_columns *columns) {
    enum { MANY = 128 };
    for (size_t g = 0; k >= MANY && g < width; g++)
        for (size_t i = from; i < to; i++)
            __builtin_prefetch(columns[g].init + i * columns[g].ldi);
}

/* One panel, all rows, in blocks of heights as equal as can be: a low one at the end would leave
 * the units idle. Meanwhile the panel at `ahead` is fetched, spread evenly over all blocks as far
 * as one line with each k goes: a faster pace is no faster than the third-level cache. */
static void panel_rows(size_t m, size_t k, size_t width, const cbi_columns *columns,
                       size_t operands, const cbi_operand *operand, const float *b,
                       const float *ahead) {
    const size_t passes = (m + V_ROWS - 1) / V_ROWS, even = PANEL / passes;
    const size_t stride = ahead == NULL ? 0 : even < CBI_LANES ? even : CBI_LANES;
    for (size_t i = 0, pass = 0; pass < passes; pass++) {
        const size_t rows = (m - i + passes - pass - 1) / (passes - pass);
        fetch_rows(i + rows, i + 2 * rows < m ? i + 2 * rows : m, k, width, columns);
        blocks[rows - 1][width - 1](i, columns, operands, operand, b,
                                    ahead ? ahead + pass * k * stride : b, stride);
        i += rows;
    }
}

/* Panels together larger than FAR (in floats) do not stay in the second-level cache from one step
 * to the next: while one is used, what comes next is fetched. Two panels with many rows would not
 * fit in there: they are used in slices. Measured at 2 MiB, H >= 512: 5 to 17 %; nearer: a loss. */
enum { FAR = 1 << 18, SLICE = 1 << 16 };

static size_t rows_of(const cbi_operand *operand) {
    return operand->skip + operand->k;
}

/* Operands whose rows of a panel are no more than SLICE together; at least one. */
static size_t slice(size_t operands, const cbi_operand *operand, size_t *k) {
    size_t n = 1;
    *k = rows_of(operand);
    for (; n < operands && (*k + rows_of(&operand[n])) * PANEL <= SLICE; n++)
        *k += rows_of(&operand[n]);
    return n;
}

/* A panel that is far, some operands after the other: the sums so far wait in C. */
static void panel_slices(size_t m, size_t width, const cbi_columns *columns, size_t operands,
                         const cbi_operand *operand, const float *b, int is_last) {
    cbi_columns go_on[V_GROUPS];
    for (size_t g = 0; g < width; g++)
        go_on[g] = (cbi_columns){columns[g].c, columns[g].c, columns[g].ldc, columns[g].ldc};
    for (size_t s = 0, k, n; s < operands; s += n, b += k * PANEL) {
        n = slice(operands - s, operand + s, &k);
        const int ends = is_last && s + n == operands;
        panel_rows(m, k, width, s ? go_on : columns, n, operand + s, b,
                   ends ? NULL : b + k * PANEL);
    }
}

/* Panel by panel, so that a panel stays near while all rows pass. */
static void product(size_t m, size_t groups, const cbi_columns *columns, size_t operands,
                    const cbi_operand *operand, const float *b) {
    size_t k = 0, g = 0;
    for (size_t s = 0; s < operands; s++)
        k += rows_of(&operand[s]);
    const size_t next = k * PANEL;
    const int is_far = groups * k * CBI_LANES > FAR;
    for (; m == 1 && groups - g >= V_WIDE * V_GROUPS; g += V_WIDE * V_GROUPS, b += V_WIDE * next)
        block_wide(columns + g, operands, operand, b, next);
    for (; g < groups; g += V_GROUPS, b += next) {
        const size_t width = groups - g < V_GROUPS ? groups - g : V_GROUPS;
        const int is_last = groups - g <= V_GROUPS;
        if (is_far)
            panel_slices(m, width, columns + g, operands, operand, b, is_last);
        else
            panel_rows(m, k, width, columns + g, operands, operand, b, NULL);
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
