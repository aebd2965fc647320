/* SPDX-License-Identifier: MIT */
/*
 * The gate to BLIS: large products of f32 matrices with any strides. BLIS sums over k in blocks
 * whose size is fixed for a CPU, with one kernel for whole and for partial tiles, so an element's
 * bits depend on k alone as long as its special paths for small matrices stay off.
 */
#include "kernels/kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include <blis.h>

#include "base/alloc.h"

void cbi_gemm(size_t m, size_t n, size_t k, const float *a, size_t rsa, size_t csa, const float *b,
              size_t rsb, size_t csb, float beta, float *c, size_t ldc) {
    const float one = 1;
    rntm_t serial = BLIS_RNTM_INITIALIZER;
    if (m == 0 || n == 0)
        return;
    bli_rntm_set_num_threads(1, &serial);
    bli_rntm_disable_l3_sup(&serial);
    /* BLIS 0.9 takes its inputs as pointers to non-const, and does not write them. */
    bli_sgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, (dim_t)m, (dim_t)n, (dim_t)k, (float *)&one,
                 (float *)a, (inc_t)rsa, (inc_t)csa, (float *)b, (inc_t)rsb, (inc_t)csb, &beta, c,
                 (inc_t)ldc, 1, NULL, &serial);
}

/* BLIS 0.9 takes 18 MB at its first product (packed blocks of both operands), keeps them, and takes
 * no more as long as one thread is in it at a time. Where it gets none it ends the process. */
enum { FIRST_BYTES = 32 << 20 };

static atomic_int has_memory;

static void first_product(void) {
    const float a[1] = {1};
    float c[1];
    cbi_gemm(1, 1, 1, a, 1, 1, a, 1, 1, 0, c, 1);
    atomic_store(&has_memory, 1);
}

cb_status cbi_gemm_begin(cb_err *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (atomic_load(&has_memory))
        return CB_OK;
    void *probe = cbi_malloc(FIRST_BYTES);
    if (probe == NULL)
        return cb_fail(err, CB_ENOMEM, "no memory for BLIS: %d bytes", (int)FIRST_BYTES);
    cbi_free(probe);
    pthread_once(&once, first_product);
    return CB_OK;
}

static char version[64];

static void write_version(void) {
    snprintf(version, sizeof version, "%s, kernel %s", bli_info_get_version_str(),
             bli_arch_string(bli_arch_query_id()));
}

const char *cbi_blis_version(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, write_version);
    return version;
}
