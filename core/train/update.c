/* SPDX-License-Identifier: MIT */
/*
 * One update: noise, forward, loss, backward, clipping, step. Noise and dropout draw from streams
 * that the number of the update names; sums are taken in a fixed order.
 */
#include "train/update.h"

#include <math.h>
#include <string.h>

#include "train/clip.h"
#include "train/noise.h"

cb_status cbi_use_weights(cbi_run *r, const float *w, cb_err *err) {
    r->used = w;
    return cb_engine_set_weights(r->engine, w, err);
}

static cb_random stream_of(const cbi_run *r, const char *purpose) {
    return cb_random_stream(r->trial->seed, purpose, r->now.updates + 1);
}

/* New masks on the output of the stack: the readout sees `masked` instead. */
static void mask_output(cbi_run *r, size_t frames, cb_rows *y) {
    const size_t H = y->dim, n = frames * H;
    cb_random stream = stream_of(r, "dropout/readout");
    for (size_t i = 0; i < n; i++)
        r->mask[i] = 1;
    cbi_dropout(&stream, r->trial->options.dropout, r->mask, n);
    for (size_t f = 0; f < frames; f++)
        for (size_t k = 0; k < H; k++)
            r->masked[f * H + k] = r->mask[f * H + k] * y->data[f * y->ld + k];
    *y = (cb_rows){r->masked, H, H};
}

/* The gradient passes through the elements that the readout saw. */
static void mask_gradient(const cbi_run *r, size_t frames, const cb_rows *dy) {
    const size_t H = dy->dim;
    for (size_t f = 0; f < frames; f++)
        for (size_t k = 0; k < H; k++)
            dy->data[f * dy->ld + k] *= r->mask[f * H + k];
}

double cbi_batch_flop(const cbi_run *r, const cbi_batch *batch) {
    return cbi_forward_flop(r->trial->stack, r->data, batch->steps.frames, batch->targets);
}

cb_status cbi_forward(cbi_run *r, const cbi_batch *batch, double scale, cb_rows *y, cbi_tally *t,
                      cb_err *err) {
    const int keep = scale != 0;
    cb_status st = r->segments.least
                       ? cbi_segments_forward(&r->segments, r->engine, batch, keep, y, err)
                       : cb_engine_forward(r->engine, &batch->steps, batch->x, batch->ldx,
                                           batch->index, keep, y, err);
    if (st != CB_OK)
        return st;
    if (keep && r->mask)
        mask_output(r, batch->steps.frames, y);
    const cbi_loss_sum sum =
        cbi_readout_loss(&r->readout, r->used + r->stack_count, y, batch, scale);
    t->sum.loss += sum.loss;
    t->sum.wrong += sum.wrong;
    t->targets += batch->targets;
    r->now.flop += (keep ? CBI_TRAINING_PASSES : 1) * cbi_batch_flop(r, batch);
    return CB_OK;
}

static double gradient_scale(const cbi_run *r, const cbi_batch *batch) {
    switch (r->trial->options.loss_scale) {
    case CBI_SCALE_SEQUENCE:
        return 1 / (double)batch->steps.B;
    case CBI_SCALE_FRAME:
        return 1 / (double)batch->targets;
    case CBI_SCALE_SUM:
        break;
    }
    return 1;
}

static void apply_update(cbi_run *r, cbi_step step) {
    step.power1 = r->now.power1;
    step.power2 = r->now.power2;
    cbi_step_advance(&step);
    r->now.power1 = step.power1;
    r->now.power2 = step.power2;
    for (size_t i = 0; i < r->span_count; i++) {
        const cbi_span *s = &r->spans[i];
        float *w = r->w + s->offset, *states[CBI_MOST_STATES];
        cbi_step own = step;
        if (!s->matrix)
            own.weight_decay = 0;
        for (size_t k = 0; k < CBI_MOST_STATES; k++)
            states[k] = r->state[k] ? r->state[k] + s->offset : NULL;
        r->rule->update(&own, s->count, r->g + s->offset, w, states);
        if (s->limit <= 0)
            continue;
        const float limit = (float)s->limit;
        for (size_t k = 0; k < s->count; k++)
            w[k] = w[k] > limit ? limit : w[k] < -limit ? -limit : w[k];
    }
    r->now.updates++;
}

/* The masks of regularisers belong to the epoch and to the sequence, which its first frame names:
 * in streams a sequence keeps them from chunk to chunk. */
static cb_status name_sequences(cbi_run *r, cb_err *err) {
    enum { FRAME_BITS = 40 };
    const cbi_batch *batch = r->packed;
    for (size_t i = 0; i < batch->steps.B; i++) {
        const size_t gone = batch->steps.start ? batch->steps.start[i] : 0;
        r->named[i] = ((uint64_t)r->now.epoch << FRAME_BITS) + batch->members[i].from - gone;
    }
    return cb_engine_set_masks(r->engine, r->trial->seed, r->named, batch->steps.B, err);
}

/* Noise on the batch and on the weights of the coming update; masks for its layers. */
static cb_status disturb(cbi_run *r, cb_err *err) {
    const cbi_options *o = &r->trial->options;
    const size_t inputs = r->packed->steps.frames * r->packed->ldx;
    if (o->input_noise > 0) {
        cb_random stream = stream_of(r, "noise/input");
        cbi_noise_add(&stream, o->input_noise, r->packed->x_store, inputs);
    }
    if (o->input_dropout > 0) {
        cb_random stream = stream_of(r, "dropout/input");
        cbi_dropout(&stream, o->input_dropout, r->packed->x_store, inputs);
    }
    if (o->weight_noise > 0) {
        cb_random stream = stream_of(r, "noise/weights");
        memcpy(r->noisy, r->w, r->count * sizeof *r->w);
        for (size_t i = 0; i < r->span_count; i++)
            cbi_noise_add(&stream, o->weight_noise, r->noisy + r->spans[i].offset,
                          r->spans[i].count);
    }
    cb_status st = r->named ? name_sequences(r, err) : CB_OK;
    if (st == CB_OK && o->dropout > 0 && cb_stack_layer_count(r->trial->stack) > 1)
        st = cb_engine_set_dropout(r->engine, o->dropout, r->trial->seed, r->now.updates + 1, err);
    return st == CB_OK ? cbi_use_weights(r, r->noisy ? r->noisy : r->w, err) : st;
}

/* The gradient of the batch, with the scale of its loss; sets `diverged` where it is not finite. */
static cb_status find_gradient(cbi_run *r, cbi_tally *t, cb_err *err) {
    cb_status st;
    cb_rows y;
    if ((st = cbi_forward(r, r->packed, gradient_scale(r, r->packed), &y, t, err)) != CB_OK)
        return st;
    if (!isfinite(t->sum.loss)) {
        r->diverged = 1;
        return CB_OK;
    }
    const int in_segments = r->segments.least > 0;
    const cb_rows dy = in_segments ? cbi_segments_output_gradient(&r->segments)
                                   : cb_engine_output_gradient(r->engine);
    cbi_readout_backward(&r->readout, r->used + r->stack_count, &y, r->packed,
                         r->g + r->stack_count, &dy);
    if (r->mask)
        mask_gradient(r, r->packed->steps.frames, &dy);
    return in_segments ? cbi_segments_backward(&r->segments, r->engine, r->packed, r->g, err)
                       : cb_engine_backward(r->engine, r->g, NULL, 0, err);
}

cb_status cbi_update(cbi_run *r, double gone, cbi_tally *t, cb_err *err) {
    const cbi_options *o = &r->trial->options;
    cb_status st;
    if ((st = disturb(r, err)) != CB_OK || (st = find_gradient(r, t, err)) != CB_OK || r->diverged)
        return st;
    double norm = cbi_gradient_norm(r->g, r->count);
    if (!isfinite(norm)) {
        r->diverged = 1;
        return CB_OK;
    }
    if (o->clip_value > 0) {
        cbi_gradient_clip_value(r->g, r->count, o->clip_value);
        norm = cbi_gradient_norm(r->g, r->count);
    }
    cbi_gradient_clip(r->g, r->count, norm, o->clip);
    for (size_t i = 0; i < r->span_count && o->l2 > 0; i++)
        if (r->spans[i].matrix)
            cbi_gradient_penalty(r->g + r->spans[i].offset, r->w + r->spans[i].offset,
                                 r->spans[i].count, o->l2);
    cbi_step step = r->step;
    step.rate = o->rate * cbi_schedule_share(&o->schedule, r->now.updates + 1, gone, r->now.drops);
    apply_update(r, step);
    cbi_average_add(&r->average, r->w);
    return CB_OK;
}
