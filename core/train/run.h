/* SPDX-License-Identifier: MIT */
/*
 * A trial while it runs: run.c sets it up, loop.c goes through phases and batches, update.c makes
 * updates, checkpoint.c writes and restores all of it. Weights are one vector: the stack's, then
 * the readout's.
 */
#ifndef CB_TRAIN_RUN_H
#define CB_TRAIN_RUN_H

#include "train/average.h"
#include "train/batch.h"
#include "train/optimiser.h"
#include "train/position.h"
#include "train/readout.h"
#include "train/segment.h"
#include "train/stream.h"
#include "train/trial.h"

/* Neighbouring learned weights of one kind. */
typedef struct cbi_span {
    size_t offset, count;
    double limit; /* bound on their size; 0: none */
    int matrix;   /* penalties act on matrices alone; without any, kinds are not told apart */
} cbi_span;

/* A row of the curve as checkpoints keep it; doubles only. */
typedef struct cbi_told {
    double epoch, split, is_error, value, seconds;
} cbi_told;

typedef struct cbi_run {
    const cb_trial *trial;
    const cb_data *data;
    const cb_train_events *events;
    cb_trial_result *result;
    cb_engine *engine;
    cbi_readout readout;
    cbi_batch train, evaluation;
    cbi_stream stream;         /* of the training split, with `unroll` */
    cbi_segments segments;     /* of long sequences, with `segment` */
    cbi_batch *packed;         /* what the coming update is made from: train, or a stream's chunk */
    size_t stack_count, count; /* weights of the stack; all */
    float *w, *g, *best, *state[CBI_MOST_STATES];
    uint64_t *named;   /* [most sequences] names of a batch's sequences, for masks; else NULL */
    float *noisy;      /* [count] weights with noise; else NULL */
    float *mask;       /* [frames][H] dropout before the readout: factors; else NULL */
    float *masked;     /* the same: the output that the readout sees */
    const float *used; /* the weights that the engine has: w, noisy or an average */
    cbi_average average;
    uint32_t *order; /* of training sequences; then 0, 1, 2, ... for evaluations */
    size_t order_count;
    cbi_span *spans;
    size_t span_count;
    const cbi_optimiser *rule;
    cbi_step step; /* what does not change from update to update */
    cbi_progress now;
    cbi_told *told; /* rows of the curve so far; kept only for checkpoints */
    size_t told_count, told_capacity;
    double wall_mark, cpu_mark; /* clocks up to which `now` has the time */
    double next_checkpoint;     /* on the wall clock */
    int stopped, diverged;
} cbi_run;

/* Everything for the first update; cbi_run_fini in any case. */
CB_MUST_USE cb_status cbi_run_init(cbi_run *run, cb_err *err);
void cbi_run_fini(cbi_run *run);

#endif
