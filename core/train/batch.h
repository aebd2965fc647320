/* SPDX-License-Identifier: MIT */
/*
 * Batches: sequences of a split laid out step after step, longest first (engine.h, "Rows"), with
 * their targets in the order in which the readout meets them.
 */
#ifndef CB_TRAIN_BATCH_H
#define CB_TRAIN_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/engine.h"
#include "cellbench/task.h"

/* What becomes a sequence of a batch: frames from .. from + length - 1 of the split. */
typedef struct cbi_member {
    size_t from, length;
    uint32_t sequence; /* of the split */
    uint32_t place;    /* in the list given: decides between equal lengths */
} cbi_member;

typedef struct cbi_batch {
    cb_steps steps;
    const float *x; /* [frames][ldx], dense input; else NULL */
    size_t ldx;
    const int32_t *index; /* [frames], index input; else NULL */
    size_t targets;       /* rows of targets: the frames, or the sequences (CB_WHEN_LAST) */
    const float *target;  /* [targets][target_dim]; NULL with CB_LOSS_SOFTMAX */
    const int32_t *label; /* [targets]; NULL otherwise */
    const size_t *last;   /* CB_WHEN_LAST: the frame that target row r belongs to; else NULL */

    /* owned storage of the above, and its limits */
    const cb_data *data;
    uint32_t *rows;
    float *x_store, *target_store;
    int32_t *index_store, *label_store;
    size_t *last_store;
    cbi_member *members;
    size_t most_sequences, most_frames, most_steps;
} cbi_batch;

/* The most frames that `n` sequences of a split can have together, and its longest sequence. */
CB_MUST_USE cb_status cbi_batch_most(const cb_split *split, size_t n, size_t *frames, size_t *steps,
                                     cb_err *err);

/* Makes room for any `n` sequences of any of the splits marked in `splits` (bit 1 << split). */
CB_MUST_USE cb_status cbi_batch_init(cbi_batch *batch, const cb_data *data, size_t n,
                                     unsigned splits, cb_err *err);
/* The same for up to n members with so many frames together, none longer than `steps`. */
CB_MUST_USE cb_status cbi_batch_init_sizes(cbi_batch *batch, const cb_data *data, size_t n,
                                           size_t frames, size_t steps, cb_err *err);
void cbi_batch_fini(cbi_batch *batch);
/* Bytes that cbi_batch_init takes. */
CB_MUST_USE cb_status cbi_batch_bytes(const cb_data *data, size_t n, size_t frames, size_t steps,
                                      size_t *bytes, cb_err *err);

/* Lays out the sequences named by list[0..n-1], n at most that of init. Sequences without frames
 * are left out: they have no step and no target. */
void cbi_batch_pack(cbi_batch *batch, const cb_split *split, const uint32_t *list, size_t n);

/* Lays out batch->members[0..n-1], which it sorts; each is at least one frame long. */
void cbi_batch_lay_out(cbi_batch *batch, const cb_split *split, size_t n);

/* The order of training sequences in an epoch (from 1): a permutation drawn from the stream
 * (seed, "order", epoch), or 0..n-1. */
void cbi_batch_order(uint64_t seed, uint64_t epoch, int shuffle, size_t n, uint32_t *order);

#endif
