/* SPDX-License-Identifier: MIT */
/*
 * The training loop. All that is computed follows from the resolved specification and the data;
 * sums are taken in a fixed order. Noise and dropout draw from streams that the number of the
 * update names.
 */
#include "train/run.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "train/clip.h"
#include "train/noise.h"

/* A metric summed over rows of targets. */
typedef struct tally {
    cbi_loss_sum sum;
    size_t targets;
} tally;

static double seconds_of(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- passes ---- */

static cb_status use_weights(cbi_run *r, const float *w, cb_err *err) {
    r->used = w;
    return cb_engine_set_weights(r->engine, w, err);
}

static cb_random stream_of(const cbi_run *r, const char *purpose) {
    return cb_random_stream(r->trial->seed, purpose, r->result->updates + 1);
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

static double batch_flop(const cbi_run *r, const cbi_batch *batch) {
    return cbi_forward_flop(r->trial->stack, r->data, batch->steps.frames, batch->targets);
}

/* Forward through stack and readout; the loss is added to *t, its gradient left in the readout. */
static cb_status forward(cbi_run *r, const cbi_batch *batch, double scale, cb_rows *y, tally *t,
                         cb_err *err) {
    const int keep = scale != 0;
    cb_status st = cb_engine_forward(r->engine, &batch->steps, batch->x, batch->ldx, batch->index,
                                     keep, y, err);
    if (st != CB_OK)
        return st;
    if (keep && r->mask)
        mask_output(r, batch->steps.frames, y);
    const cbi_loss_sum sum =
        cbi_readout_loss(&r->readout, r->used + r->stack_count, y, batch, scale);
    t->sum.loss += sum.loss;
    t->sum.wrong += sum.wrong;
    t->targets += batch->targets;
    r->result->flop += (keep ? CBI_TRAINING_PASSES : 1) * batch_flop(r, batch);
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

static void apply_update(cbi_run *r) {
    cbi_step_advance(&r->step);
    for (size_t i = 0; i < r->span_count; i++) {
        const cbi_span *s = &r->spans[i];
        float *w = r->w + s->offset, *states[CBI_MOST_STATES];
        cbi_step step = r->step;
        if (!s->matrix)
            step.weight_decay = 0;
        for (size_t k = 0; k < CBI_MOST_STATES; k++)
            states[k] = r->state[k] ? r->state[k] + s->offset : NULL;
        r->rule->update(&step, s->count, r->g + s->offset, w, states);
        if (s->limit <= 0)
            continue;
        const float limit = (float)s->limit;
        for (size_t k = 0; k < s->count; k++)
            w[k] = w[k] > limit ? limit : w[k] < -limit ? -limit : w[k];
    }
    r->result->updates++;
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
    cb_status st = CB_OK;
    if (o->dropout > 0 && cb_stack_layer_count(r->trial->stack) > 1)
        st = cb_engine_set_dropout(r->engine, o->dropout, r->trial->seed, r->result->updates + 1,
                                   err);
    return st == CB_OK ? use_weights(r, r->noisy ? r->noisy : r->w, err) : st;
}

/* The gradient of the batch, with the scale of its loss; sets `diverged` where it is not finite. */
static cb_status find_gradient(cbi_run *r, tally *t, cb_err *err) {
    cb_status st;
    cb_rows y;
    if ((st = forward(r, r->packed, gradient_scale(r, r->packed), &y, t, err)) != CB_OK)
        return st;
    if (!isfinite(t->sum.loss)) {
        r->diverged = 1;
        return CB_OK;
    }
    const cb_rows dy = cb_engine_output_gradient(r->engine);
    cbi_readout_backward(&r->readout, r->used + r->stack_count, &y, r->packed,
                         r->g + r->stack_count, &dy);
    if (r->mask)
        mask_gradient(r, r->packed->steps.frames, &dy);
    return cb_engine_backward(r->engine, r->g, NULL, 0, err);
}

/* One update from the batch that is packed; sets `diverged` instead if it cannot be made. `gone`:
 * passes over the training split before it. */
static cb_status update(cbi_run *r, double gone, tally *t, cb_err *err) {
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
    r->step.rate =
        o->rate * cbi_schedule_share(&o->schedule, r->result->updates + 1, gone, r->drops);
    apply_update(r);
    cbi_average_add(&r->average, r->w);
    return CB_OK;
}

/* Whether a budget has no room for the batch that is packed; otherwise its cost is booked. */
static int is_spent(cbi_run *r) {
    const cbi_options *o = &r->trial->options;
    const double after = r->trained_flop + CBI_TRAINING_PASSES * batch_flop(r, r->packed);
    if ((o->updates && r->result->updates >= o->updates) ||
        (o->operations > 0 && after > o->operations))
        return 1;
    r->trained_flop = after;
    return 0;
}

static int asked_to_stop(cbi_run *r) {
    r->stopped = r->events && r->events->stop && r->events->stop(r->events->context);
    return r->stopped;
}

/* Updates from whole sequences, in the order of the epoch. Ends early when a budget is spent. */
static cb_status train_batches(cbi_run *r, size_t epoch, tally *t, cb_err *err) {
    const cbi_options *o = &r->trial->options;
    const cb_split *split = &r->data->split[CB_TRAIN];
    const size_t n = split->sequences;
    cbi_batch_order(r->trial->seed, epoch, o->shuffle, n, r->order);
    for (size_t at = 0; at < n && !r->diverged; at += o->batch) {
        if (asked_to_stop(r))
            return CB_OK;
        cbi_batch_pack(r->packed, split, r->order + at, n - at < o->batch ? n - at : o->batch);
        if (r->packed->steps.frames == 0)
            continue;
        if ((r->spent = is_spent(r)))
            break;
        cb_status st = update(r, (double)(epoch - 1) + (double)at / (double)n, t, err);
        if (st != CB_OK)
            return st;
    }
    return CB_OK;
}

/* Updates from chunks of streams; the state of a chunk's end is that under the weights that were
 * used in it. */
static cb_status train_streams(cbi_run *r, size_t epoch, tally *t, cb_err *err) {
    cbi_stream *s = &r->stream;
    cb_status st;
    int more;
    cbi_stream_rewind(s);
    while (!r->diverged && !asked_to_stop(r)) {
        if ((st = cbi_stream_next(s, r->engine, &more, err)) != CB_OK)
            return st;
        if (!more || (r->spent = is_spent(r)))
            break;
        const double gone = (double)(epoch - 1) + (double)s->position / (double)s->length;
        if ((st = update(r, gone, t, err)) != CB_OK)
            return st;
        if (!r->diverged && (st = cbi_stream_keep(s, r->engine, err)) != CB_OK)
            return st;
    }
    return cbi_stream_leave(s, r->engine, err);
}

/* The training metric is the running one: each batch before its update. */
static cb_status train_epoch(cbi_run *r, size_t epoch, tally *t, cb_err *err) {
    *t = (tally){0};
    cbi_average_begin_epoch(&r->average);
    cb_status st = (r->trial->options.unroll ? train_streams : train_batches)(r, epoch, t, err);
    if (st != CB_OK || r->stopped)
        return st;
    /* In f64 the norm of finite f32 numbers cannot overflow: it is finite exactly when they are. */
    if (!isfinite(cbi_gradient_norm(r->w, r->count)))
        r->diverged = 1;
    return CB_OK;
}

static cb_status evaluate(cbi_run *r, cb_split_name name, tally *t, cb_err *err) {
    const cb_split *split = &r->data->split[name];
    const size_t n = split->sequences, size = CBI_EVALUATION_BATCH;
    *t = (tally){0};
    cbi_batch_order(0, 0, 0, n, r->order);
    for (size_t at = 0; at < n; at += size) {
        cb_rows y;
        cbi_batch_pack(&r->evaluation, split, r->order + at, n - at < size ? n - at : size);
        if (r->evaluation.steps.frames == 0)
            continue;
        cb_status st = forward(r, &r->evaluation, 0, &y, t, err);
        if (st != CB_OK)
            return st;
    }
    return CB_OK;
}

/* ---- the trial ---- */

static double mean_loss(const tally *t) {
    return t->sum.loss / (double)t->targets;
}

static double mean_error(const cbi_run *r, const tally *t) {
    return r->data->loss == CB_LOSS_SOFTMAX ? t->sum.wrong / (double)t->targets : (double)NAN;
}

static cb_status emit(cbi_run *r, size_t epoch, cb_split_name split, const tally *t, double seconds,
                      cb_err *err) {
    if (r->events == NULL || r->events->row == NULL)
        return CB_OK;
    cb_epoch_row row = {epoch, split, r->data->metric, mean_loss(t), seconds};
    cb_status st = r->events->row(r->events->context, &row, err);
    if (st != CB_OK || r->data->loss != CB_LOSS_SOFTMAX)
        return st;
    row.metric = "error";
    row.value = mean_error(r, t);
    return r->events->row(r->events->context, &row, err);
}

/* Validates, with averaged weights where there are any; keeps them if they are the best so far. */
static cb_status validate(cbi_run *r, size_t epoch, double train, cb_err *err) {
    tally t;
    cb_trial_result *out = r->result;
    const double begin = seconds_of(CLOCK_MONOTONIC);
    cb_status st = use_weights(r, cbi_average_weights(&r->average, r->w), err);
    if (st != CB_OK || (st = evaluate(r, CB_VALID, &t, err)) != CB_OK)
        return st;
    const double valid = mean_loss(&t);
    if (!isfinite(valid)) {
        r->diverged = 1;
        return CB_OK;
    }
    if (isnan(out->valid) || valid < out->valid) {
        out->best_epoch = epoch;
        out->train = train;
        out->valid = valid;
        out->valid_error = mean_error(r, &t);
        memcpy(r->best, r->used, r->count * sizeof(float));
    }
    return emit(r, epoch, CB_VALID, &t, seconds_of(CLOCK_MONOTONIC) - begin, err);
}

/* A plateau: so many epochs without a lower validation metric since the best or the last drop. */
static void drop_rate(cbi_run *r, size_t epoch) {
    const cbi_schedule *s = &r->trial->options.schedule;
    const size_t best = r->result->best_epoch;
    const size_t since = best > r->last_drop ? best : r->last_drop;
    if (s->kind != CBI_SCHEDULE_PLATEAU || epoch - since < s->epochs)
        return;
    r->drops++;
    r->last_drop = epoch;
}

static cb_status run_epochs(cbi_run *r, cb_err *err) {
    const cbi_options *o = &r->trial->options;
    cb_trial_result *out = r->result;
    cb_status st = validate(r, 0, (double)NAN, err);
    for (size_t epoch = 1; st == CB_OK && !r->diverged && !r->spent && epoch <= o->epochs;
         epoch++) {
        tally t;
        const double begin = seconds_of(CLOCK_MONOTONIC);
        out->epochs = epoch;
        st = train_epoch(r, epoch, &t, err);
        if (st != CB_OK || r->stopped || r->diverged)
            break;
        if (t.targets == 0) { /* the budget was spent at the end of the last epoch */
            out->epochs--;
            break;
        }
        const double seconds = seconds_of(CLOCK_MONOTONIC) - begin;
        if ((st = emit(r, epoch, CB_TRAIN, &t, seconds, err)) != CB_OK)
            break;
        st = validate(r, epoch, mean_loss(&t), err);
        drop_rate(r, epoch);
        if (o->patience && epoch - out->best_epoch >= o->patience)
            break;
    }
    return st;
}

static cb_status take_test(cbi_run *r, cb_err *err) {
    tally t;
    cb_status st;
    cb_trial_result *out = r->result;
    const double begin = seconds_of(CLOCK_MONOTONIC);
    memcpy(r->w, r->best, r->count * sizeof(float));
    if ((st = use_weights(r, r->w, err)) != CB_OK || (st = evaluate(r, CB_TEST, &t, err)) != CB_OK)
        return st;
    if (t.targets > 0) {
        out->test = mean_loss(&t);
        out->test_error = mean_error(r, &t);
        st = emit(r, out->best_epoch, CB_TEST, &t, seconds_of(CLOCK_MONOTONIC) - begin, err);
    }
    return st;
}

static void forget_metrics(cb_trial_result *out) {
    out->train = out->valid = out->test = out->valid_error = out->test_error = (double)NAN;
}

cb_status cb_trial_run(const cb_trial *trial, const cb_train_events *events, cb_trial_result *out,
                       cb_err *err) {
    const unsigned denormals = cb_engine_denormals_flush();
    const double wall = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    cbi_run r = {.trial = trial, .data = trial->data, .events = events, .result = out};
    *out = (cb_trial_result){0};
    forget_metrics(out);
    cb_status st = cbi_trial_fits(trial, err);
    if (st == CB_OK && (st = cbi_run_init(&r, err)) == CB_OK)
        st = run_epochs(&r, err);
    if (st == CB_OK && !r.diverged && !r.stopped && (st = take_test(&r, err)) == CB_OK) {
        out->weights = r.best;
        out->weight_count = r.count;
        r.best = NULL;
    }
    out->state = r.diverged ? CB_TRIAL_DIVERGED : r.stopped ? CB_TRIAL_STOPPED : CB_TRIAL_DONE;
    if (out->state != CB_TRIAL_DONE)
        forget_metrics(out);
    cbi_run_fini(&r);
    out->wall_seconds = seconds_of(CLOCK_MONOTONIC) - wall;
    out->cpu_seconds = seconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
    cb_engine_denormals_restore(denormals);
    return st;
}
