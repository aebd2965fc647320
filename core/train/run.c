/* SPDX-License-Identifier: MIT */
/* What a run needs: vectors, batches, readout, engine; and its first weights. */
#include "train/run.h"

#include <math.h>

#include "base/alloc.h"
#include "cellbench/random.h"
#include "tasks/dataset.h"

/* A label is an index into logits. */
static cb_status check_labels(const cb_data *data, cb_err *err) {
    for (size_t i = 0; i < CB_SPLITS && data->loss == CB_LOSS_SOFTMAX; i++) {
        const cb_split *s = &data->split[i];
        const size_t targets = data->when == CB_WHEN_LAST ? s->sequences : s->frames;
        for (size_t r = 0; r < targets; r++)
            if (s->label[r] < 0 || (size_t)s->label[r] >= data->target_dim)
                return cb_fail(err, CB_EDATA, "split '%s': label %zu: expected 0..%zu, got %ld",
                               cbi_split_names[i], r, data->target_dim - 1, (long)s->label[r]);
    }
    return CB_OK;
}

/* Span i of the tensors, then of the readout's matrix and bias. */
static cbi_span find_span(const cbi_run *r, const cb_stack_param *p, size_t n, size_t i) {
    const size_t matrix = r->readout.K * r->readout.H, bias = r->readout.K;
    if (i == n)
        return (cbi_span){r->stack_count, matrix, 0, 1};
    if (i == n + 1)
        return (cbi_span){r->stack_count + matrix, bias, 0, 0};
    const cb_param *q = p[i].param;
    return (cbi_span){p[i].offset, q->fixed ? 0 : q->free_count, q->limit, q->cols > 0};
}

static cb_status make_spans(cbi_run *r, cb_err *err) {
    size_t n;
    const cb_stack_param *p = cb_stack_params(r->trial->stack, &n);
    const int penalised = r->trial->options.l2 > 0 || r->trial->options.weight_decay > 0;
    if ((r->spans = cbi_calloc(n + 2, sizeof *r->spans)) == NULL)
        return cb_fail(err, CB_ENOMEM, "train: %zu tensors", n);
    for (size_t i = 0; i < n + 2; i++) {
        cbi_span next = find_span(r, p, n, i);
        next.matrix = penalised && next.matrix;
        if (next.count == 0)
            continue;
        cbi_span *last = r->span_count ? &r->spans[r->span_count - 1] : NULL;
        if (last && last->limit == next.limit && last->matrix == next.matrix &&
            last->offset + last->count == next.offset)
            last->count += next.count;
        else
            r->spans[r->span_count++] = next;
    }
    return CB_OK;
}

static double draw(cb_random *stream, const cb_init *init, size_t H, size_t K) {
    switch (init->law) {
    case CB_LAW_CONSTANT:
        return init->a;
    case CB_LAW_UNIFORM:
        return init->a * (2 * cb_random_uniform(stream) - 1);
    case CB_LAW_RANGE:
        return init->a + (init->b - init->a) * cb_random_uniform(stream);
    case CB_LAW_NORMAL:
        return init->a * cb_random_normal(stream);
    case CB_LAW_GLOROT:
        return sqrt(6 / ((double)H + (double)K)) * (2 * cb_random_uniform(stream) - 1);
    default: /* zero; others were refused with the settings */
        return 0;
    }
}

static cb_status draw_weights(cbi_run *r, cb_err *err) {
    const cb_trial *t = r->trial;
    double *w = cbi_calloc(r->stack_count + 1, sizeof *w);
    if (w == NULL)
        return cb_fail(err, CB_ENOMEM, "train: %zu weights", r->stack_count);
    cb_status st =
        cb_stack_init(t->stack, t->seed, t->options.overrides, t->options.override_count, w, err);
    for (size_t i = 0; st == CB_OK && i < r->stack_count; i++)
        r->w[i] = (float)w[i];
    cbi_free(w);
    const size_t K = r->readout.K, H = r->readout.H;
    cb_random stream = cb_random_stream(t->seed, "init/readout", 0);
    for (size_t i = 0; i < K * H; i++)
        r->w[r->stack_count + i] = (float)draw(&stream, &t->options.readout_init, H, K);
    return st;
}

/* What the readout sees under dropout, for any batch of training. */
static cb_status make_masks(cbi_run *r, cb_err *err) {
    size_t floats = 0;
    if (r->trial->options.dropout <= 0)
        return CB_OK;
    if (cb_size_mul(r->packed->most_frames, r->readout.H, &floats) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "train: too large: %zu frames", r->packed->most_frames);
    if ((r->mask = cbi_aligned_calloc(floats, sizeof(float))) == NULL ||
        (r->masked = cbi_aligned_calloc(floats, sizeof(float))) == NULL)
        return cb_fail(err, CB_ENOMEM, "train: %zu frames", r->packed->most_frames);
    return CB_OK;
}

/* Names for the sequences of any batch of training. */
static cb_status make_names(cbi_run *r, cb_err *err) {
    size_t masks;
    (void)cb_stack_masks(r->trial->stack, &masks);
    if (masks > 0 &&
        (r->named = cbi_calloc(r->packed->most_sequences + 1, sizeof *r->named)) == NULL)
        return cb_fail(err, CB_ENOMEM, "train: %zu sequences", r->packed->most_sequences);
    return CB_OK;
}

static cb_status make_vectors(cbi_run *r, cb_err *err) {
    size_t readout;
    cb_status st = cbi_readout_count(r->trial->stack, r->data, &readout, err);
    if (st != CB_OK)
        return st;
    r->stack_count = cb_stack_weight_count(r->trial->stack);
    r->count = r->stack_count + readout;
    for (size_t i = 0; i < CB_SPLITS; i++)
        if (r->data->split[i].sequences > r->order_count)
            r->order_count = r->data->split[i].sequences;
    int made = (r->w = cbi_aligned_calloc(r->count, sizeof(float))) != NULL &&
               (r->g = cbi_aligned_calloc(r->count, sizeof(float))) != NULL &&
               (r->best = cbi_calloc(r->count, sizeof(float))) != NULL &&
               (r->order = cbi_calloc(r->order_count + 1, sizeof *r->order)) != NULL &&
               (r->trial->options.weight_noise <= 0 ||
                (r->noisy = cbi_aligned_calloc(r->count, sizeof(float))) != NULL);
    for (size_t i = 0; made && i < r->rule->states; i++)
        made = (r->state[i] = cbi_aligned_calloc(r->count, sizeof(float))) != NULL;
    return made ? CB_OK : cb_fail(err, CB_ENOMEM, "train: %zu weights", r->count);
}

static cb_status init_training(cbi_run *r, cb_err *err) {
    const cbi_options *o = &r->trial->options;
    r->packed = o->unroll ? &r->stream.batch : &r->train;
    if (o->unroll)
        return cbi_stream_init(&r->stream, r->data, &r->data->split[CB_TRAIN], r->trial->stack,
                               o->batch, o->unroll, err);
    return cbi_batch_init(&r->train, r->data, o->batch, 1u << CB_TRAIN, err);
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static cb_status init_segments(cbi_run *r, cb_err *err) {
    const cbi_batch *a = r->packed, *b = &r->evaluation;
    const cbi_extent training = {a->most_sequences, a->most_frames, a->most_steps};
    const cbi_extent both = {larger(a->most_sequences, b->most_sequences),
                             larger(a->most_frames, b->most_frames),
                             larger(a->most_steps, b->most_steps)};
    size_t steps;
    cb_status st =
        cbi_segment_steps(r->trial->stack, r->trial->options.segment, &training, &steps, err);
    return st == CB_OK
               ? cbi_segments_init(&r->segments, r->trial->stack, steps, &training, &both, err)
               : st;
}

cb_status cbi_run_init(cbi_run *r, cb_err *err) {
    cb_status st;
    const cb_trial *t = r->trial;
    const cbi_options *o = &t->options;
    r->rule = cbi_optimiser_find(o->optimiser);
    r->step = (cbi_step){.rate = o->rate,
                         .momentum = o->momentum,
                         .beta1 = o->beta1,
                         .beta2 = o->beta2,
                         .epsilon = o->epsilon,
                         .decay = o->decay,
                         .weight_decay = o->weight_decay};
    r->now = (cbi_progress){.power1 = 1,
                            .power2 = 1,
                            .train = (double)NAN,
                            .best_train = (double)NAN,
                            .best_valid = (double)NAN,
                            .best_error = (double)NAN};
    if ((st = check_labels(r->data, err)) != CB_OK ||
        (st = cb_engine_create(&r->engine, t->stack, err)) != CB_OK ||
        (st = make_vectors(r, err)) != CB_OK ||
        (st = cbi_average_init(&r->average, o->average, o->average_decay, o->average_epochs,
                               r->count, err)) != CB_OK ||
        (st = init_training(r, err)) != CB_OK ||
        (st = cbi_batch_init(&r->evaluation, r->data, CBI_EVALUATION_BATCH,
                             1u << CB_VALID | 1u << CB_TEST, err)) != CB_OK)
        return st;
    const cbi_batch *a = r->packed, *b = &r->evaluation;
    const size_t frames = a->most_frames > b->most_frames ? a->most_frames : b->most_frames;
    const size_t sequences =
        a->most_sequences > b->most_sequences ? a->most_sequences : b->most_sequences;
    if ((st = cbi_readout_init(&r->readout, r->data, cb_stack_output_dim(t->stack), frames,
                               sequences, err)) != CB_OK ||
        (st = init_segments(r, err)) != CB_OK || (st = make_spans(r, err)) != CB_OK ||
        (st = make_masks(r, err)) != CB_OK || (st = make_names(r, err)) != CB_OK)
        return st;
    return draw_weights(r, err);
}

void cbi_run_fini(cbi_run *r) {
    cbi_readout_fini(&r->readout);
    cbi_batch_fini(&r->evaluation);
    cbi_stream_fini(&r->stream);
    cbi_segments_fini(&r->segments);
    cbi_batch_fini(&r->train);
    cbi_average_fini(&r->average);
    cbi_aligned_free(r->mask);
    cbi_aligned_free(r->masked);
    cbi_aligned_free(r->noisy);
    cbi_free(r->named);
    cbi_free(r->told);
    cbi_free(r->spans);
    cbi_free(r->order);
    for (size_t i = 0; i < sizeof r->state / sizeof *r->state; i++)
        cbi_aligned_free(r->state[i]);
    cbi_free(r->best);
    cbi_aligned_free(r->g);
    cbi_aligned_free(r->w);
    cb_engine_destroy(r->engine);
}
