/* SPDX-License-Identifier: MIT */
/*
 * Training settings, read into a struct once they are resolved. The table itself is
 * cb_train_settings(); what each means stands in cellbench/train.h.
 */
#ifndef CB_TRAIN_OPTIONS_H
#define CB_TRAIN_OPTIONS_H

#include <stddef.h>

#include "base/json.h"
#include "cellbench/engine.h"
#include "cellbench/task.h"
#include "cellbench/train.h"
#include "train/average.h"
#include "train/course.h"
#include "train/segment.h"

typedef enum cbi_loss_scale {
    CBI_SCALE_SUM = 0,
    CBI_SCALE_SEQUENCE = 1,
    CBI_SCALE_FRAME = 2
} cbi_loss_scale;

typedef struct cbi_options {
    const char *optimiser; /* borrowed from the resolved object */
    double rate, momentum, beta1, beta2, epsilon;
    double decay, weight_decay;
    cbi_schedule schedule;
    double clip, clip_value; /* 0: none */
    double l2, weight_noise, input_noise, dropout, input_dropout;
    cbi_average_kind average;
    double average_decay;
    size_t average_epochs;
    size_t batch, epochs;
    size_t updates;     /* 0: no other limit than the epochs */
    double operations;  /* likewise */
    size_t most_epochs; /* that can be begun within all of these */
    size_t patience;    /* 0: none */
    cbi_loss_scale loss_scale;
    int shuffle;
    size_t unroll;  /* steps of a chunk of streams; 0: whole sequences */
    size_t segment; /* least steps of a segment, or CBI_SEGMENT_AUTO; 0: off */
    cb_init readout_init;
    cb_init_override *overrides; /* owned; names are borrowed from the resolved object */
    size_t override_count;
} cbi_options;

/*
 * *out: a new object with every setting that has an effect on this stack and task: defaults put
 * in, initialisation laws in one spelling, settings of other optimisers left out. Two requests
 * that train alike resolve alike.
 */
CB_MUST_USE cb_status cbi_options_resolve(json_t **out, const json_t *given, const cb_stack *stack,
                                          const cb_data *data, cb_err *err);
/* Reads such an object; `resolved` must outlive the options. */
CB_MUST_USE cb_status cbi_options_read(cbi_options *out, json_t *resolved, const cb_stack *stack,
                                       const cb_data *data, cb_err *err);
void cbi_options_fini(cbi_options *options);
/* Puts the regularisers of resolved settings into the stack, and takes those settings away that
 * change nothing in it. */
CB_MUST_USE cb_status cbi_regularise(cb_stack *stack, json_t *resolved, cb_err *err);

/* The setting whose value decides whether this one is read; NULL: none does. */
const char *cbi_options_chooser(const char *setting);
/* Which of `given` have no effect in what they were resolved to. Caller: cbi_free. */
CB_MUST_USE cb_status cbi_options_idle(cb_idle_setting **out, size_t *n, const json_t *given,
                                       const json_t *resolved, cb_err *err);

/* A resolved setting; 0 if it is left out or null. */
double cbi_options_number(const json_t *resolved, const char *name);
size_t cbi_options_count(const json_t *resolved, const char *name);
cbi_schedule_kind cbi_options_schedule(const json_t *resolved);

#endif
