/* SPDX-License-Identifier: MIT */
/*
 * The readout: z = V y + a on the top layer's output y, at each step or at the last one, and the
 * losses on it.
 *
 *   CB_LOSS_SOFTMAX     -log softmax(z)[label]                    dz = softmax(z) - onehot
 *   CB_LOSS_BERNOULLI   sum over k of softplus(z) - target*z      dz = sigmoid(z) - target
 *   CB_LOSS_SQUARED     mean over k of (z - target)^2             dz = 2/K (z - target)
 *
 * Values are f32; sums over rows are f64, row after row.
 */
#ifndef CB_TRAIN_READOUT_H
#define CB_TRAIN_READOUT_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/engine.h"
#include "cellbench/task.h"
#include "kernels/kernels.h"
#include "train/batch.h"

typedef struct cbi_readout {
    const cbi_kernels *kernels;
    size_t K, H;
    cb_loss loss;
    cb_when when;
    size_t ldk;     /* K rounded up to CBI_LANES */
    size_t block;   /* rows that are worked on at a time */
    float *z;       /* [most target rows][ldk]; after the loss: dz */
    float *scratch; /* [block][ldk] */
    float *work;    /* of the products */
    float *last;    /* [most sequences][H]: gathered rows (CB_WHEN_LAST), then their gradient */
    cbi_pointwise exp, sigmoid, softplus;
} cbi_readout;

typedef struct cbi_loss_sum {
    double loss;  /* summed over target rows */
    double wrong; /* wrong classes (CB_LOSS_SOFTMAX) */
} cbi_loss_sum;

/* Room for so many frames and sequences at most; H is the output dimension of the stack. */
CB_MUST_USE cb_status cbi_readout_init(cbi_readout *readout, const cb_data *data, size_t H,
                                       size_t frames, size_t sequences, cb_err *err);
void cbi_readout_fini(cbi_readout *readout);
/* Bytes that init takes. */
CB_MUST_USE cb_status cbi_readout_bytes(const cb_data *data, size_t H, size_t frames,
                                        size_t sequences, size_t *bytes, cb_err *err);

/*
 * Loss of a batch. V [K][H], then a [K], stand at w.
 *
 * y       in   output rows of the stack for batch->steps
 * scale   in   factor of the gradient; 0: leave it (nothing to call backward for)
 */
cbi_loss_sum cbi_readout_loss(cbi_readout *readout, const float *w, const cb_rows *y,
                              const cbi_batch *batch, double scale);

/* After cbi_readout_loss with scale != 0: gradient of w (overwritten), and dy, every row of it. */
void cbi_readout_backward(cbi_readout *readout, const float *w, const cb_rows *y,
                          const cbi_batch *batch, float *gradient, const cb_rows *dy);

#endif
