/* SPDX-License-Identifier: MIT */
/* Which set of kernels this machine runs, the packing of panels, and the denormal mode. */
#include "kernels/kernels.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/sets.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* Best first. A machine that can run one set can run all that follow it: each needs what the next
 * needs, and more. */
static const cbi_kernels *const sets[] = {
#if defined(__x86_64__)
    &cbi_kernels_avx512,
    &cbi_kernels_avx2,
#endif
    &cbi_kernels_portable,
    NULL,
};

const cbi_kernels *const *cbi_kernels_all(void) {
    const cbi_kernels *const *usable = sets;
#if defined(__x86_64__)
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const int avx512 =
        avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
    usable += avx512 ? 0 : avx2 ? 1 : 2;
#endif
    return usable;
}

static cb_status choose(const cbi_kernels **out, cb_err *err) {
    const cbi_kernels *const *usable = cbi_kernels_all();
    const char *wanted = getenv("CELLBENCH_ISA");
    char names[64] = "";
    *out = NULL;
    for (const cbi_kernels *const *set = usable; *set; set++) {
        if (!wanted || !*wanted || strcmp(wanted, (*set)->name) == 0) {
            *out = *set;
            return CB_OK;
        }
        if (*names)
            strcat(names, ", ");
        strcat(names, (*set)->name);
    }
    return cb_fail(err, CB_EARG,
                   "CELLBENCH_ISA: expected one of %s (usable on this machine), got '%s'", names,
                   wanted);
}

cb_status cbi_kernels_get(const cbi_kernels **out, cb_err *err) {
    /* The one piece of state: whoever chooses first, chooses for the whole process, so that no
     * change of the environment mixes sets. */
    static _Atomic(const cbi_kernels *) chosen;
    *out = atomic_load(&chosen);
    if (*out)
        return CB_OK;
    const cbi_kernels *mine, *first = NULL;
    const cb_status st = choose(&mine, err);
    if (st != CB_OK)
        return st;
    *out = atomic_compare_exchange_strong(&chosen, &first, mine) ? mine : first;
    return CB_OK;
}

const float cbi_zeros[CBI_LANES];

/* ---- panels ---- */

size_t cbi_panels_size(const cbi_kernels *kernels, size_t k, size_t groups) {
    const size_t wide = kernels->panel / CBI_LANES;
    return (groups + wide - 1) / wide * kernels->panel * k;
}

typedef float four __attribute__((vector_size(4 * sizeof(float))));
typedef int32_t places __attribute__((vector_size(4 * sizeof(float))));

static four load_four(const float *p) {
    four v;
    memcpy(&v, p, sizeof v);
    return v;
}

static void store_four(float *p, four v) {
    memcpy(p, &v, sizeof v);
}

static four pick(four a, four b, places from) {
#if defined(__clang__)
    return (four){(from[0] < 4 ? a : b)[from[0] & 3], (from[1] < 4 ? a : b)[from[1] & 3],
                  (from[2] < 4 ? a : b)[from[2] & 3], (from[3] < 4 ? a : b)[from[3] & 3]};
#else
    return __builtin_shuffle(a, b, from);
#endif
}

/* Four rows of b become four columns of out. */
static void turn_four(const float *b, size_t ldb, float *out, size_t ldo) {
    const four r0 = load_four(b), r1 = load_four(b + ldb), r2 = load_four(b + 2 * ldb),
               r3 = load_four(b + 3 * ldb);
    const four low01 = pick(r0, r1, (places){0, 4, 1, 5}),
               low23 = pick(r2, r3, (places){0, 4, 1, 5});
    const four high01 = pick(r0, r1, (places){2, 6, 3, 7}),
               high23 = pick(r2, r3, (places){2, 6, 3, 7});
    store_four(out, pick(low01, low23, (places){0, 1, 4, 5}));
    store_four(out + ldo, pick(low01, low23, (places){2, 3, 6, 7}));
    store_four(out + 2 * ldo, pick(high01, high23, (places){0, 1, 4, 5}));
    store_four(out + 3 * ldo, pick(high01, high23, (places){2, 3, 6, 7}));
}

static void turn_tile(size_t rows, size_t columns, const float *b, size_t ldb, float *out,
                      size_t ldo) {
    const size_t whole_rows = rows - rows % 4, whole_columns = columns - columns % 4;
    for (size_t j = 0; j < whole_columns; j += 4)
        for (size_t l = 0; l < whole_rows; l += 4)
            turn_four(b + j * ldb + l, ldb, out + l * ldo + j, ldo);
    for (size_t l = 0; l < rows; l++)
        for (size_t j = l < whole_rows ? whole_columns : 0; j < columns; j++)
            out[l * ldo + j] = b[j * ldb + l];
}

/* In tiles: lines that are read or written across may all fall into one set of the nearest cache.
 */
void cbi_turn(size_t rows, size_t columns, const float *b, size_t ldb, float *out, size_t ldo) {
    enum { TILE = 16 };
    for (size_t l = 0; l < rows; l += TILE)
        for (size_t j = 0; j < columns; j += TILE)
            turn_tile(rows - l < TILE ? rows - l : TILE, columns - j < TILE ? columns - j : TILE,
                      b + j * ldb + l, ldb, out + l * ldo + j, ldo);
}

/* Up to a panel of columns, in tiles of 16 rows, so that what is written stays in the nearest cache
 * until its lines are full. */
static void put_panel(size_t rows, size_t columns, size_t panel, const float *b, size_t rs,
                      size_t cs, float *out) {
    enum { TILE = 16 };
    const size_t filled = cbi_padded(columns);
    for (size_t top = 0; top < rows; top += TILE) {
        const size_t n = rows - top < TILE ? rows - top : TILE;
        if (rs == 1)
            cbi_turn(n, columns, b + top, cs, out + top * panel, panel);
        else
            for (size_t l = top; l < top + n; l++)
                for (size_t j = 0; j < columns; j++)
                    out[l * panel + j] = b[l * rs + j * cs];
        for (size_t l = top; l < top + n && columns < filled; l++)
            memset(out + l * panel + columns, 0, (filled - columns) * sizeof *out);
    }
}

static void copy_panel(size_t rows, size_t columns, size_t panel, const float *b, size_t rs,
                       float *out) {
    const size_t filled = cbi_padded(columns);
    for (size_t l = 0; l < rows; l++) {
        memcpy(out + l * panel, b + l * rs, columns * sizeof *out);
        for (size_t j = columns; j < filled; j++)
            out[l * panel + j] = 0;
    }
}

void cbi_panels_put(const cbi_kernels *kernels, size_t k, size_t from, size_t group, size_t rows,
                    size_t n, const float *b, size_t rs, size_t cs, float *panels) {
    const size_t panel = kernels->panel, wide = panel / CBI_LANES;
    for (size_t j = 0; j < n;) {
        const size_t column = group % wide * CBI_LANES, room = panel - column;
        const size_t columns = n - j < room ? n - j : room;
        float *out = panels + group / wide * k * panel + from * panel + column;
        if (cs == 1)
            copy_panel(rows, columns, panel, b + j, rs, out);
        else
            put_panel(rows, columns, panel, b + j * cs, rs, cs, out);
        j += columns;
        group += cbi_groups(columns);
    }
}

/* A part that begins inside a panel is cut where the panel ends. */
void cbi_product_part(const cbi_kernels *kernels, size_t m, size_t k, size_t from, size_t to,
                      const cbi_columns *columns, size_t operands, const cbi_operand *operand,
                      const float *panels) {
    const size_t wide = kernels->panel / CBI_LANES;
    while (from < to) {
        const size_t inside = from % wide, left = wide - inside;
        const size_t groups = inside && to - from > left ? left : to - from;
        kernels->product(m, groups, columns, operands, operand,
                         panels + from / wide * k * kernels->panel + inside * CBI_LANES, NULL);
        columns += groups;
        from += groups;
    }
}

void cbi_matrix_part(const cbi_kernels *kernels, size_t m, size_t k, size_t from, size_t to,
                     size_t operands, const cbi_operand *operand, const float *panels,
                     const float *init, size_t ldi, float *c, size_t ldc) {
    enum { MOST = 32 }; /* groups at a time: whole panels on every set */
    cbi_columns columns[MOST];
    for (size_t done = from; done < to; done += MOST) {
        const size_t groups = to - done < MOST ? to - done : MOST;
        for (size_t g = 0; g < groups; g++) {
            const size_t at = (done - from + g) * CBI_LANES;
            columns[g] = init ? (cbi_columns){init + at, c + at, ldi, ldc}
                              : (cbi_columns){cbi_zeros, c + at, 0, ldc};
        }
        cbi_product_part(kernels, m, k, done, done + groups, columns, operands, operand, panels);
    }
}

void cbi_matrix_product(const cbi_kernels *kernels, size_t m, size_t n, const cbi_operand *operand,
                        const float *panels, const float *init, size_t ldi, float *c, size_t ldc) {
    cbi_matrix_part(kernels, m, operand->skip + operand->k, 0, cbi_groups(n), 1, operand, panels,
                    init, ldi, c, ldc);
}

/* ---- denormals ---- */

/* Flush to zero (bit 15) and denormals are zero (bit 6) of MXCSR. Other CPUs keep denormals. */
enum { DENORMAL_BITS = 0x8040 };

unsigned cbi_denormals_flush(void) {
#if defined(__x86_64__)
    const unsigned saved = _mm_getcsr();
    _mm_setcsr(saved | DENORMAL_BITS);
    return saved & DENORMAL_BITS;
#else
    return 0;
#endif
}

void cbi_denormals_restore(unsigned saved) {
#if defined(__x86_64__)
    _mm_setcsr((_mm_getcsr() & ~(unsigned)DENORMAL_BITS) | (saved & DENORMAL_BITS));
#else
    (void)saved;
#endif
}

cbi_pointwise cbi_pointwise_find(const cbi_kernels *kernels, const char *name) {
    for (const cbi_pointwise_row *row = kernels->pointwise; row->name; row++)
        if (strcmp(row->name, name) == 0)
            return row->run;
    return NULL;
}
