/* SPDX-License-Identifier: MIT */
/*
 * Training: one trial from its specification to its results. A trial computes on one thread and
 * gives the same bits whatever runs beside it.
 *
 * A raw specification is a JSON object, as a study writes it down:
 *
 *   { "task":   { "name": "music", "settings": { "file": "jsb-chorales-quarter.json" } },
 *     "layers": [ { "name": "lstm", "text": "state h, c\n...", "settings": {"periods": [1,2]},
 *                   "bidirectional": true,    // a second cell runs backwards; default false
 *                   "residual": true } ],     // input + output; default false
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
 * Settings of "train" (all are part of the identity; those marked "off" are in it only when they
 * are on, and those that belong to a value of another setting only with that value):
 *
 *   optimiser     "adam"     sgd, momentum, nesterov, adam, adamw, rmsprop, rmsprop-graves, adagrad
 *                            or adadelta
 *   rate          0.001      learning rate r; rmsprop-graves 0.0001 (Graves 2013), adagrad 0.01
 *                            (PyTorch), adadelta 1
 *   momentum      0.9        m of momentum, nesterov, rmsprop-graves; of rmsprop 0
 *   beta1, beta2  0.9 0.999  of adam, adamw
 *   epsilon       1e-8       e of adam, adamw, rmsprop; rmsprop-graves 0.0001, adagrad 1e-10
 *                            (PyTorch), adadelta 1e-6 (Zeiler 2012)
 *   decay         0.95       d of rmsprop-graves, adadelta; of rmsprop 0.99 (PyTorch; 0.9 in
 *                            Tieleman, Hinton 2012)
 *   weight_decay  0.01       of adamw (PyTorch); acts on matrices
 *   schedule      "constant" off. What the rate is multiplied by, see below: step, exponential,
 *                            cosine, linear or plateau
 *   schedule_hold            h, 0; step: schedule_epochs; not read by plateau
 *   schedule_epochs          n, step 10, exponential 1, plateau 5; cosine, linear: all that is left
 *   schedule_factor          f, step and plateau 0.5, exponential 0.95, cosine and linear 0
 *   warm_up       0          off. In update u <= warm_up the rate is also multiplied by u/warm_up:
 *                            Goyal et al. 2017
 *   clip          null       largest norm of the whole gradient; null: no clipping
 *   clip_value    null       off. Each element of the gradient is cut to -v..v, before the norm is
 *                            taken: Mikolov 2012. (Graves 2013 cuts derivatives within a network.)
 *   l2            0          off. l2*w is added to the gradient, after clipping; the loss that is
 *                            reported is without it. Matrices only, the readout's too; not vectors
 *   weight_noise  0          off. sd of Gaussian noise on all learned weights, drawn for each
 *                            update and kept over its passes; the gradient found with it is
 *                            applied to the weights without: Graves 2011, 2013 (0.075)
 *   input_noise   0          off. sd of Gaussian noise on dense input, in training
 *   dropout       0          off. Probability with which an element of a layer's output is 0 for
 *                            the layer above, or the readout, in training; the others are divided
 *                            by 1 - dropout. The recurrence sees all: Zaremba et al. 2014
 *   input_dropout 0          off. The same of dense input
 *   variational_input 0      off. These five are rates q of regularisers within each cell; what
 *   variational_state 0      they do to its equations stands in cellbench/cell.h. Masks are drawn
 *   recurrent_dropout 0      anew for each sequence in each epoch, whatever its batch, and kept
 *   zoneout       0          from chunk to chunk with `unroll`. Evaluation takes their
 *   zoneout_c     null       expectations. zoneout is of h and c (of all states where a cell has
 *                            neither), zoneout_c of c where that is another one. No effect, and not
 *                            in the identity: where a cell has no place for it
 *   average       "none"     off. Validation, the choice of the best epoch and the test use
 *                            averaged weights: Polyak, Juditsky 1992. ema: the sum over updates t
 *                            of a^(now - t) w_t, divided by the sum of these factors; mean: all
 *                            updates of the last epochs alike
 *   average_decay 0.999      a of ema
 *   average_epochs 5         of mean
 *   batch         16         sequences in one update; the last of an epoch may be smaller
 *   epochs        100        most passes over the training split
 *   updates       null       off. Most updates. Training ends with what is used up first; then
 *                            comes validation, also within an epoch
 *   operations    null       off. Most flop of the updates together (three forward passes each), by
 *                            the cost model, so that it does not depend on any clock; an update
 *                            that does not fit is not begun. Evaluations are not counted
 *   patience      null       stop after so many epochs without a lower validation metric
 *   loss_scale    "frame"    what the gradient of the loss, summed over a batch, is divided by:
 *                            "sum" nothing, "sequence" its sequences, "frame" its frames (with
 *                            CB_WHEN_LAST, where these are the same, resolved to "frame")
 *   order         "shuffle"  or "sequential": the order of training sequences in an epoch
 *   unroll        null       off. Truncated BPTT: the frames of the training split, in order, are
 *                            cut into `batch` streams of equal length; an update is made from the
 *                            next so many steps of each, the state carried over without its
 *                            gradient (Williams & Peng 1990; Zaremba et al. 2014). Where a sequence
 *                            begins, the state begins anew. For tasks with a target at each step
 *   segment       null       off. Long sequences with little memory: what the backward pass needs
 *                            is kept for one segment of at least so many steps at a time, and the
 *                            forward pass of each is run again (Chen et al. 2016). 0: about as
 *                            many steps as take the least memory, the square root of all of them.
 *                            Costs one more forward pass, a quarter to a third more time (`flop`
 *                            does not count it), and changes no bit. Not with unroll or a
 *                            bidirectional layer
 *   forget_bias   null       initial value of the vectors named b_f; null, or no such vector in
 *                            the cell, or "b_f" in init: no effect, resolved to null
 *   init          {}         laws by tensor ("1.R_z"), name ("R_z") or family ("R"):
 *                            {"R": "orthogonal(1)"}; one that names nothing is an error
 *   readout_init  "glorot"   law of the readout's matrix: zero, constant(a), uniform(a),
 *                            uniform(a, b), normal(sd) or glorot; its bias starts at 0
 *
 *   sgd        w -= r*g
 *   momentum   v = m*v - r*g, w += v                         Sutskever et al. 2013, eq. 1, 2
 *   nesterov   v = m*v - r*g, w += m*v - r*g                 eq. 3, 4; w is the point at which
 *                                                            the gradient is taken
 *   adam       Kingma, Ba 2015, algorithm 1, with bias correction
 *   adamw      w -= r*weight_decay*w, then adam              Loshchilov, Hutter 2019, algorithm 2;
 *                                                            their lambda is r*weight_decay
 *   rmsprop    n = d*n + (1-d)*g^2                           Tieleman, Hinton 2012; momentum as in
 *              v = m*v + g/(sqrt(n) + e), w -= r*v           PyTorch
 *   rmsprop-graves                                           Graves 2013, eq. 38 to 45: g is
 *              n = d*n + (1-d)*g^2, a = d*a + (1-d)*g        divided by its standard deviation,
 *              v = m*v - r*g/sqrt(n - a^2 + e), w += v       not by its root mean square
 *   adagrad    s += g^2, w -= r*g/(sqrt(s) + e)              Duchi et al. 2011
 *   adadelta   n = d*n + (1-d)*g^2                           Zeiler 2012, algorithm 1
 *              v = sqrt((s + e)/(n + e))*g
 *              s = d*s + (1-d)*v^2, w -= r*v
 *   clip       g *= clip/|g| if |g| > clip, over all tensors together: Pascanu et al. 2013
 *
 * Schedules. p: passes made before an update; it counts sequences, 3.5 in the middle of epoch 4.
 *
 *   step         1 while p < h, then f^(1 + floor((p - h)/n)). Zaremba et al. 2014, small model:
 *                schedule_hold = 4, schedule_epochs = 1, schedule_factor = 0.5
 *   exponential  1 while p < h, then f^((p - h)/n)
 *   linear       1 while p < h, then down to f along a line over n epochs
 *   cosine       the same along half a cosine: Loshchilov, Hutter 2017, eq. 5, without restarts
 *   plateau      times f whenever the validation metric has not been lower for n epochs, counted
 *                from the best epoch or the last drop
 *
 * Refused: a warm-up as long as the training, a schedule that begins or ends after it, a plateau
 * that patience never lets act, a factor that changes nothing or (but for linear and cosine) ends
 * it, operations that are not enough for one update, noise on input that is not dense.
 *
 * An epoch: a permutation of the training sequences from the stream (seed, "order", epoch), cut
 * into batches; in each, sequences stand longest first, equal ones in the order drawn. Each update:
 * noise and dropout from the streams (seed, purpose, update) with the purposes "noise/input",
 * "noise/weights", "dropout/input", "dropout/<layer>" and "dropout/readout"; masks of regularisers
 * from the streams "mask/..." (cb_engine_set_masks), where a sequence is named by the epoch times
 * 2^40 plus its first frame in the split (of its part, where a stream begins within it); forward,
 * loss, back-propagation through the whole sequences, clip_value, clip, l2, step, limits of the
 * cell; fixed tensors stay. The training metric is the running one, each batch before its update.
 * Then validation. Epoch 0 is validation before the first update; it takes part in the choice of
 * the best epoch. The readout z = V y + a stands on the output of the top layer.
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
 * borrowed: it must stay open as long as the trial is used). Builds the stack. CB_EPARSE: no JSON,
 * or a mistake in a cell's text; CB_EARG: a key, a type or a value; CB_ESHAPE: a cell that does not
 * exist at this size; CB_EDATA: a resolved specification of other data, an empty split;
 * CB_ENOMEM. */
CB_API CB_MUST_USE cb_status cb_trial_create(cb_trial **out, const char *raw_json,
                                             const cb_task *task, cb_err *err);
/* NULL is allowed. */
CB_API void cb_trial_destroy(cb_trial *trial);
/* Canonical JSON of the resolved specification; borrowed. cb_trial_create accepts it too, and
 * gives the same trial. */
CB_API const char *cb_trial_spec(const cb_trial *trial);
CB_API const char *cb_trial_key(const cb_trial *trial); /* 64 hex digits; borrowed */

/* A setting of "train" that was given and has no effect in this trial: momentum beside adam. It is
 * no error, and not part of the trial's identity. */
typedef struct cb_idle_setting {
    const char *name;
    char why[96]; /* "optimiser 'adam' does not read it" */
} cb_idle_setting;
/* In the order of cb_train_settings; borrowed until destroy. */
CB_API const cb_idle_setting *cb_trial_idle(const cb_trial *trial, size_t *n);

/* Borrowed until destroy. */
CB_API const cb_stack *cb_trial_stack(const cb_trial *trial);
CB_API size_t cb_trial_hidden(const cb_trial *trial); /* of the top layer */
/* Learned numbers, readout included. */
CB_API size_t cb_trial_param_count(const cb_trial *trial);
/* Multiply-adds (x2) of one epoch: training (three passes) and validation. */
CB_API double cb_trial_epoch_flop(const cb_trial *trial);
/* The most epochs it can take (setting `epochs`). */
CB_API size_t cb_trial_epochs(const cb_trial *trial);
/* Bytes by which a process grows at most that runs it, the task's data not counted: never less than
 * it really takes, and little more. Some 12 MB of it come once with the first trial of a process.
 */
CB_API CB_MUST_USE cb_status cb_trial_memory(const cb_trial *trial, size_t *bytes, cb_err *err);
/* Bytes of the task's data, which all trials of it in a process share. */
CB_API size_t cb_trial_data_bytes(const cb_trial *trial);

typedef enum cb_trial_state {
    CB_TRIAL_DONE = 0,     /* ran to its end or was stopped early by its patience */
    CB_TRIAL_DIVERGED = 1, /* loss, gradient or a weight was not finite, in epoch `epochs` */
    CB_TRIAL_STOPPED = 2   /* `stop` said so: no result, but perhaps a checkpoint */
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
    /* May be NULL. Asked between batches, of training and of evaluations; 1 stops the trial. */
    int (*stop)(void *context);
    /*
     * NULL: none. Path of a file from which the trial goes on if a whole checkpoint of this very
     * trial lies there (same key, CB_NUMERICS and kernels, hash of its content intact); anything
     * else in that place is left alone until the first checkpoint takes it, and the training begins
     * at its beginning. The rows of the earlier attempt are told again first, so that the receiver
     * always gets the whole curve; rows, weights and result have the bits of an undisturbed run.
     *
     * Written each checkpoint_seconds (0: not by time), but so seldom that it takes no more than
     * about 2 % of the time, and when `stop` says so. It appears whole or not at all. What cannot
     * be written does no harm to the trial: see checkpoint_error below. The caller removes the file
     * when the result is kept.
     */
    const char *checkpoint;
    double checkpoint_seconds;
    /* NULL: the system's monotonic clock. Seconds, from any origin, by which wall times are told.
     */
    double (*clock)(void *context);
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
    double wall_seconds, cpu_seconds; /* of all attempts that the checkpoints joined */
    double flop;
    size_t resumed_epochs;  /* taken over from a checkpoint: epochs that it had ended, */
    size_t resumed_updates; /* and updates; 0: began at the beginning */
    size_t checkpoints;     /* written in this attempt */
    char checkpoint_error[CB_ERR_TEXT]; /* why the last one could not be; "" if it could */
    float *weights; /* the best ones: stack's, then readout V [K][H], then its bias [K];
                       caller frees with cb_free; NULL if diverged or stopped */
    size_t weight_count;
} cb_trial_result;

/* Trains, validates after each epoch, stops early, takes the test value. A trial that diverges is a
 * result, not an error. Rows come in order: valid of epoch 0; train and valid of 1, 2, ...; test,
 * with the number of the best epoch. Where a trial diverges
 * the rows end: all of them are finite. CB_ENOMEM, with both figures and before anything is tried,
 * if cb_trial_memory is more than 9/10 of this machine's memory. */
CB_API CB_MUST_USE cb_status cb_trial_run(const cb_trial *trial, const cb_train_events *events,
                                          cb_trial_result *out, cb_err *err);

/* Writes weights as safetensors: a header of names and shapes ("1.W_z", ..., "readout.V",
 * "readout.b"; a matrix with a structure as the list of its free numbers), then the floats. The
 * file appears whole or not at all (written beside, synced, renamed). sha256 [65] receives the
 * file's hash. */
CB_API CB_MUST_USE cb_status cb_trial_save(const cb_trial *trial, const cb_trial_result *result,
                                           const char *path, char *sha256, cb_err *err);
/* Reads such a file, or one of the same tensors that another program wrote as F32, into weights in
 * the order of cb_trial_result; caller frees them with cb_free. CB_EDATA: it is not such a file, or
 * a tensor is missing, unknown or of another type or shape (it may be another trial's: names and
 * shapes decide); CB_EIO. */
CB_API CB_MUST_USE cb_status cb_trial_load(const cb_trial *trial, const char *path, float **weights,
                                           size_t *count, cb_err *err);
/* The same for the weights of a stack alone, w [cb_stack_weight_count]. A file's readout is passed
 * over, so that the weights of a trial can be loaded into its stack. */
CB_API CB_MUST_USE cb_status cb_weights_save(const cb_stack *stack, const float *w,
                                             const char *path, cb_err *err);
CB_API CB_MUST_USE cb_status cb_weights_load(const cb_stack *stack, const char *path, float *w,
                                             cb_err *err);

#ifdef __cplusplus
}
#endif
#endif
