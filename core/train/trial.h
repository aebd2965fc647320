/* SPDX-License-Identifier: MIT */
/* A trial from within: what trial.c makes and loop.c and weights.c use. */
#ifndef CB_TRAIN_TRIAL_H
#define CB_TRAIN_TRIAL_H

#include "cellbench/train.h"
#include "train/options.h"

/* Sequences in one batch of an evaluation. It decides the order in which losses are summed: to
 * change it changes bits (CB_NUMERICS). */
enum { CBI_EVALUATION_BATCH = 64 };

struct cb_trial {
    const cb_data *data;
    cb_stack *stack;
    size_t hidden;
    uint64_t seed;
    json_t *train; /* resolved settings; the options borrow from it */
    cbi_options options;
    cb_idle_setting *idle;
    size_t idle_count;
    char *spec;
    char key[65];
};

/* Floats of the readout: V [K][H] and bias [K], behind the stack's weights. */
CB_MUST_USE cb_status cbi_readout_count(const cb_stack *stack, const cb_data *data, size_t *count,
                                        cb_err *err);

/* Stack's and readout's together. */
size_t cbi_trial_weight_count(const cb_trial *trial);

/*
 * Builds the stack whose layers with hidden = 0 have the largest size such that stack and readout
 * learn at most `params` numbers; *hidden receives it.
 */
CB_MUST_USE cb_status cbi_stack_size(cb_stack **out, size_t *hidden, cb_layer_spec *layers,
                                     size_t n, const cb_data *data, size_t params, cb_err *err);
/* Builds the stack with `hidden` for the layers that have none of their own. */
CB_MUST_USE cb_status cbi_stack_build(cb_stack **out, const cb_layer_spec *layers, size_t n,
                                      const cb_data *data, size_t hidden, cb_err *err);

/* Refuses, with both figures, a trial that needs more memory than this machine can give it. */
CB_MUST_USE cb_status cbi_trial_fits(const cb_trial *trial, cb_err *err);

#endif
