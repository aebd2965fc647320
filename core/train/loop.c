/* SPDX-License-Identifier: MIT */
/*
 * The training loop. Weights are one vector: the stack's, then the readout's. All that is computed
 * follows from the resolved specification and the data; sums are taken in a fixed order.
 */
#include "train/trial.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "cellbench/random.h"
#include "tasks/dataset.h"
#include "train/batch.h"
#include "train/clip.h"
#include "train/optimiser.h"
#include "train/readout.h"

/* Neighbouring learned weights, with a bound on their size (0: none). */
typedef struct span {
    size_t offset, count;
    double limit;
} span;

/* A metric summed over rows of targets. */
typedef struct tally {
    cbi_loss_sum sum;
    size_t targets;
} tally;

typedef struct run {
    const cb_trial *trial;
    const cb_data *data;
    const cb_train_events *events;
    cb_trial_result *result;
    cb_engine *engine;
    cbi_readout readout;
    cbi_batch train, evaluation;
    size_t stack_count, count; /* weights of the stack; all */
    float *w, *g, *best, *state[2];
    uint32_t *order; /* of training sequences; then 0, 1, 2, ... for evaluations */
    size_t order_count;
    span *spans;
    size_t span_count;
    const cbi_optimiser *rule;
    cbi_step step;
    int stopped, diverged;
} run;

static double seconds_of(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- setting up ---- */

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

static cb_status make_spans(run *r, cb_err *err) {
    size_t n;
    const cb_stack_param *p = cb_stack_params(r->trial->stack, &n);
    if ((r->spans = cbi_calloc(n + 1, sizeof *r->spans)) == NULL)
        return cb_fail(err, CB_ENOMEM, "train: %zu tensors", n);
    for (size_t i = 0; i <= n; i++) {
        const span next = i < n ? (span){p[i].offset, p[i].param->free_count, p[i].param->limit}
                                : (span){r->stack_count, r->count - r->stack_count, 0};
        if (next.count == 0 || (i < n && p[i].param->fixed))
            continue;
        span *last = r->span_count ? &r->spans[r->span_count - 1] : NULL;
        if (last && last->limit == next.limit && last->offset + last->count == next.offset)
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
    case CB_LAW_NORMAL:
        return init->a * cb_random_normal(stream);
    case CB_LAW_GLOROT:
        return sqrt(6 / ((double)H + (double)K)) * (2 * cb_random_uniform(stream) - 1);
    default: /* zero; others were refused with the settings */
        return 0;
    }
}

static cb_status draw_weights(run *r, cb_err *err) {
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

static cb_status make_vectors(run *r, cb_err *err) {
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
               (r->best = cbi_malloc(r->count * sizeof(float))) != NULL &&
               (r->order = cbi_calloc(r->order_count + 1, sizeof *r->order)) != NULL;
    for (size_t i = 0; made && i < r->rule->states; i++)
        made = (r->state[i] = cbi_aligned_calloc(r->count, sizeof(float))) != NULL;
    return made ? CB_OK : cb_fail(err, CB_ENOMEM, "train: %zu weights", r->count);
}

static cb_status run_init(run *r, cb_err *err) {
    cb_status st;
    const cb_trial *t = r->trial;
    const cbi_options *o = &t->options;
    r->rule = cbi_optimiser_find(o->optimiser);
    r->step = (cbi_step){o->rate, o->momentum, o->beta1, o->beta2, o->epsilon, 1, 1};
    if ((st = check_labels(r->data, err)) != CB_OK ||
        (st = cb_engine_create(&r->engine, t->stack, err)) != CB_OK ||
        (st = make_vectors(r, err)) != CB_OK || (st = make_spans(r, err)) != CB_OK ||
        (st = cbi_batch_init(&r->train, r->data, o->batch, 1u << CB_TRAIN, err)) != CB_OK ||
        (st = cbi_batch_init(&r->evaluation, r->data, CBI_EVALUATION_BATCH,
                             1u << CB_VALID | 1u << CB_TEST, err)) != CB_OK)
        return st;
    const cbi_batch *a = &r->train, *b = &r->evaluation;
    const size_t frames = a->most_frames > b->most_frames ? a->most_frames : b->most_frames;
    const size_t sequences =
        a->most_sequences > b->most_sequences ? a->most_sequences : b->most_sequences;
    if ((st = cbi_readout_init(&r->readout, r->data, cb_stack_output_dim(t->stack), frames,
                               sequences, err)) != CB_OK ||
        (st = draw_weights(r, err)) != CB_OK)
        return st;
    return cb_engine_set_weights(r->engine, r->w, err);
}

static void run_fini(run *r) {
    cbi_readout_fini(&r->readout);
    cbi_batch_fini(&r->evaluation);
    cbi_batch_fini(&r->train);
    cbi_free(r->spans);
    cbi_free(r->order);
    for (size_t i = 0; i < sizeof r->state / sizeof *r->state; i++)
        cbi_aligned_free(r->state[i]);
    cbi_free(r->best);
    cbi_aligned_free(r->g);
    cbi_aligned_free(r->w);
    cb_engine_destroy(r->engine);
}

/* ---- passes ---- */

/* Forward through stack and readout; the loss is added to *t, its gradient left in the readout. */
static cb_status forward(run *r, const cbi_batch *batch, double scale, cb_rows *y, tally *t,
                         cb_err *err) {
    const int keep = scale != 0;
    cb_status st = cb_engine_forward(r->engine, &batch->steps, batch->x, batch->ldx, batch->index,
                                     keep, y, err);
    if (st != CB_OK)
        return st;
    const cbi_loss_sum sum = cbi_readout_loss(&r->readout, r->w + r->stack_count, y, batch, scale);
    t->sum.loss += sum.loss;
    t->sum.wrong += sum.wrong;
    t->targets += batch->targets;
    r->result->flop += (keep ? CBI_TRAINING_PASSES : 1) *
                       cbi_trial_forward_flop(r->trial, batch->steps.frames, batch->targets);
    return CB_OK;
}

static double gradient_scale(const run *r, const cbi_batch *batch) {
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

static void apply_update(run *r) {
    cbi_step_advance(&r->step);
    for (size_t i = 0; i < r->span_count; i++) {
        const span *s = &r->spans[i];
        float *w = r->w + s->offset;
        float *s0 = r->state[0] ? r->state[0] + s->offset : NULL;
        float *s1 = r->state[1] ? r->state[1] + s->offset : NULL;
        r->rule->update(&r->step, s->count, r->g + s->offset, w, s0, s1);
        if (s->limit <= 0)
            continue;
        const float limit = (float)s->limit;
        for (size_t k = 0; k < s->count; k++)
            w[k] = w[k] > limit ? limit : w[k] < -limit ? -limit : w[k];
    }
    r->result->updates++;
}

/* One update from the batch that is packed; sets `diverged` instead if it cannot be made. */
static cb_status update(run *r, tally *t, cb_err *err) {
    cb_status st;
    cb_rows y;
    float *readout_gradient = r->g + r->stack_count;
    if ((st = forward(r, &r->train, gradient_scale(r, &r->train), &y, t, err)) != CB_OK)
        return st;
    if (!isfinite(t->sum.loss)) {
        r->diverged = 1;
        return CB_OK;
    }
    const cb_rows dy = cb_engine_output_gradient(r->engine);
    cbi_readout_backward(&r->readout, r->w + r->stack_count, &y, &r->train, readout_gradient, &dy);
    if ((st = cb_engine_backward(r->engine, r->g, NULL, 0, err)) != CB_OK)
        return st;
    const double norm = cbi_gradient_norm(r->g, r->count);
    if (!isfinite(norm)) {
        r->diverged = 1;
        return CB_OK;
    }
    cbi_gradient_clip(r->g, r->count, norm, r->trial->options.clip);
    apply_update(r);
    return cb_engine_set_weights(r->engine, r->w, err);
}

/* The training metric is the running one: each batch before its update. */
static cb_status train_epoch(run *r, size_t epoch, tally *t, cb_err *err) {
    const cbi_options *o = &r->trial->options;
    const cb_split *split = &r->data->split[CB_TRAIN];
    const size_t n = split->sequences;
    *t = (tally){0};
    cbi_batch_order(r->trial->seed, epoch, o->shuffle, n, r->order);
    for (size_t at = 0; at < n && !r->diverged; at += o->batch) {
        if (r->events && r->events->stop && r->events->stop(r->events->context)) {
            r->stopped = 1;
            return CB_OK;
        }
        cbi_batch_pack(&r->train, split, r->order + at, n - at < o->batch ? n - at : o->batch);
        if (r->train.steps.frames == 0)
            continue;
        cb_status st = update(r, t, err);
        if (st != CB_OK)
            return st;
    }
    /* In f64 the norm of finite f32 numbers cannot overflow: it is finite exactly when they are. */
    if (!isfinite(cbi_gradient_norm(r->w, r->count)))
        r->diverged = 1;
    return CB_OK;
}

static cb_status evaluate(run *r, cb_split_name name, tally *t, cb_err *err) {
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

static double mean_error(const run *r, const tally *t) {
    return r->data->loss == CB_LOSS_SOFTMAX ? t->sum.wrong / (double)t->targets : (double)NAN;
}

static cb_status emit(run *r, size_t epoch, cb_split_name split, const tally *t, double seconds,
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

/* Validates; keeps the weights if they are the best so far. */
static cb_status validate(run *r, size_t epoch, double train, cb_err *err) {
    tally t;
    cb_trial_result *out = r->result;
    const double begin = seconds_of(CLOCK_MONOTONIC);
    cb_status st = evaluate(r, CB_VALID, &t, err);
    if (st != CB_OK)
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
        memcpy(r->best, r->w, r->count * sizeof(float));
    }
    return emit(r, epoch, CB_VALID, &t, seconds_of(CLOCK_MONOTONIC) - begin, err);
}

static cb_status run_epochs(run *r, cb_err *err) {
    const cbi_options *o = &r->trial->options;
    cb_trial_result *out = r->result;
    cb_status st = validate(r, 0, (double)NAN, err);
    for (size_t epoch = 1; st == CB_OK && !r->diverged && epoch <= o->epochs; epoch++) {
        tally t;
        const double begin = seconds_of(CLOCK_MONOTONIC);
        out->epochs = epoch;
        st = train_epoch(r, epoch, &t, err);
        if (st != CB_OK || r->stopped || r->diverged)
            break;
        const double seconds = seconds_of(CLOCK_MONOTONIC) - begin;
        if ((st = emit(r, epoch, CB_TRAIN, &t, seconds, err)) != CB_OK)
            break;
        st = validate(r, epoch, mean_loss(&t), err);
        if (o->patience && epoch - out->best_epoch >= o->patience)
            break;
    }
    return st;
}

static cb_status take_test(run *r, cb_err *err) {
    tally t;
    cb_status st;
    cb_trial_result *out = r->result;
    const double begin = seconds_of(CLOCK_MONOTONIC);
    memcpy(r->w, r->best, r->count * sizeof(float));
    if ((st = cb_engine_set_weights(r->engine, r->w, err)) != CB_OK ||
        (st = evaluate(r, CB_TEST, &t, err)) != CB_OK)
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
    run r = {.trial = trial, .data = trial->data, .events = events, .result = out};
    *out = (cb_trial_result){0};
    forget_metrics(out);
    cb_status st = run_init(&r, err);
    if (st == CB_OK)
        st = run_epochs(&r, err);
    if (st == CB_OK && !r.diverged && !r.stopped && (st = take_test(&r, err)) == CB_OK) {
        out->weights = r.best;
        out->weight_count = r.count;
        r.best = NULL;
    }
    out->state = r.diverged ? CB_TRIAL_DIVERGED : r.stopped ? CB_TRIAL_STOPPED : CB_TRIAL_DONE;
    if (out->state != CB_TRIAL_DONE)
        forget_metrics(out);
    run_fini(&r);
    out->wall_seconds = seconds_of(CLOCK_MONOTONIC) - wall;
    out->cpu_seconds = seconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
    cb_engine_denormals_restore(denormals);
    return st;
}
