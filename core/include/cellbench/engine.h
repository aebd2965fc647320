/* SPDX-License-Identifier: MIT */
/*
 * Stacks of layers, and the two engines that run them over sequences: the f32 engine (fast) and
 * the f64 reference (plain loops, no tricks). Each is held against the other by the tests.
 *
 * Rows. A batch of B sequences of unequal lengths is laid out step after step without padding:
 * sequences are sorted by length, longest first; at step t the first rows[t] of them are still
 * running. Row r of step t stands at index rows[0] + ... + rows[t-1] + r. All arrays of steps
 * (x, y, dy, dx) are [frames][dim], frames = the sum of rows[t] = the sum of the lengths; the work
 * is proportional to it.
 */
#ifndef CELLBENCH_ENGINE_H
#define CELLBENCH_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/cell.h"
#include "cellbench/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- stacks ---- */

typedef struct cb_layer_spec {
    const char *name; /* of the cell, for messages and parameter names */
    const char *text;
    const cb_cell_setting *settings;
    size_t setting_count;
    size_t hidden;
    int bidirectional; /* 1: a second cell of the same text, with weights of its own, runs from each
                          sequence's last step to its first; the layer's output is both outputs side
                          by side, [forward, reverse]. Schuster & Paliwal 1997. A layer above it, or
                          such a layer itself, cannot read lower.* */
    int residual; /* 1: the layer's output is that of its cell plus the layer's input: He et al.
                     2016. Both must have one dimension, and the input must be dense (CB_EARG): in
                     most nets every layer but the lowest. States and lower.* are the cell's own. */
} cb_layer_spec;

/* A tensor of a stack; its free_count learned numbers stand at w[offset]. */
typedef struct cb_stack_param {
    char name[96]; /* "1.W_z": layer, counted from 1, and the name in the cell; the reverse cell of
                      a bidirectional layer has "1.reverse.W_z" */
    size_t layer;  /* from 0; see cb_stack_layer_count */
    const cb_param *param;
    size_t offset;
} cb_stack_param;

typedef struct cb_stack cb_stack;

/* Builds n >= 1 layers; layer l + 1 reads the output of layer l as its x. */
CB_API CB_MUST_USE cb_status cb_stack_create(cb_stack **out, const cb_layer_spec *layers, size_t n,
                                             cb_input_kind kind, size_t I, cb_err *err);
CB_API void cb_stack_destroy(cb_stack *stack);
/* The equations of the stack: of layers with one text, that text; of others, one text after the
 * other, each behind a line "# layer 1", or "# layer 2, residual". Caller: cb_free. */
CB_API CB_MUST_USE cb_status cb_stack_text(const cb_stack *stack, char **out, cb_err *err);
/* Cells in the stack: each direction of a bidirectional layer counts as one, the forward one first.
 * Wherever a function takes a `layer`, counted from 0, it is one of these. */
CB_API size_t cb_stack_layer_count(const cb_stack *stack);
CB_API const cb_cell *cb_stack_cell(const cb_stack *stack, size_t layer);
/* 1 if no layer is bidirectional: states can then be carried over from call to call. */
CB_API int cb_stack_runs_forward(const cb_stack *stack);
CB_API cb_input_kind cb_stack_input_kind(const cb_stack *stack);
CB_API size_t cb_stack_input_dim(const cb_stack *stack);
CB_API size_t cb_stack_output_dim(const cb_stack *stack);

/* The tensors, in order of offset; borrowed until destroy. Learned initial states are among them,
 * as vectors: that of h in layer 1 is "1.h0_init", of the family "h0". */
CB_API const cb_stack_param *cb_stack_params(const cb_stack *stack, size_t *count);
/* Length of a weight vector w: all tensors, fixed ones included. */
CB_API size_t cb_stack_weight_count(const cb_stack *stack);
/* Learned numbers: without the fixed ones. */
CB_API size_t cb_stack_param_count(const cb_stack *stack);

/* Replaces the law of the tensors named by `name`: "W_z" (in every layer), "1.W_z", or a family
 * "W". The most particular name wins, then the later one. */
typedef struct cb_init_override {
    const char *name;
    cb_init init;
} cb_init_override;

/* Draws all weights, fixed ones too; streams are (seed, "init/<tensor>", 0), e.g. "init/1.W_z": a
 * tensor starts the same in every cell that has it. Without an override the cell's own law holds. A
 * law is drawn for the whole effective matrix, and a structure takes the numbers that stand where
 * it has its own. CB_EARG: an override that names nothing in the stack, or gives a vector a law for
 * matrices. w [weight count]. */
CB_API CB_MUST_USE cb_status cb_stack_init(const cb_stack *stack, uint64_t seed,
                                           const cb_init_override *overrides, size_t n, double *w,
                                           cb_err *err);

/* ---- regularisers ---- */

/*
 * Puts regularisers (cellbench/cell.h) into every cell of the stack. Once for a stack, and before
 * an engine or a reference is made of it; after an error it can only be destroyed. Weights and
 * their names do not change. CB_EARG: a rate outside 0 <= q < 1, a state that no cell of the stack
 * has; a second call. What finds no place in a cell (variational_input where the input is symbols,
 * recurrent_dropout where no state keeps a share of itself, as in `h' = tanh(...)`) changes
 * nothing there: see cb_stack_masks.
 */
CB_API CB_MUST_USE cb_status cb_stack_regularise(cb_stack *stack,
                                                 const cb_regularisers *regularisers, cb_err *err);

typedef struct cb_stack_mask {
    char name[128]; /* "1.zoneout.h", "2.variational.x", "2.reverse.variational.h",
                      "1.recurrent-dropout.c" */
    size_t layer;
    cb_mask_kind kind;
    double rate;
    size_t dim;
} cb_stack_mask;
/* The masks of a stack, in the order of its layers; borrowed until destroy. */
CB_API const cb_stack_mask *cb_stack_masks(const cb_stack *stack, size_t *count);

/* ---- sequences ---- */

typedef struct cb_steps {
    size_t T;              /* longest length; 0 is allowed */
    size_t B;              /* sequences; rows[0] == B if T > 0 */
    const uint32_t *rows;  /* [T], >= 1, never increasing */
    size_t frames;         /* sum of rows */
    const uint32_t *start; /* [B] t of each sequence's first step, where it goes on from an earlier
                              call (clock() reads t); NULL: 0. Not with bidirectional layers. */
    size_t before;         /* frames of the same batch that were run in earlier calls: what dropout
                              draws goes on behind them. Sequences named to masks may be more */
} cb_steps;

/*
 * Segments: very long sequences can be run a few steps at a time, each call going on from the
 * states in which the last one ended, and back-propagated from the last segment to the first, with
 * the same bits, if segments end where this says: behind step `from` + least - 1 or soon after it
 * (t <= T). steps: of the whole. What else it takes: start and before in each segment's steps;
 * states handed on (cb_engine_final_state, cb_engine_set_initial; cb_engine_initial_gradient,
 * cb_engine_set_final_gradient); backward passes that hold their gradients (gradient NULL) but for
 * the last, of the first segment.
 */
enum { CB_BLOCK_FRAMES = 256 }; /* a segment has at most so many frames more than `least` steps */
CB_API size_t cb_engine_segment_end(const cb_steps *steps, size_t from, size_t least);

/* ---- the f32 engine ---- */

typedef struct cb_engine cb_engine;

/* Prepares to run a stack (borrowed; must outlive the engine). Not shared between threads. */
CB_API CB_MUST_USE cb_status cb_engine_create(cb_engine **out, const cb_stack *stack, cb_err *err);
CB_API void cb_engine_destroy(cb_engine *engine);

/* Takes new weights w [weight count], copied: applies structures and packs, once per update. Not
 * between a forward pass and its backward pass. */
CB_API CB_MUST_USE cb_status cb_engine_set_weights(cb_engine *engine, const float *w, cb_err *err);

/* Where a step array lies: row r at data + r*ld (elements). */
typedef struct cb_rows {
    float *data;
    size_t ld;
    size_t dim;
} cb_rows;

/*
 * Runs all layers over the sequences, from the initial states.
 *
 * x      in   CB_INPUT_DENSE: [frames][ldx] floats; CB_INPUT_INDEX: NULL, with index [frames],
 *             each 0..I-1 (checked: CB_EARG names the first that is not); CB_INPUT_NONE: both NULL
 * keep   in   1: keep what the backward pass needs; 0: output only
 * y      out  the output of the top layer; borrowed until the next call on this engine
 *
 * A row's output does not depend on the other rows, on how many there are, or (without dropout) on
 * keep. CB_EARG before any weights were set; CB_ESHAPE where steps contradict themselves or given
 * initial states have another B. A call that fails leaves no pass to go back over.
 */
CB_API CB_MUST_USE cb_status cb_engine_forward(cb_engine *engine, const cb_steps *steps,
                                               const float *x, size_t ldx, const int32_t *index,
                                               int keep, cb_rows *y, cb_err *err);

/* After a forward pass with keep: where the caller puts dy, [frames][ld]. All dim columns of every
 * row must be written. Borrowed until the next call; that returns the same rows, with what was
 * written, after passes over a batch of the same shape. */
CB_API cb_rows cb_engine_output_gradient(cb_engine *engine);

/*
 * Back-propagation through time over the whole of the last forward pass; CB_EARG unless that was
 * with keep.
 *
 * gradient  out  [weight count], overwritten; 0 for fixed tensors. NULL: sums of it are held, and
 *                the next backward pass goes on adding to them. New weights drop what is held
 * dx        out  NULL, or [frames][lddx], lddx >= I: only with dense input
 */
CB_API CB_MUST_USE cb_status cb_engine_backward(cb_engine *engine, float *gradient, float *dx,
                                                size_t lddx, cb_err *err);

/*
 * Dropout between layers (Zaremba, Sutskever & Vinyals 2014): in forward passes with keep, each
 * element of the output of a layer that a layer above reads is 0 with probability `rate`, else
 * divided by 1 - rate. The draws are those of (seed, "dropout/<layer>", pass): the same arguments
 * give the same masks. rate 0, the state after creation, switches it off. CB_EARG unless
 * 0 <= rate < 1.
 */
CB_API CB_MUST_USE cb_status cb_engine_set_dropout(cb_engine *engine, double rate, uint64_t seed,
                                                   uint64_t pass, cb_err *err);

/*
 * Masks of regularisers (cb_stack_regularise) are drawn in forward passes with keep, from now on;
 * sequence [B], copied, tells the sequences of the batches apart, which must have this B. Element j
 * of the mask NAME for row r at step t depends on (seed, "mask/<NAME>", sequence[r], t, j) alone,
 * and for a mask of whole sequences not on t: a mask belongs to a sequence, however it is cut
 * (cb_steps.start counts on), batched and ordered. In a layer that runs backwards t counts its own
 * steps. NULL, the state after creation, and passes without keep: the masks' expectations, as in
 * evaluation.
 */
CB_API CB_MUST_USE cb_status cb_engine_set_masks(cb_engine *engine, uint64_t seed,
                                                 const uint64_t *sequence, size_t B, cb_err *err);

/* The states of layer `layer` after each sequence's last step, by the last forward pass (CB_EARG if
 * there was none, or if it failed): out [B][dim of state]. With T = 0 the initial states. */
CB_API CB_MUST_USE cb_status cb_engine_final_state(const cb_engine *engine, size_t layer,
                                                   const char *state, float *out, cb_err *err);

/* Initial states for all forward calls from now on, which must have this B: in [B][dim], copied;
 * NULL: back to the cell's own. Rows that are given add nothing to the gradient of a learned one.
 */
CB_API CB_MUST_USE cb_status cb_engine_set_initial(cb_engine *engine, size_t layer,
                                                   const char *state, const float *in, size_t B,
                                                   cb_err *err);
/* The same for some of the rows: row r is given where given[r] is not 0, and starts from the cell's
 * own initial state elsewhere. So a stream that is cut into chunks, with new sequences beginning in
 * the middle of a chunk, is a batch of sequences: those that began before the chunk are given the
 * state in which the last chunk left them. */
CB_API CB_MUST_USE cb_status cb_engine_set_initial_rows(cb_engine *engine, size_t layer,
                                                        const char *state, const float *in,
                                                        const unsigned char *given, size_t B,
                                                        cb_err *err);
/* Gradient of the loss with respect to the final state, added in the backward pass that follows: in
 * [B][dim], copied; NULL: none. Belongs to the last forward pass, which must have had keep
 * (CB_EARG); dropped by the backward pass, and by the next forward pass. */
CB_API CB_MUST_USE cb_status cb_engine_set_final_gradient(cb_engine *engine, size_t layer,
                                                          const char *state, const float *in,
                                                          cb_err *err);
/* out [B][dim]: the gradient with respect to the initial state, given or not. CB_EARG unless a
 * backward pass was the last to run. */
CB_API CB_MUST_USE cb_status cb_engine_initial_gradient(const cb_engine *engine, size_t layer,
                                                        const char *state, float *out, cb_err *err);

/* Bytes that an engine will hold after its first pass over such a batch, packed weights, workspaces
 * and programs together; the stack itself is not counted. At least what is allocated, at most
 * twice. keep = 1 includes the backward pass. An engine never shrinks: over many shapes it holds
 * what the largest of each took. */
CB_API CB_MUST_USE cb_status cb_engine_memory(const cb_stack *stack, size_t B, size_t frames,
                                              int keep, size_t *bytes, cb_err *err);

/* Where the time of passes and of setting weights went, in seconds. */
typedef struct cb_engine_times {
    double products;  /* matrix products with packed weights, forward and backward */
    double gradients; /* matrix products that give gradients of weights */
    double pointwise; /* programs of element-wise operations, and reductions over rows */
    double packing;   /* applying structures and packing weights */
} cb_engine_times;
/* From now on the time of each part is added to *times (borrowed); NULL, the state after creation:
 * no clock is read. Reading it costs about 20 ns for each product and each program. */
CB_API void cb_engine_set_times(cb_engine *engine, cb_engine_times *times);

/* Names for the records: the kernel set in use ("portable", "avx512", ...), BLIS's version and the
 * kernel it chose. */
CB_API const char *cb_engine_kernel_name(void);
CB_API const char *cb_engine_blis_version(void);

/* Flushes denormals to zero in this thread; returns the former control word, for
 * cb_engine_denormals_restore. Every thread that computes sets it on entry and restores on exit. */
CB_API unsigned cb_engine_denormals_flush(void);
CB_API void cb_engine_denormals_restore(unsigned saved);

/* ---- the f64 reference: the same calls in double, contiguous arrays ---- */

typedef struct cb_reference cb_reference;

CB_API CB_MUST_USE cb_status cb_reference_create(cb_reference **out, const cb_stack *stack,
                                                 cb_err *err);
CB_API void cb_reference_destroy(cb_reference *reference);
/* y out [frames][output dim]; x [frames][I], not read unless the input is dense. set_initial /
 * set_final_gradient as in the engine. */
CB_API CB_MUST_USE cb_status cb_reference_forward(cb_reference *reference, const cb_steps *steps,
                                                  const double *w, const double *x,
                                                  const int32_t *index, double *y, cb_err *err);
/* dy in [frames][output dim]; gradient out [weight count]; dx out, or NULL. */
CB_API CB_MUST_USE cb_status cb_reference_backward(cb_reference *reference, const double *dy,
                                                   double *gradient, double *dx, cb_err *err);
/* As the engine's; the masks are the same, to the bit. Every forward pass draws them. */
CB_API CB_MUST_USE cb_status cb_reference_set_masks(cb_reference *reference, uint64_t seed,
                                                    const uint64_t *sequence, size_t B,
                                                    cb_err *err);
CB_API CB_MUST_USE cb_status cb_reference_final_state(const cb_reference *reference, size_t layer,
                                                      const char *state, double *out, cb_err *err);
CB_API CB_MUST_USE cb_status cb_reference_set_initial(cb_reference *reference, size_t layer,
                                                      const char *state, const double *in, size_t B,
                                                      cb_err *err);
CB_API CB_MUST_USE cb_status cb_reference_set_final_gradient(cb_reference *reference, size_t layer,
                                                             const char *state, const double *in,
                                                             cb_err *err);
CB_API CB_MUST_USE cb_status cb_reference_initial_gradient(const cb_reference *reference,
                                                           size_t layer, const char *state,
                                                           double *out, cb_err *err);

/* ---- gradient check ---- */

typedef struct cb_check_result {
    double worst_gradient; /* largest |analytic - numeric| / max(max |numeric| over the tensor,
                              1e-3 of the largest tensor's), f64, 4-point differences */
    char worst_tensor[96]; /* where */
    double worst_f32;      /* largest deviation of f32 from f64, as a share of its bound */
    char worst_f32_tensor[96];
    size_t redrawn; /* inputs drawn again because a value stood near a kink */
    int mistrusted; /* the output was nearly constant: the check proves nothing */
    int passed;
} cb_check_result;

/*
 * Checks a stack: analytic gradients against 4-point finite differences in f64 (limit 1e-7), and
 * the f32 engine against f64, values and gradients, on sequences of unequal lengths, with given
 * initial states and gradients from final states. `seed` names the draw. A stack with regularisers
 * is checked with masks that are drawn once and held fixed; with zoneout also with expectations.
 */
CB_API CB_MUST_USE cb_status cb_check_stack(const cb_stack *stack, uint64_t seed,
                                            cb_check_result *out, cb_err *err);

#ifdef __cplusplus
}
#endif
#endif
