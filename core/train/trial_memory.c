/* SPDX-License-Identifier: MIT */
/*
 * What a trial will hold at most, before it runs: the sum of what its parts say they take, at the
 * largest batch that each will meet. Held against the resident size of processes that ran trials by
 * tests/numeric/test_trial_memory.c.
 */
#include <unistd.h>

#include "cellbench/memory.h"

#include "train/batch.h"
#include "train/optimiser.h"
#include "train/position.h"
#include "train/readout.h"
#include "train/run.h"
#include "train/stream.h"

/* What the system, the data and the process itself need is left to them. */
#define MEMORY_SHARE 0.9

/* What the first trial of a process adds whatever its size: the buffers in which BLIS packs blocks
 * of matrices, and the code of the libraries that is read in. 10.5 MB were measured; the buffers
 * differ with the machine's caches. */
#define PROCESS_BYTES 12e6
/* The allocator's own, ends of pages, and small things that are not counted: at most 1.6 % were
 * measured. */
#define ROUNDING 1.03

static cb_status too_large(const cb_trial *trial, cb_err *err) {
    return cb_fail(err, CB_ESHAPE, "trial: too large: %zu weights", cbi_trial_weight_count(trial));
}

/* *total += a * b */
static cb_status add_product(size_t *total, size_t a, size_t b) {
    size_t bytes;
    cb_status st = cb_size_mul(a, b, &bytes);
    return st == CB_OK ? cb_size_add(*total, bytes, total) : st;
}

/* Extents: of the largest batches of training, or of both evaluations. */

static cb_status grow_shape(cbi_extent *s, const cb_split *split, size_t batch, cb_err *err) {
    size_t frames, steps;
    const size_t B = batch < split->sequences ? batch : split->sequences;
    cb_status st = cbi_batch_most(split, B, &frames, &steps, err);
    if (st != CB_OK)
        return st;
    s->B = B > s->B ? B : s->B;
    s->frames = frames > s->frames ? frames : s->frames;
    s->steps = steps > s->steps ? steps : s->steps;
    return CB_OK;
}

static cb_status training_shape(const cb_trial *t, cbi_extent *s, cb_err *err) {
    const cbi_options *o = &t->options;
    const cb_split *split = &t->data->split[CB_TRAIN];
    *s = (cbi_extent){0};
    if (!o->unroll)
        return grow_shape(s, split, o->batch, err);
    *s = (cbi_extent){.steps = o->unroll};
    return cbi_stream_most(split, o->batch, o->unroll, &s->B, &s->frames, err);
}

static cb_status evaluation_shape(const cb_trial *t, cbi_extent *s, cb_err *err) {
    *s = (cbi_extent){0};
    cb_status st = grow_shape(s, &t->data->split[CB_VALID], CBI_EVALUATION_BATCH, err);
    return st == CB_OK ? grow_shape(s, &t->data->split[CB_TEST], CBI_EVALUATION_BATCH, err) : st;
}

/* What both need forward, and what training keeps and needs backward; of segments no more than one
 * at a time, and what stands between them. */
static cb_status engine_bytes(const cb_trial *t, const cbi_extent *whole_training,
                              const cbi_extent *whole, size_t *bytes, cb_err *err) {
    size_t kept, forward, steps, borders = 0;
    cbi_extent one = *whole_training, any = *whole, *training = &one, *both = &any;
    cb_status st = cbi_segment_steps(t->stack, t->options.segment, whole_training, &steps, err);
    if (st == CB_OK)
        st = cbi_segments_bytes(t->stack, steps, whole_training, whole, &borders, err);
    if (st == CB_OK && steps > 0) {
        one.frames = cbi_segment_frames(whole_training, steps);
        any.frames = cbi_segment_frames(whole, steps);
    }
    if (st == CB_OK)
        st = cb_engine_memory(t->stack, both->B, both->frames, 0, bytes, err);
    if (st == CB_OK)
        st = cb_engine_memory(t->stack, training->B, training->frames, 1, &kept, err);
    if (st == CB_OK)
        st = cb_engine_memory(t->stack, training->B, training->frames, 0, &forward, err);
    if (st == CB_OK && (cb_size_add(*bytes, kept - forward, bytes) != CB_OK ||
                        cb_size_add(*bytes, borders, bytes) != CB_OK))
        return too_large(t, err);
    return st;
}

static cb_status batch_bytes(const cb_trial *t, const cbi_extent *training,
                             const cbi_extent *evaluation, size_t *bytes, cb_err *err) {
    size_t more;
    const cbi_options *o = &t->options;
    cb_status st = o->unroll ? cbi_stream_bytes(t->data, &t->data->split[CB_TRAIN], t->stack,
                                                o->batch, o->unroll, bytes, err)
                             : cbi_batch_bytes(t->data, training->B, training->frames,
                                               training->steps, bytes, err);
    if (st == CB_OK)
        st = cbi_batch_bytes(t->data, evaluation->B, evaluation->frames, evaluation->steps, &more,
                             err);
    if (st == CB_OK && cb_size_add(*bytes, more, bytes) != CB_OK)
        return too_large(t, err);
    return st;
}

/* Floats of a frame that dropout adds: mask, copy and gradient of each layer's input from below;
 * mask and copy of what the readout sees. */
static size_t masked_floats(const cb_stack *stack) {
    const size_t layers = cb_stack_layer_count(stack);
    size_t floats = 2 * cb_stack_output_dim(stack);
    for (size_t l = 0; l + 1 < layers; l++) {
        const size_t below = cb_cell_output_dim(cb_stack_cell(stack, l)) + CBI_LANES - 1;
        /* With two directions each of them has its own copy of what both below have said. */
        floats += (cb_stack_runs_forward(stack) ? 3 : 6) * below;
    }
    return floats;
}

/* Current and best weights, gradient, the optimiser's vectors, noise, averages. */
static size_t weight_vectors(const cbi_options *o) {
    return 3 + cbi_optimiser_find(o->optimiser)->states + (o->weight_noise > 0) +
           cbi_average_vectors(o->average, o->average_epochs);
}

cb_status cb_trial_memory(const cb_trial *trial, size_t *bytes, cb_err *err) {
    cb_status st;
    cbi_extent training, evaluation;
    size_t engine, batches, readout;
    const cbi_options *o = &trial->options;
    const size_t weights = cbi_trial_weight_count(trial);
    *bytes = 0;
    if ((st = training_shape(trial, &training, err)) != CB_OK ||
        (st = evaluation_shape(trial, &evaluation, err)) != CB_OK)
        return st;
    const cbi_extent both = {
        .B = training.B > evaluation.B ? training.B : evaluation.B,
        .frames = training.frames > evaluation.frames ? training.frames : evaluation.frames,
        .steps = training.steps > evaluation.steps ? training.steps : evaluation.steps};
    if ((st = engine_bytes(trial, &training, &both, &engine, err)) != CB_OK ||
        (st = batch_bytes(trial, &training, &evaluation, &batches, err)) != CB_OK ||
        (st = cbi_readout_bytes(trial->data, cb_stack_output_dim(trial->stack), both.frames, both.B,
                                &readout, err)) != CB_OK)
        return st;
    /* The first weights are drawn in f64 when there is nothing else but the vectors. */
    size_t draw = 0, total = 0;
    const size_t rows = o->most_epochs * (trial->data->loss == CB_LOSS_SOFTMAX ? 4 : 2);
    if (add_product(&total, weights, weight_vectors(o) * sizeof(float)) != CB_OK ||
        add_product(&draw, weights, sizeof(double)) != CB_OK ||
        cb_size_add(total, draw > engine ? draw : engine, &total) != CB_OK ||
        cb_size_add(total, batches, &total) != CB_OK ||
        cb_size_add(total, readout, &total) != CB_OK ||
        add_product(&total, rows, sizeof(cbi_told)) != CB_OK ||
        add_product(&total, training.B, 2 * sizeof(uint64_t)) != CB_OK ||
        (o->dropout > 0 && add_product(&total, training.frames * sizeof(float),
                                       masked_floats(trial->stack)) != CB_OK))
        return too_large(trial, err);
    const double rounded = PROCESS_BYTES + ROUNDING * (double)total;
    if (rounded > 9e18)
        return too_large(trial, err);
    *bytes = (size_t)rounded;
    return CB_OK;
}

size_t cb_trial_data_bytes(const cb_trial *trial) {
    const cb_data *d = trial->data;
    const size_t frame = d->input == CB_INPUT_INDEX   ? sizeof(int32_t)
                         : d->input == CB_INPUT_DENSE ? d->input_dim * sizeof(float)
                                                      : 0;
    const size_t target =
        d->loss == CB_LOSS_SOFTMAX ? sizeof(int32_t) : d->target_dim * sizeof(float);
    size_t bytes = 0;
    for (size_t i = 0; i < CB_SPLITS; i++) {
        const cb_split *s = &d->split[i];
        const size_t targets = d->when == CB_WHEN_LAST ? s->sequences : s->frames;
        bytes += s->frames * frame + targets * target + (s->sequences + 1) * sizeof *s->start;
    }
    return bytes;
}

cb_status cbi_trial_fits(const cb_trial *trial, cb_err *err) {
    size_t bytes;
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    cb_status st = cb_trial_memory(trial, &bytes, err);
    if (st != CB_OK || pages <= 0 || page <= 0)
        return st;
    const double limit = MEMORY_SHARE * (double)pages * (double)page;
    if ((double)bytes <= limit)
        return CB_OK;
    return cb_fail(
        err, CB_ENOMEM,
        "trial: needs %.4g GB of memory, more than %.4g GB, which is %.0f %% of what this "
        "machine has",
        (double)bytes / 1e9, limit / 1e9, 100 * MEMORY_SHARE);
}
