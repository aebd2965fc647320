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
 * machine is not quiet. What several threads do at once is timed by the wall, on a machine that has
 * nothing else to do.
 *
 * What is counted. Floating-point operations of matrix products only, multiply and add 2:
 * 2 (sum of the lengths) (sum of rows x columns of the products of a step) forward, and as much
 * again twice backward. What is left out (units that a clock does not update, zeros of a structure)
 * counts too, so that speeds of cells compare: they may pass the peak.
 *
 * Phases. `train` is: packing of new weights, forward with what is kept, backward with the gradient
 * of the input; the gradient of the output is there, as a loss leaves it. `forward` is inference,
 * packing not included. `first` is what a person waits for who has typed in a cell: reading the text, deriving
 * and scheduling its backward pass, making room, packing, and one execution of `train`.
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
    size_t T, B, I, H, layers; /* all >= 1, but I >= 0 */
} cb_bench_shape;

typedef enum cb_bench_phase {
    CB_BENCH_FORWARD = 0,
    CB_BENCH_TRAIN = 1,
    CB_BENCH_FIRST = 2
} cb_bench_phase;
CB_API const char *cb_bench_phase_name(cb_bench_phase phase); /* "forward", "train", "first" */

/* What is timed. Texts and settings are borrowed until cb_bench_destroy. */
typedef struct cb_bench_case {
    const char *cell, *text;
    const cb_cell_setting *settings;
    size_t setting_count;
    const char *lowest,
        *lowest_text; /* the cell of the lowest layer; NULL: the same as the others */
    cb_bench_shape shape;
    cb_bench_phase phase;
    int spread;   /* 1: the lengths of the B sequences go evenly from T down; 0: all have T steps */
    int denormal; /* 1: inputs too small for a normal number; 0: from a normal distribution */
    size_t jobs;  /* threads that do the same at the same time; 0 is 1. More than 1: by the wall */
} cb_bench_case;

/* What of a phase a sample is the time of. The parts are those of cb_engine_times, and the rest. */
typedef enum cb_bench_part {
    CB_BENCH_ALL = 0,
    CB_BENCH_PRODUCTS = 1,
    CB_BENCH_GRADIENTS = 2,
    CB_BENCH_POINTWISE = 3,
    CB_BENCH_PACKING = 4,
    CB_BENCH_REST = 5
} cb_bench_part;
enum { CB_BENCH_PARTS = 6, CB_BENCH_PART_ROUNDS = 3 };
CB_API const char *cb_bench_part_name(cb_bench_part part); /* "all", "products", ... */

typedef struct cb_bench_sample {
    uint64_t duration_ns; /* of the whole sample */
    uint64_t repeats;     /* executions in it, of all jobs */
    double peak;          /* flop/s: the larger of the multiply-add peaks before and after it */
} cb_bench_sample;

typedef struct cb_bench cb_bench;

typedef struct cb_bench_options {
    size_t rounds;         /* >= 1 */
    double sample_seconds; /* a sample takes at least this; 0.02, say */
    uint64_t seed;         /* of weights, inputs and the order of samples */
    int core;              /* the thread is bound to this processor; -1: it is not */
    int wall;              /* 1: times are those of a clock; 0: of the thread's processor time */
    void *context;
    /* All may be NULL. A sample of case i; during the first CB_BENCH_PART_ROUNDS rounds its parts
     * follow, from a sample of their own (not of `first`, nor of several jobs). What cb_bench_get
     * says of the case but for its summaries is there already. */
    cb_status (*sample)(void *context, const cb_bench *bench, size_t i, size_t round,
                        cb_bench_part part, const cb_bench_sample *sample, cb_err *err);
    /* A round is over: something else may be timed before the next. */
    cb_status (*round)(void *context, const cb_bench *bench, size_t round, cb_err *err);
    /* After each sample: how many of how many. */
    void (*progress)(void *context, size_t done, size_t all);
    /* Asked after each sample; 1 ends with CB_ECANCEL. */
    int (*stop)(void *context);
} cb_bench_options;

/* A median with the quartiles around it (type 7, as in R). */
typedef struct cb_bench_spread {
    double low, median, high;
} cb_bench_spread;

typedef struct cb_bench_result {
    const char *text;   /* of the cell (of the top layer), expanded */
    size_t frames;      /* sum of the sequences' lengths */
    size_t param_count; /* learned numbers of all layers */
    size_t step_flop;   /* of the forward products of one step of one sequence, all layers */
    double flop;        /* of one execution */
    const cb_bench_sample *sample; /* [rounds], in the order of the rounds */
    size_t samples;
    cb_bench_spread seconds; /* of one execution */
    cb_bench_spread speed;   /* flop/s */
    cb_bench_spread share;   /* of the peak beside each sample */
    /* Shares of the time in the shortest of the samples that took the parts apart, 0 to 1, by
     * cb_bench_part; all 0 where no parts are taken. The clocks around every part, of the wall,
     * cost small shapes a few percent. */
    double part[CB_BENCH_PARTS];
} cb_bench_result;

/* Runs it all. CB_EARG for options and shapes; what the cells and the callbacks say; CB_ENOMEM;
 * CB_ECANCEL. */
CB_API CB_MUST_USE cb_status cb_bench_run(cb_bench **out, const cb_bench_case *cases, size_t n,
                                          const cb_bench_options *options, cb_err *err);
/* Of case i < n; borrowed until destroy. */
CB_API const cb_bench_result *cb_bench_get(const cb_bench *bench, size_t i);
CB_API void cb_bench_destroy(cb_bench *bench);

/* The multiply-add peak of this thread's core now, flop/s, over about a millisecond. */
CB_API CB_MUST_USE cb_status cb_bench_peak(double *peak, cb_err *err);

/*
 * Writes what one execution of `train` reads and makes of it, as safetensors in f32, so that
 * another program can be held against it before it is timed: x [frames][I], dy and y
 * [frames][output], dx [frames][I], and for each tensor of the stack weight/NAME and gradient/NAME,
 * NAME as in cb_stack_param (those with a structure as the list of their free numbers). Rows are
 * step after step (engine.h). The metadata are the cell's name and expanded text. The values are
 * those that cb_bench_run times with this seed.
 */
CB_API CB_MUST_USE cb_status cb_bench_values(const cb_bench_case *what, uint64_t seed,
                                             const char *path, cb_err *err);

#ifdef __cplusplus
}
#endif
#endif
