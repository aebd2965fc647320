/* SPDX-License-Identifier: MIT */
/*
 * How far a run is: all that it carries from one batch to the next beside its vectors. Every member
 * is a row of the table in checkpoint.c; one without a row does not compile. What is not here, nor
 * among the vectors listed there, must follow from the specification.
 */
#ifndef CB_TRAIN_POSITION_H
#define CB_TRAIN_POSITION_H

#include <stddef.h>

#include "train/readout.h"

/* A run goes VALID (epoch 0), then TRAIN, VALID in turn, then TEST. */
typedef enum cbi_phase {
    CBI_PHASE_VALID = 0,
    CBI_PHASE_TRAIN,
    CBI_PHASE_TEST,
    CBI_PHASE_END
} cbi_phase;

/* A metric summed over rows of targets. */
typedef struct cbi_tally {
    cbi_loss_sum sum;
    size_t targets;
} cbi_tally;

/* Members are size_t and double only. */
typedef struct cbi_progress {
    /* the phase at hand */
    size_t phase, epoch;
    size_t at; /* sequences, or steps of the streams, that are behind it in this phase */
    cbi_tally tally;
    double seconds; /* wall time of this phase */

    /* the course of the training */
    size_t updates;
    size_t spent;            /* 1: a budget has no room for another update */
    double trained_flop;     /* of updates: what the budget of operations is spent on */
    size_t drops, last_drop; /* of the rate by plateaus; epoch of the last one */
    double power1, power2;   /* beta1^updates, beta2^updates */

    /* the result so far */
    size_t epochs, best_epoch;
    double train; /* training metric of the last epoch that was trained */
    double best_train, best_valid, best_error;
    double flop, wall_seconds, cpu_seconds;
} cbi_progress;

#endif
