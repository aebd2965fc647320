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

/* Columns that are computed together: of the panel at b, or across that and the next. */
typedef struct strip {
    size_t width; /* as in `blocks` */
    const cbi_columns *columns;
    size_t operands;
    const cbi_operand *operand;
    const float *b;
    size_t next;      /* from there to the next panel */
    int c_is_distant; /* what the next block begins with is fetched: its sums would wait for it */
} strip;

/* Blocks of one height, one below the other, from row `first` on. With each k what is at `ahead` is
 * fetched into the second-level cache, and that goes on by `stride` floats. */
typedef void (*block_run)(const strip *p, size_t first, size_t blocks, const float *ahead,
                          size_t stride);

/* A loop that is unrolled whole, so that the arrays it fills live in registers. */
#define EACH(i, n) _Pragma("GCC unroll 16") for (size_t i = 0; i < (n); i++)

/* What a block begins with, and where it goes: one address for each group of columns, moved on row
 * by row. A multiplication for each row and group would take longer than the rest of a short block.
 */
typedef struct place {
    const float *init;
    float *c;
    size_t ldi, ldc;
} place;

/* sum += A B for one operand, B from row `b` of the panel on: `vectors` of them from number `from`
 * of the panel on, also over several whole panels, `next` floats from one to the other. All sizes
 * but k are constants wherever this is inlined; so is one of the strides of A. */
static inline __attribute__((always_inline)) void
multiply(const size_t rows, const size_t from, const size_t vectors,
         vf sum[V_ROWS][V_WIDE * PER_PANEL], const float *a, const size_t rsa, const size_t csa,
         size_t k, const float *b, size_t next, const float *ahead, size_t stride) {
    for (size_t l = 0; l < k; l++, b += PANEL, ahead += stride) {
        __builtin_prefetch(ahead, 0, 2);
        vf row[V_WIDE * PER_PANEL];
        EACH(j, vectors) {
            const size_t at = from + j;
            row[j] = v_load(b + at / PER_PANEL * next + at % PER_PANEL * V_LANES);
        }
        EACH(i, rows) {
            const vf x = v_set(a[i * rsa + l * csa]);
            EACH(j, vectors) {
                sum[i][j] = v_fma(x, row[j], sum[i][j]);
            }
        }
    }
}

/* `rows`, `from` and `vectors` are constants wherever this is inlined. */
static inline __attribute__((always_inline)) void block(const size_t rows, const size_t from,
                                                        const size_t vectors, const strip *p,
                                                        size_t first, size_t blocks,
                                                        const float *ahead, size_t stride) {
    const size_t groups = (vectors + GROUP - 1) / GROUP;
    place at[V_WIDE * V_GROUPS];
    EACH(g, groups) {
        const cbi_columns *c = &p->columns[g];
        at[g] = (place){c->init + first * c->ldi, c->c + first * c->ldc, c->ldi, c->ldc};
    }
    for (const size_t end = first + blocks * rows; first < end; first += rows) {
        vf sum[V_ROWS][V_WIDE * PER_PANEL];
        EACH(g, groups) {
            const float *init = at[g].init;
            EACH(i, rows) {
                EACH(j, GROUP) {
                    sum[i][g * GROUP + j] = v_load(init + j * V_LANES);
                }
                init += at[g].ldi;
            }
            at[g].init = init;
        }
        if (p->c_is_distant && first + rows < end)
            EACH(g, groups) {
                const float *init = at[g].init;
                EACH(i, rows) {
                    __builtin_prefetch(init);
                    init += at[g].ldi;
                }
            }
        const float *b = p->b;
        for (size_t s = 0; s < p->operands; s++) {
            const size_t k = p->operand[s].k, rsa = p->operand[s].rsa, csa = p->operand[s].csa;
            const float *a = p->operand[s].a + first * rsa;
            b += p->operand[s].skip * PANEL;
            if (csa == 1)
                multiply(rows, from, vectors, sum, a, rsa, 1, k, b, p->next, ahead, stride);
            else
                multiply(rows, from, vectors, sum, a, 1, csa, k, b, p->next, ahead, stride);
            b += k * PANEL;
            ahead += k * stride;
        }
        EACH(g, groups) {
            float *c = at[g].c;
            EACH(i, rows) {
                EACH(j, GROUP) {
                    v_store(c + j * V_LANES, sum[i][g * GROUP + j]);
                }
                c += at[g].ldc;
            }
            at[g].c = c;
        }
    }
}

/* One function for each height and each width. Where a panel has several groups of columns, the
 * last one may have fewer; and ACROSS stands for two groups, the last of a panel and the first of
 * the next. */
enum { ACROSS = V_GROUPS };

static size_t groups_of(size_t width) {
    return width == ACROSS ? 2 : width + 1;
}

#define BLOCK(name, rows, from, groups)                                                            \
    static void block_##rows##_##name(const strip *p, size_t first, size_t blocks,                 \
                                      const float *ahead, size_t stride) {                         \
        block(rows, (from)*GROUP, (groups)*GROUP, p, first, blocks, ahead, stride);                \
    }

/* clang-format off */
#if V_GROUPS == 1
#define BLOCKS(rows) BLOCK(1, rows, 0, 1)
#define NAMES(rows) {block_##rows##_1}
#elif V_GROUPS == 4
#define BLOCKS(rows) BLOCK(1, rows, 0, 1) BLOCK(2, rows, 0, 2) BLOCK(3, rows, 0, 3) \
                     BLOCK(4, rows, 0, 4) BLOCK(across, rows, 3, 2)
#define NAMES(rows) {block_##rows##_1, block_##rows##_2, block_##rows##_3, block_##rows##_4, \
                     block_##rows##_across}
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

static const block_run blocks[V_ROWS][V_GROUPS + 1] = {
    NAMES(1), NAMES(2), NAMES(3),
#if V_ROWS == 6
    NAMES(4), NAMES(5), NAMES(6),
#endif
};

/* A row alone, V_WIDE whole panels at a time: the few chains of one panel would wait for their own
 * sums. */
static void block_wide(const strip *p) {
    block(1, 0, V_WIDE * PER_PANEL, p, 0, 1, p->b, 0);
}

/* Where the next lines to be fetched stand, while *n blocks of k are computed; fewer of those where
 * fewer lines are left there, and a pace in floats that spreads the lines over them. */
static const float *take_lines(cbi_ahead *ahead, size_t k, size_t *n, size_t *stride) {
    cbi_lines *first = ahead->lines;
    const float *at = first->at;
    if (*n * k < first->count) {
        first->at += *n * k * CBI_LANES;
        first->count -= *n * k;
        *stride = CBI_LANES;
        return at;
    }
    *n = (first->count + k - 1) / k;
    *stride = first->count * CBI_LANES / (*n * k);
    ahead->lines++;
    ahead->count--;
    return at;
}

/* All rows, in blocks of heights as equal as can be: a low one at the end would leave the units
 * idle. Meanwhile the panel at `panel` is fetched, spread evenly over all blocks as far as one line
 * with each k goes: a faster pace is no faster than the third-level cache. Or, where that is NULL,
 * what is ahead. */
static void strip_rows(const strip *p, size_t m, size_t k, const float *panel, cbi_ahead *ahead) {
    const size_t all = (m + V_ROWS - 1) / V_ROWS, low = m / all, high = m % all;
    const size_t even = PANEL / all < CBI_LANES ? PANEL / all : CBI_LANES;
    for (size_t done = 0, first = 0, n; done < all; done += n) {
        const size_t height = done < high ? low + 1 : low;
        const float *from = panel ? panel + done * k * even : p->b;
        size_t stride = panel ? even : 0;
        n = (done < high ? high : all) - done;
        if (panel == NULL && k > 0 && ahead != NULL && ahead->count > 0)
            from = take_lines(ahead, k, &n, &stride);
        blocks[height - 1][p->width](p, first, n, from, stride);
        first += n * height;
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

/* What is far, some operands after the other: the sums so far wait in C. */
static void strip_slices(strip p, size_t m, int is_last, cbi_ahead *ahead) {
    cbi_columns go_on[V_GROUPS + 1];
    const size_t operands = p.operands;
    for (size_t g = 0; g < groups_of(p.width); g++)
        go_on[g] =
            (cbi_columns){p.columns[g].c, p.columns[g].c, p.columns[g].ldc, p.columns[g].ldc};
    for (size_t s = 0, k; s < operands; s += p.operands, p.operand += p.operands) {
        p.operands = slice(operands - s, p.operand, &k);
        const int ends = is_last && s + p.operands == operands;
        strip_rows(&p, m, k, ends ? NULL : p.b + k * PANEL, ahead);
        p.b += k * PANEL;
        p.columns = go_on;
    }
}

/* C larger than this (in floats) has left the nearest caches when its turn comes. Measured with
 * gradients of weights: 4 to 6 % at H >= 512; smaller: a loss. */
enum { DISTANT = 1 << 16, DEEP = 128 };

/* Panel by panel, so that a panel stays near while all rows pass. One group alone in the last panel
 * would keep the units waiting: the panel before leaves it one of its own. */
static void product(size_t m, size_t groups, const cbi_columns *columns, size_t operands,
                    const cbi_operand *operand, const float *b, cbi_ahead *ahead) {
    size_t k = 0, g = 0;
    for (size_t s = 0; s < operands; s++)
        k += rows_of(&operand[s]);
    const size_t next = k * PANEL;
    const int is_far = groups * k * CBI_LANES > FAR;
    strip p = {.operands = operands, .operand = operand, .b = b, .next = next};
    p.c_is_distant = k >= DEEP && m * groups * CBI_LANES >= DISTANT;
    for (; m == 1 && groups - g >= V_WIDE * V_GROUPS;
         g += V_WIDE * V_GROUPS, p.b += V_WIDE * next) {
        p.columns = columns + g;
        block_wide(&p);
    }
    while (g < groups) {
        const size_t left = groups - g;
        const int lends = V_GROUPS > 1 && left == V_GROUPS + 1;
        const int across = V_GROUPS > 1 && left == 2 && g % V_GROUPS == V_GROUPS - 1;
        p.width = across ? (size_t)ACROSS : (left < V_GROUPS ? left : V_GROUPS) - 1 - (size_t)lends;
        p.columns = columns + g;
        g += groups_of(p.width);
        if (is_far)
            strip_slices(p, m, g == groups, ahead);
        else
            strip_rows(&p, m, k, NULL, ahead);
        if (!lends)
            p.b += next;
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
