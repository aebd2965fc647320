/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints: a run between two batches, in a safetensors file. Scalars stand in its metadata,
 * reals with all their bits; vectors and the rows of the curve are tensors.
 */
#ifndef CB_TRAIN_CHECKPOINT_H
#define CB_TRAIN_CHECKPOINT_H

#include "train/run.h"

CB_MUST_USE cb_status cbi_checkpoint_write(cbi_run *run, const char *path, cb_err *err);

typedef enum cbi_resumed {
    CBI_RESUMED_NOT = 0,
    CBI_RESUMED,
    CBI_RESUMED_TORN /* no; and the run may be half overwritten */
} cbi_resumed;

/* Takes over what the file holds into a run that was just set up, if it is a whole checkpoint of
 * this trial. CB_ENOMEM alone is an error. */
CB_MUST_USE cb_status cbi_checkpoint_read(cbi_run *run, const char *path, cbi_resumed *resumed,
                                          cb_err *err);

/* Keeps a row of the curve for later checkpoints. */
CB_MUST_USE cb_status cbi_checkpoint_told(cbi_run *run, const cbi_told *row, cb_err *err);

#endif
