/* SPDX-License-Identifier: MIT */
/*
 * Training: one trial from its specification to its results. A trial computes on one thread and
 * gives the same bits whatever runs beside it.
 *
 * A raw specification is a JSON object, as a study writes it down:
 *
 *   { "task":   { "name": "music", "settings": { "file": "jsb-chorales-quarter.json" } },
 *     "layers": [ { "name": "lstm", "text": "state h, c\n...", "settings": {"periods": [1,2]} } ],
 *     "depth":  2,                  // repeats the one layer of the list; default: none is repeated
 *     "hidden": 36,                 // size of every layer that has no "hidden" of its own; or
 *                                   // "params": 20000: the largest size that has at most that many
 *                                   //   learned numbers, readout included
 *     "train":  { "rate": 0.01 },   // the settings below; what is missing takes its default
 *     "seed":   1 }                 // default 1
 *
 * Resolved, it has every default put in, the expanded text of each cell, the hidden size in each
 * layer, the task's identity with the hash of its data, and "format": 1. The trial's key is the
 * SHA-256 of the canonical JSON (sorted keys, no spaces, %.17g) of exactly that. Names of cells,
 * paths of files, study, jobs and machine are not in it; neither are settings that change nothing
 * in the trial at hand (see below), so that they never split one trial into two.
 *
 * "params": the number grows with the size, which is found by doubling and bisection. A cell that
 * cannot be built at some size (its dimensions must divide exactly, as the clockwork's) counts
 * there as at the nearest smaller size, up to 63 below, that can: the size found is always one
 * that builds. It is an error if the smallest one has too many already.
 *
 * Settings of "train" (all are part of the identity):
 *
 *   optimiser     "adam"     sgd, momentum, nesterov or adam
 *   rate          0.001      learning rate r
 *   momentum      0.9        m; left out unless the optimiser is momentum or nesterov
 *   beta1, beta2  0.9 0.999  left out unless the optimiser is adam
 *   epsilon       1e-8       likewise
 *   clip          null       largest norm of the whole gradient; null: no clipping
 *   batch         16         sequences in one update; the last of an epoch may be smaller
 *   epochs        100        most passes over the training split
 *   patience      null       stop after so many epochs without a lower validation metric
 *   loss_scale    "frame"    what the gradient of the loss, summed over a batch, is divided by:
 *                            "sum" nothing, "sequence" its sequences, "frame" its frames (with
 *                            CB_WHEN_LAST, where these are the same, resolved to "frame")
 *   order         "shuffle"  or "sequential": the order of training sequences in an epoch
 *   forget_bias   null       initial value of the vectors named b_f; null, or no such vector in the
 *                            cell, or "b_f" in init: no effect, resolved to null
 *   init          {}         laws by tensor ("1.R_z"), name ("R_z") or family ("R"):
 *                            {"R": "orthogonal(1)"}; one that names nothing is an error
 *   readout_init  "glorot"   law of the readout's matrix: zero, constant(a), uniform(a), normal(sd)
 *                            or glorot; its bias starts at 0
 *
 *   sgd        w -= r*g
 *   momentum   v = m*v - r*g, w += v                         Sutskever et al. 2013, eq. 1, 2
 *   nesterov   v = m*v - r*g, w += m*v - r*g                 eq. 3, 4; w is the point at which
 *                                                            the gradient is taken
 *   adam       Kingma, Ba 2015, algorithm 1, with bias correction
 *   clip       g *= clip/|g| if |g| > clip, over all tensors together: Pascanu et al. 2013
 *
 * An epoch: a permutation of the training sequences from the stream (seed, "order", epoch), cut
 * into batches; in each, sequences stand longest first, equal ones in the order drawn. Each update:
 * forward, loss, back-propagation through the whole sequences, clip, step, limits of the cell;
 * fixed tensors stay. The training metric is the running one, each batch before its update. Then
 * validation. Epoch 0 is validation before the first update; it takes part in the choice of the
 * best epoch. The readout z = V y + a stands on the output of the top layer.
 */
#ifndef CELLBENCH_TRAIN_H
#define CELLBENCH_TRAIN_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/engine.h"
#include "cellbench/status.h"
#include "cellbench/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Raised by one whenever the bits of any result change; stored with each attempt; a test with
 * golden bits per instruction set fails when bits change without it. */
enum { CB_NUMERICS = 1 };
/* Raised when the meaning of a resolved specification changes. */
enum { CB_TRIAL_FORMAT = 1 };

/* Every training setting: name, type, default, range, help. Ended by a row with name NULL. */
CB_API const cb_setting_def *cb_train_settings(void);

typedef struct cb_trial cb_trial;

/* Resolves and checks a raw specification (the task is given, open, so that many trials share it;
 * borrowed). Builds the stack. */
CB_API CB_MUST_USE cb_status cb_trial_create(cb_trial **out, const char *raw_json,
                                             const cb_task *task, cb_err *err);
CB_API void cb_trial_destroy(cb_trial *trial);
/* Canonical JSON of the resolved specification; borrowed. cb_trial_create accepts it too, and
 * gives the same trial. */
CB_API const char *cb_trial_spec(const cb_trial *trial);
CB_API const char *cb_trial_key(const cb_trial *trial); /* 64 hex digits; borrowed */
CB_API const cb_stack *cb_trial_stack(const cb_trial *trial);
CB_API size_t cb_trial_hidden(const cb_trial *trial); /* of the top layer */
/* Learned numbers, readout included. */
CB_API size_t cb_trial_param_count(const cb_trial *trial);
/* Multiply-adds (x2) of one epoch: training (three passes) and validation. */
CB_API double cb_trial_epoch_flop(const cb_trial *trial);
/* The most epochs it can take (setting `epochs`). */
CB_API size_t cb_trial_epochs(const cb_trial *trial);
/* Bytes that it will hold at most, data not counted; an estimate for planning. */
CB_API CB_MUST_USE cb_status cb_trial_memory(const cb_trial *trial, size_t *bytes, cb_err *err);

typedef enum cb_trial_state {
    CB_TRIAL_DONE = 0,     /* ran to its end or was stopped early by its patience */
    CB_TRIAL_DIVERGED = 1, /* loss, gradient or a weight was not finite, in epoch `epochs` */
    CB_TRIAL_STOPPED = 2   /* `stop` said so: no result */
} cb_trial_state;

/* One row of a learning curve; metrics are weighted by frame over the split (CB_WHEN_LAST: by
 * sequence). Epoch 0 is before the first update. */
typedef struct cb_epoch_row {
    size_t epoch;
    cb_split_name split;
    const char *metric; /* "nats", "mse", "error" (share of wrong classes) */
    double value;
    double seconds; /* wall time that the epoch took; training and validation apart */
} cb_epoch_row;

typedef struct cb_train_events {
    void *context;
    /* May be NULL. A status other than CB_OK ends the trial with it. */
    cb_status (*row)(void *context, const cb_epoch_row *row, cb_err *err);
    /* May be NULL. Asked between updates; 1 stops the trial. */
    int (*stop)(void *context);
} cb_train_events;

typedef struct cb_trial_result {
    cb_trial_state state;
    size_t epochs;     /* begun */
    size_t best_epoch; /* of the lowest validation metric */
    double train;      /* deciding metric at the best epoch; NaN if that is 0. All metrics are NaN
                          unless the state is CB_TRIAL_DONE */
    double valid;
    double test;                    /* taken once, from the best weights */
    double valid_error, test_error; /* share of wrong classes; NaN unless CB_LOSS_SOFTMAX */
    size_t updates;
    double wall_seconds, cpu_seconds;
    double flop;
    float *weights; /* the best ones: stack's, then readout V [K][H], then its bias [K];
                       caller frees with cb_free; NULL if diverged or stopped */
    size_t weight_count;
} cb_trial_result;

/* Trains, validates after each epoch, stops early, takes the test value. A trial that diverges is a
 * result, not an error. Rows come in order: valid of epoch 0; train and valid of 1, 2, ...; test,
 * with the number of the best epoch. Where a trial diverges
 * the rows end: all of them are finite. */
CB_API CB_MUST_USE cb_status cb_trial_run(const cb_trial *trial, const cb_train_events *events,
                                          cb_trial_result *out, cb_err *err);

/* Writes weights as safetensors: a header of names and shapes ("1.W_z", ..., "readout.V",
 * "readout.b"; a matrix with a structure as the list of its free numbers), then the floats. The
 * file appears whole or not at all (written beside, synced, renamed). sha256 [65] receives the
 * file's hash. */
CB_API CB_MUST_USE cb_status cb_trial_save(const cb_trial *trial, const cb_trial_result *result,
                                           const char *path, char *sha256, cb_err *err);

#ifdef __cplusplus
}
#endif
#endif
