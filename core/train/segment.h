/* SPDX-License-Identifier: MIT */
/*
 * Long sequences with little memory: back-propagation through all of a batch, a segment of its
 * steps at a time (Chen et al. 2016, "Training deep nets with sublinear memory cost", after
 * Griewank 1992). The forward pass leaves nothing but the output and the states at the borders;
 * the backward pass goes from the last segment to the first and runs each forward again. The bits
 * are those of whole sequences.
 */
#ifndef CB_TRAIN_SEGMENT_H
#define CB_TRAIN_SEGMENT_H

#include "train/batch.h"

/* The number of steps is chosen for the least memory. */
#define CBI_SEGMENT_AUTO SIZE_MAX

/* The most that a batch has. */
typedef struct cbi_extent {
    size_t B, frames, steps;
} cbi_extent;

typedef struct cbi_segments {
    const cb_stack *stack;
    size_t least;  /* steps of a segment, but for the last; 0: off, and nothing is owned */
    size_t states; /* elements of all states of a sequence */
    size_t most_B, ld;
    float *y, *dy;      /* [frames][ld] output of the stack, and its gradient */
    size_t *from;       /* [segments + 1] first steps; then T */
    size_t *frame;      /* likewise first frames */
    float *border;      /* [segments][states][B] at the beginning of each; the first is not used */
    float *d_border;    /* [states][B] gradient, from the segment behind */
    uint32_t *start;    /* [B] */
    size_t count, most; /* segments of the batch at hand; room */
} cbi_segments;

/* Steps of a segment: `wanted`, or, with CBI_SEGMENT_AUTO, about the square root of the training
 * batch's steps, by what a frame and a border take. */
CB_MUST_USE cb_status cbi_segment_steps(const cb_stack *stack, size_t wanted,
                                        const cbi_extent *training, size_t *steps, cb_err *err);
/* An engine's planes hold at most so many frames at once. */
size_t cbi_segment_frames(const cbi_extent *batch, size_t steps);
/* Room for batches of training, and of both training and evaluation. */
CB_MUST_USE cb_status cbi_segments_init(cbi_segments *segments, const cb_stack *stack, size_t steps,
                                        const cbi_extent *training, const cbi_extent *both,
                                        cb_err *err);
/* Bytes that init takes, and the states that forward and backward hand to the engine. */
CB_MUST_USE cb_status cbi_segments_bytes(const cb_stack *stack, size_t steps,
                                         const cbi_extent *training, const cbi_extent *both,
                                         size_t *bytes, cb_err *err);
void cbi_segments_fini(cbi_segments *segments);

/* As cb_engine_forward, cb_engine_output_gradient and cb_engine_backward, in that order. */
CB_MUST_USE cb_status cbi_segments_forward(cbi_segments *segments, cb_engine *engine,
                                           const cbi_batch *batch, int keep, cb_rows *y,
                                           cb_err *err);
cb_rows cbi_segments_output_gradient(const cbi_segments *segments);
CB_MUST_USE cb_status cbi_segments_backward(cbi_segments *segments, cb_engine *engine,
                                            const cbi_batch *batch, float *gradient, cb_err *err);

#endif
