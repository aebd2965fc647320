/* SPDX-License-Identifier: MIT */
/* What is done with one batch. */
#ifndef CB_TRAIN_UPDATE_H
#define CB_TRAIN_UPDATE_H

#include "train/run.h"

/* The engine computes with these weights from now on. */
CB_MUST_USE cb_status cbi_use_weights(cbi_run *run, const float *w, cb_err *err);
/* Multiply-adds (x2) of a forward pass. */
double cbi_batch_flop(const cbi_run *run, const cbi_batch *batch);
/* Forward through stack and readout; the loss is added to *tally. scale != 0: for an update, the
 * gradient of the loss times that is left in the readout. */
CB_MUST_USE cb_status cbi_forward(cbi_run *run, const cbi_batch *batch, double scale, cb_rows *y,
                                  cbi_tally *tally, cb_err *err);
/* One update from the batch that is packed; sets `diverged` instead if it cannot be made. `gone`:
 * passes over the training split before it. */
CB_MUST_USE cb_status cbi_update(cbi_run *run, double gone, cbi_tally *tally, cb_err *err);

#endif
