/* SPDX-License-Identifier: MIT */
/*
 * Averages of the weights over updates (Polyak, Juditsky 1992, "Acceleration of stochastic
 * approximation by averaging"), to evaluate instead of the weights themselves.
 */
#ifndef CB_TRAIN_AVERAGE_H
#define CB_TRAIN_AVERAGE_H

#include <stddef.h>

#include "cellbench/status.h"

/* In the order of the setting's choices. */
typedef enum cbi_average_kind {
    CBI_AVERAGE_NONE = 0,
    CBI_AVERAGE_EMA,
    CBI_AVERAGE_MEAN
} cbi_average_kind;

/* How far it is; size_t and double only (train/position.h). */
typedef struct cbi_average_progress {
    double power;   /* CBI_AVERAGE_EMA: decay^t after update t */
    size_t begun;   /* epochs begun */
    size_t updates; /* in the epoch at hand */
} cbi_average_progress;

typedef struct cbi_average {
    cbi_average_kind kind;
    size_t count;  /* weights */
    double decay;  /* CBI_AVERAGE_EMA */
    size_t epochs; /* CBI_AVERAGE_MEAN: so many at most */
    cbi_average_progress now;
    float *value; /* [count] the average */
    float *sums;  /* [epochs][count] CBI_AVERAGE_MEAN: each epoch's mean, in turn */
} cbi_average;

CB_MUST_USE cb_status cbi_average_init(cbi_average *average, cbi_average_kind kind, double decay,
                                       size_t epochs, size_t count, cb_err *err);
void cbi_average_fini(cbi_average *average);
/* Floats that init takes, as multiples of the number of weights. */
size_t cbi_average_vectors(cbi_average_kind kind, size_t epochs);

/* Before the first update of each epoch. */
void cbi_average_begin_epoch(cbi_average *average);
/* After each update. */
void cbi_average_add(cbi_average *average, const float *w);
/* The weights to evaluate: `w` itself without averaging. Borrowed until the next call. */
const float *cbi_average_weights(cbi_average *average, const float *w);

#endif
