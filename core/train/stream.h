/* SPDX-License-Identifier: MIT */
/*
 * Streams, for truncated back-propagation through time (Williams & Peng 1990; with state carried
 * over from chunk to chunk as in Zaremba, Sutskever & Vinyals 2014): the frames of a split, in
 * order, are cut into `rows` streams of equal length, and these into chunks of `unroll` steps. A
 * chunk goes on in the state in which the last one ended; the gradient stops at its edge. Where a
 * new sequence begins, also in the middle of a chunk, the state begins anew: a chunk is a batch of
 * the pieces of sequences that lie in it (cellbench/engine.h, cb_engine_set_initial_rows).
 */
#ifndef CB_TRAIN_STREAM_H
#define CB_TRAIN_STREAM_H

#include "train/batch.h"

typedef struct cbi_stream {
    cbi_batch batch; /* the chunk, packed */
    const cb_split *split;
    const cb_stack *stack;
    size_t rows, unroll;
    size_t at;              /* of the chunk that is packed */
    size_t length;          /* of the longest stream */
    uint32_t *start;        /* [most members] t of each member's first frame within its sequence */
    unsigned char *given;   /* [most members] 1: goes on from the last chunk */
    uint32_t *stream_of;    /* [most members] after the layout */
    uint32_t *sequence_of;  /* [frames of the split] */
    float *carried;         /* [states of all layers][rows][widest state] */
    size_t carried_count;   /* floats of it */
    size_t carried_stride;  /* floats of one state */
    float *initial, *final; /* [most members][widest state] */
} cbi_stream;

/* rows is lowered to the number of frames. CB_EARG unless the task has a target at each step. */
CB_MUST_USE cb_status cbi_stream_init(cbi_stream *stream, const cb_data *data,
                                      const cb_split *split, const cb_stack *stack, size_t rows,
                                      size_t unroll, cb_err *err);
void cbi_stream_fini(cbi_stream *stream);
/* The most members and frames that a chunk has. */
CB_MUST_USE cb_status cbi_stream_most(const cb_split *split, size_t rows, size_t unroll,
                                      size_t *members, size_t *frames, cb_err *err);
/* Bytes that cbi_stream_init takes, and the states that cbi_stream_pack hands to the engine. */
CB_MUST_USE cb_status cbi_stream_bytes(const cb_data *data, const cb_split *split,
                                       const cb_stack *stack, size_t rows, size_t unroll,
                                       size_t *bytes, cb_err *err);
/* Packs the chunk that begins with step `at` of the streams into stream->batch and gives the engine
 * its initial states. After it was run, cbi_stream_keep takes its last states. The next chunk
 * begins `unroll` steps later, while that is below stream->length. */
CB_MUST_USE cb_status cbi_stream_pack(cbi_stream *stream, size_t at, cb_engine *engine,
                                      cb_err *err);
CB_MUST_USE cb_status cbi_stream_keep(cbi_stream *stream, const cb_engine *engine, cb_err *err);
/* The engine forgets the initial states that a stream gave it. */
CB_MUST_USE cb_status cbi_stream_leave(const cbi_stream *stream, cb_engine *engine, cb_err *err);

#endif
