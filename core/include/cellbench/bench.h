/* SPDX-License-Identifier: MIT */
/*
 * Timing of cells over shapes.
 *
 * Method. Each case gets an engine, drawn weights and drawn inputs of its own. The number of
 * executions in a sample is doubled until a sample takes `sample_seconds`; that is the warm-up too.
 * Then come `rounds`: in each, every case is sampled once, in an order drawn anew, and before and
 * after every sample the multiply-add peak of the instruction set is measured for about a
 * millisecond. A drift of the machine (its clock, its neighbours) so meets all cases alike, and the
 * share of the peak is a ratio within the same few milliseconds: the larger of the two peaks is
 * taken. All samples are returned; summaries are medians with quartiles. Denormals are flushed, as
 * in training. One thread, whose own processor time is what is taken: a process that shares the
 * processor does not count, though it disturbs the caches; pin the thread with `core` where the
 * machine is not quiet.
 *
 * What is counted. Floating-point operations of matrix products only, multiply and add 2:
 * 2 T B (sum of rows x columns of the products of a step) forward, and as much again twice
 * backward. A phase `train` is: packing of new weights, forward with what is kept, the gradient of
 * every output row, backward with the gradient of the input. `forward` is inference, packing not
 * included.
 */
#ifndef CELLBENCH_BENCH_H
#define CELLBENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/engine.h"
#include "cellbench/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cb_bench_shape {
    size_t T, B, I, H, layers; /* all >= 1, but I >= 0; every sequence has T steps */
} cb_bench_shape;

typedef enum cb_bench_phase { CB_BENCH_FORWARD = 0, CB_BENCH_TRAIN = 1 } cb_bench_phase;
CB_API const char *cb_bench_phase_name(cb_bench_phase phase); /* "forward", "train" */

/* What is timed. Texts and settings are borrowed until cb_bench_destroy. */
typedef struct cb_bench_case {
    const char *cell, *text;
    const cb_cell_setting *settings;
    size_t setting_count;
    cb_bench_shape shape;
    cb_bench_phase phase;
} cb_bench_case;

typedef struct cb_bench_options {
    size_t rounds;         /* >= 1 */
    double sample_seconds; /* a sample takes at least this; 0.02, say */
    uint64_t seed;         /* of weights, inputs and the order of samples */
    int core;              /* the thread is bound to this processor; -1: it is not */
    void *context;
    /* May be NULL. After each sample: how many of how many. */
    void (*progress)(void *context, size_t done, size_t all);
    /* May be NULL. Asked after each sample; 1 ends with CB_ECANCEL. */
    int (*stop)(void *context);
} cb_bench_options;

typedef struct cb_bench_sample {
    uint64_t duration_ns; /* of the whole sample, processor time */
    uint64_t repeats;     /* executions in it */
    double peak;          /* flop/s: the larger of the multiply-add peaks before and after it */
} cb_bench_sample;

/* A median with the quartiles around it (type 7, as in R). */
typedef struct cb_bench_spread {
    double low, median, high;
} cb_bench_spread;

typedef struct cb_bench_result {
    const cb_bench_sample *sample; /* [rounds], in the order of the rounds */
    size_t samples;
    double flop; /* of one execution */
    size_t param_count;
    cb_bench_spread seconds; /* of one execution */
    cb_bench_spread speed;   /* flop/s */
    cb_bench_spread share;   /* of the peak beside each sample */
    /* Shares of the time of one execution, from one more sample with clocks around every part
     * (which costs small shapes a few percent): products in and out of the loop, gradients of the
     * weights, pointwise programs, packing, and the rest. */
    cb_engine_times parts;
    double rest; /* seconds */
} cb_bench_result;

typedef struct cb_bench cb_bench;

/* Runs it all. CB_EARG for options and shapes; what the cells say; CB_ENOMEM; CB_ECANCEL. */
CB_API CB_MUST_USE cb_status cb_bench_run(cb_bench **out, const cb_bench_case *cases, size_t n,
                                          const cb_bench_options *options, cb_err *err);
/* Of case i < n; borrowed until destroy. */
CB_API const cb_bench_result *cb_bench_get(const cb_bench *bench, size_t i);
CB_API void cb_bench_destroy(cb_bench *bench);

#ifdef __cplusplus
}
#endif
#endif
