/* SPDX-License-Identifier: MIT */
/*
 * Kernels: matrix products and pointwise operations in f32, one table of functions for each
 * instruction set; the engine knows only this header.
 *
 * Conventions. All sizes and leading dimensions are in floats. Strips are contiguous: n floats, n a
 * multiple of CBI_LANES, 64-byte aligned; padding lanes hold anything (also NaN). Kernels check
 * nothing. The order of summation over k depends on k alone: an element of a product has the same
 * bits whatever m, n and the leading dimensions are.
 */
#ifndef CB_KERNELS_H
#define CB_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/random.h"
#include "cellbench/status.h"

enum { CBI_LANES = 16 };

/* Leading dimension of rows of n floats: n rounded up to CBI_LANES. */
static inline size_t cbi_padded(size_t n) {
    return (n + CBI_LANES - 1) / CBI_LANES * CBI_LANES;
}
/* Groups of CBI_LANES columns that n columns take. */
static inline size_t cbi_groups(size_t n) {
    return (n + CBI_LANES - 1) / CBI_LANES;
}

/* d, a, b, c: strips of n floats; d may be any of a, b, c. */
typedef void (*cbi_pointwise)(float *d, const float *a, const float *b, const float *c, size_t n);

/*
 * The operations of the language, in f32: each row of the language's table (cell/ops.h) has one
 * loop here, found by name; their order means nothing. Beside them, for patterns that the engine
 * recognises (a is the incoming gradient, b the value of the function):
 *
 *   fma        a*b + c                 d_sigmoid   a * (b*(1 - b))
 *   fnma       c - a*b                 d_tanh      a * (1 - b*b)
 *   one_minus  1 - a
 *
 * Operands that an operation does not have are not read and may be NULL. The accuracy of each
 * stands at the head of pointwise.inc.c.
 */
typedef struct cbi_pointwise_row {
    const char *name; /* "add", "mul", "sigmoid", "tanh", ...: as in cell/ops.c */
    cbi_pointwise run;
} cbi_pointwise_row;

/* Columns of A: element (i, l) at a + i*rsa + l*csa; csa = 1: rows of values; rsa = 1: transposed;
 * nothing else.
 * `skip` rows of the panels stand before those that belong to it, for columns of A that are zero;
 * rows that are passed over at the end are the skip of an operand with k = 0. */
typedef struct cbi_operand {
    const float *a;
    size_t rsa, csa, k;
    size_t skip;
} cbi_operand;

/* Sixteen columns of C, all of which are written: row i at c + i*ldc, and what it begins with at
 * init + i*ldi (ldi = 0: the same for all rows). init may be c itself with ldi = ldc, but not NULL:
 * see cbi_zeros. */
typedef struct cbi_columns {
    const float *init;
    float *c;
    size_t ldi, ldc;
} cbi_columns;
extern const float cbi_zeros[CBI_LANES];

/* What will be read soon: lines of CBI_LANES floats, stretch by stretch, at least one line each. A
 * product of many rows fetches them into the second-level cache while it multiplies, and takes off
 * what it has fetched. */
typedef struct cbi_lines {
    const float *at;
    size_t count;
} cbi_lines;
typedef struct cbi_ahead {
    cbi_lines *lines;
    size_t count;
} cbi_ahead;

typedef struct cbi_kernels {
    const char *name;                   /* "portable", "avx2", "avx512" */
    const cbi_pointwise_row *pointwise; /* ended by a NULL name */

    /* Panels: matrices side by side and one below the other, packed for product(): the columns of
     * each are filled up to whole groups of CBI_LANES; `panel` columns together, [k][panel], are
     * one panel. */
    size_t panel;

    /*
     * C [m][16 groups] = C0 + A [m][k] * B. A stands in `operands` pieces, side by side, each with
     * the rows of B that belong to it; C in `groups` of sixteen columns, each where it likes. So
     * all gates of a step are one product, and so is a gradient that is a sum of products. ahead:
     * NULL, or what is fetched meanwhile.
     */
    void (*product)(size_t m, size_t groups, const cbi_columns *columns, size_t operands,
                    const cbi_operand *operand, const float *panels, cbi_ahead *ahead);

    /* Weight gradients [m][n] with m*n at or above this are faster by BLIS than by product() on
     * this set. Measured with BLIS 0.9.0, which has no AVX-512 kernel: product() is 1.2 to 1.6
     * times faster there at all sizes; with AVX2 it wins below 128 x 128 (its overhead a call is
     * small). */
    size_t blis_from;

    /* Multiply-adds in registers alone, as many independent chains as it takes to keep the units
     * busy; returns how many floating-point operations that was (a multiply-add counts 2). Its
     * speed is the peak that products are measured against. */
    double (*multiply_adds)(size_t n);

    /* d[i*ldd] = sum over j < n of a[i*lda + j], i < rows. The order depends on n alone; padding
     * is not read. */
    void (*row_sum)(size_t rows, size_t n, const float *a, size_t lda, float *d, size_t ldd);

    /* x[i] += sd * the next cb_random_normal, rounded to float before it is added: the same bits
     * with every set. x need not be aligned. */
    void (*noise)(cb_random *stream, double sd, float *x, size_t n);
} cbi_kernels;

/* The best set that this machine can run, or the one named by CELLBENCH_ISA (an unknown or
 * unusable name is an error that lists the usable ones). Chosen once, then the same for ever. */
CB_MUST_USE cb_status cbi_kernels_get(const cbi_kernels **out, cb_err *err);
const cbi_kernels *const *cbi_kernels_all(void); /* usable here; ended by NULL; for tests */

/* The loop of an operation; NULL if the set has none of that name. */
cbi_pointwise cbi_pointwise_find(const cbi_kernels *kernels, const char *name);

/* Floats of panels with k rows and so many groups of columns. */
size_t cbi_panels_size(const cbi_kernels *kernels, size_t k, size_t groups);
/* Packs b [rows][n], element (l, j) at b + l*rs + j*cs, as the columns from `group` on in rows
 * `from` ... of panels that have k rows. The last group is filled up with zeros. */
void cbi_panels_put(const cbi_kernels *kernels, size_t k, size_t from, size_t group, size_t rows,
                    size_t n, const float *b, size_t rs, size_t cs, float *panels);
/* out[l*ldo + j] = b[j*ldb + l] for l < rows, j < columns: a matrix is read across its rows. */
void cbi_turn(size_t rows, size_t columns, const float *b, size_t ldb, float *out, size_t ldo);
/* product() for the groups from ... to - 1 of panels with k rows; columns: of group `from` on. */
void cbi_product_part(const cbi_kernels *kernels, size_t m, size_t k, size_t from, size_t to,
                      const cbi_columns *columns, size_t operands, const cbi_operand *operand,
                      const float *panels);
/* C [m][n] = C0 + A B, for matrices that stand whole: panels of B [k][n] alone; row i of C at c +
 * i*ldc, and of C0 at init + i*ldi (NULL: 0); ldc, ldi >= n rounded up to CBI_LANES, which are
 * written and read. */
void cbi_matrix_product(const cbi_kernels *kernels, size_t m, size_t n, const cbi_operand *operand,
                        const float *panels, const float *init, size_t ldi, float *c, size_t ldc);
/* The groups of columns from ... to - 1 of such a C alone, with A in pieces; panels have k rows; c
 * and init: of the first column. */
void cbi_matrix_part(const cbi_kernels *kernels, size_t m, size_t k, size_t from, size_t to,
                     size_t operands, const cbi_operand *operand, const float *panels,
                     const float *init, size_t ldi, float *c, size_t ldc);

/*
 * Large products, by BLIS (one thread, the small-matrix paths off, so that the order of summation
 * depends on k alone):  C [m][n] = beta*C + op(A) [m][k] * op(B) [k][n], beta 0 (C is not read) or
 * 1; op(A) element (i, l) at a + i*rsa + l*csa; likewise b; c + i*ldc + j.
 */
void cbi_gemm(size_t m, size_t n, size_t k, const float *a, size_t rsa, size_t csa, const float *b,
              size_t rsb, size_t csb, float beta, float *c, size_t ldc);

/* The same, with product() where the set is faster by that (see blis_from); rsa or csa is 1; work:
 * room for cbi_gemm_work(n) floats, 64-byte aligned. The bits are those of cbi_gemm wherever BLIS
 * has a kernel with fused multiply-adds. */
void cbi_gemm_with(const cbi_kernels *kernels, size_t m, size_t n, size_t k, const float *a,
                   size_t rsa, size_t csa, const float *b, size_t rsb, size_t csb, float beta,
                   float *c, size_t ldc, float *work);
size_t cbi_gemm_work(const cbi_kernels *kernels, size_t n);

/* Before the first product of the process: CB_ENOMEM if BLIS would find too little memory, which
 * would be the end of the process. Cheap when done before. */
CB_MUST_USE cb_status cbi_gemm_begin(cb_err *err);

const char *cbi_blis_version(void); /* "0.9.0, kernel haswell" */

/* Denormals of the calling thread count as zero and are never produced (x86-64; elsewhere nothing
 * changes), until restored with what flush returned. */
unsigned cbi_denormals_flush(void);
void cbi_denormals_restore(unsigned saved);

#endif
