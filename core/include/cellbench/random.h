/* SPDX-License-Identifier: MIT */
/*
 * Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
 * easy as 1, 2, 3"), from Random123.
 *
 * A stream is named by (seed, purpose, index), so that no draw depends on how many were made
 * before elsewhere, on the order of loops, on cells or on settings: seeds are paired over cells.
 * Purposes in use: "init/<layer>.<parameter>", "order" (index = epoch), "data/<split>" (index =
 * sequence), "noise/<what>", "dropout/<what>" (index = update),
 * "mask/<layer>.<regulariser>.<state>" (index = sequence, position = step), "search/<setting>"
 * (index = trial).
 */
#ifndef CELLBENCH_RANDOM_H
#define CELLBENCH_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cb_random {
    uint32_t key[2];   /* SHA-256("seed/purpose") cut to 64 bits */
    uint64_t index;    /* upper half of the counter */
    uint64_t position; /* lower half: blocks drawn so far */
    uint32_t block[4];
    unsigned left; /* words of block not yet used */
} cb_random;

CB_API cb_random cb_random_stream(uint64_t seed, const char *purpose, uint64_t index);
CB_API uint32_t cb_random_u32(cb_random *stream);
/* In [0, 1), 53 bits. */
CB_API double cb_random_uniform(cb_random *stream);
/* Mean 0, variance 1; Box-Muller on two uniforms (the second value is not kept). */
CB_API double cb_random_normal(cb_random *stream);
/* In 0..n-1 without bias (rejection); n >= 1. */
CB_API uint64_t cb_random_below(cb_random *stream, uint64_t n);
/* Fisher-Yates over 0..n-1; order must hold n values. */
CB_API void cb_random_permutation(cb_random *stream, size_t n, uint32_t *order);

#ifdef __cplusplus
}
#endif
#endif
