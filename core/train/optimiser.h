/* SPDX-License-Identifier: MIT */
/*
 * Optimisers: one row each. An update works on a span of weights at a time, because fixed tensors
 * are left out; the state vectors have the length of the whole weight vector.
 */
#ifndef CB_TRAIN_OPTIMISER_H
#define CB_TRAIN_OPTIMISER_H

#include <stddef.h>

enum { CBI_MOST_STATES = 3 };

/* What the numbers of one update are; the powers are worked out once for all spans. */
typedef struct cbi_step {
    double rate, momentum, beta1, beta2, epsilon;
    double power1, power2; /* beta1^t, beta2^t at update t = 1, 2, ...; start at 1 */
    double decay;          /* of running means: rmsprop, rmsprop-graves, adadelta */
    double weight_decay;   /* adamw */
} cbi_step;

typedef struct cbi_optimiser {
    const char *name;
    size_t states; /* state vectors, zero at first; at most CBI_MOST_STATES */
    void (*update)(const cbi_step *step, size_t n, const float *g, float *w, float *const *states);
} cbi_optimiser;

const cbi_optimiser *cbi_optimiser_find(const char *name); /* NULL if unknown */
/* Goes on to the next update: call before the first span of each. */
void cbi_step_advance(cbi_step *step);

#endif
