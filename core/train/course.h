/* SPDX-License-Identifier: MIT */
/*
 * The course of a training: how long it goes on (epochs, updates, operations) and how the learning
 * rate changes. What makes no sense is refused with the settings, before anything runs.
 */
#ifndef CB_TRAIN_COURSE_H
#define CB_TRAIN_COURSE_H

#include <stddef.h>

#include "base/json.h"
#include "cellbench/engine.h"
#include "cellbench/task.h"

/* In the order of the setting's choices. */
typedef enum cbi_schedule_kind {
    CBI_SCHEDULE_CONSTANT = 0,
    CBI_SCHEDULE_STEP,
    CBI_SCHEDULE_EXPONENTIAL,
    CBI_SCHEDULE_COSINE,
    CBI_SCHEDULE_LINEAR,
    CBI_SCHEDULE_PLATEAU
} cbi_schedule_kind;

typedef struct cbi_schedule {
    cbi_schedule_kind kind;
    size_t hold, epochs;
    double factor;
    size_t warm_up; /* updates; 0: none */
} cbi_schedule;

/* Removes budgets that epochs use up before them; refuses one that is not enough for any update.
 * `train` holds the resolved settings. */
CB_MUST_USE cb_status cbi_budget_resolve(json_t *train, const cb_stack *stack, const cb_data *data,
                                         cb_err *err);
/* The most epochs that can be begun within such budgets. */
size_t cbi_budget_epochs(const json_t *train, const cb_stack *stack, const cb_data *data);

/* Puts in the length of a schedule that has none, and refuses what makes no sense. After budgets.
 */
CB_MUST_USE cb_status cbi_schedule_resolve(json_t *train, const cb_stack *stack,
                                           const cb_data *data, cb_err *err);
/*
 * What the rate is multiplied by in update number `update` (from 1), before which `gone` passes
 * over the training split were made (its fraction counts sequences), and after `drops` plateaus.
 */
double cbi_schedule_share(const cbi_schedule *schedule, size_t update, double gone, size_t drops);

/* Multiply-adds (x2) of a forward pass over so many frames and target rows, readout included. */
double cbi_forward_flop(const cb_stack *stack, const cb_data *data, size_t frames, size_t targets);
/* A training step costs about three forward passes: products forward, to inputs, to weights. */
enum { CBI_TRAINING_PASSES = 3 };

#endif
