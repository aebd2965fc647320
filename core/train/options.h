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

typedef enum cbi_loss_scale {
    CBI_SCALE_SUM = 0,
    CBI_SCALE_SEQUENCE = 1,
    CBI_SCALE_FRAME = 2
} cbi_loss_scale;

typedef struct cbi_options {
    const char *optimiser; /* borrowed from the resolved object */
    double rate, momentum, beta1, beta2, epsilon;
    double clip; /* 0: none */
    size_t batch, epochs;
    size_t patience; /* 0: none */
    cbi_loss_scale loss_scale;
    int shuffle;
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
CB_MUST_USE cb_status cbi_options_read(cbi_options *out, json_t *resolved, cb_err *err);
void cbi_options_fini(cbi_options *options);

#endif
