/* SPDX-License-Identifier: MIT */
/* Which set of kernels this machine runs, the packing of panels, and the denormal mode. */
#include "kernels/kernels.h"

#include <stdatomic.h>
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

size_t cbi_panels_size(const cbi_kernels *kernels, size_t k, size_t n) {
    return (n + kernels->panel - 1) / kernels->panel * kernels->panel * k;
}

/* Rows that lie together are copied whole; others in tiles of 16, so that a matrix read across its
 * rows (rs = 1) is read a cache line at a time. */
static void pack_tile(size_t rows, size_t columns, size_t panel, const float *b, size_t rs,
                      size_t cs, float *out) {
    if (cs == 1) {
        for (size_t l = 0; l < rows; l++)
            memcpy(out + l * panel, b + l * rs, columns * sizeof *out);
    } else {
        for (size_t j = 0; j < columns; j++)
            for (size_t l = 0; l < rows; l++)
                out[l * panel + j] = b[l * rs + j * cs];
    }
    for (size_t l = 0; l < rows && columns < panel; l++)
        memset(out + l * panel + columns, 0, (panel - columns) * sizeof *out);
}

void cbi_panels_pack(const cbi_kernels *kernels, size_t k, size_t n, const float *b, size_t rs,
                     size_t cs, float *out) {
    const size_t panel = kernels->panel, tile = 16;
    for (size_t p = 0; p < n; p += panel, out += k * panel)
        for (size_t top = 0; top < k; top += tile)
            pack_tile(k - top < tile ? k - top : tile, n - p < panel ? n - p : panel, panel,
                      b + top * rs + p * cs, rs, cs, out + top * panel);
}

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
