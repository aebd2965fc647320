/* SPDX-License-Identifier: MIT */
/* The values of masks (engine.h, cb_engine_set_masks), for both engines. */
#ifndef CB_ENGINE_MASK_H
#define CB_ENGINE_MASK_H

#include "cellbench/random.h"
#include "engine/stack_internal.h"

/* What masks are drawn from; starts as {0}. */
typedef struct cbi_mask_source {
    int drawn; /* 0: masks stand for their expectations */
    uint64_t seed;
    uint64_t *sequence; /* [B], owned; it never shrinks */
    size_t B, capacity;
} cbi_mask_source;

CB_MUST_USE cb_status cbi_mask_source_set(cbi_mask_source *source, uint64_t seed,
                                          const uint64_t *sequence, size_t B, cb_err *err);
void cbi_mask_source_fini(cbi_mask_source *source);
/* CB_ESHAPE if they are drawn, for another number of sequences. */
CB_MUST_USE cb_status cbi_mask_source_check(const cbi_mask_source *source, const cb_steps *steps,
                                            cb_err *err);

/* One for each sequence, not for each step. */
int cbi_mask_is_of_sequence(const cb_stack_mask *mask);
/* What each element is in evaluation. */
float cbi_mask_expectation(const cb_stack_mask *mask);
/* The stream of a mask; cbi_mask_draw draws from it the row of a sequence at step t. */
cb_random cbi_mask_stream(const cb_stack_mask *mask, uint64_t seed);
void cbi_mask_draw(const cb_stack_mask *mask, const cb_random *stream, uint64_t sequence,
                   uint64_t t, float *out);

#endif
