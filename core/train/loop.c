/* SPDX-License-Identifier: MIT */
/*
 * The training loop: phases, one after the other, each over batches. All that is computed follows
 * from the resolved specification, the data, and run->now with the run's vectors: so a run goes on
 * from a checkpoint of these between any two batches, in the middle of any phase.
 */
#include <math.h>
#include <string.h>
#include <time.h>

#include "train/checkpoint.h"
#include "train/clip.h"
#include "train/update.h"

static double seconds_of(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double wall_clock(const cb_train_events *e) {
    return e && e->clock ? e->clock(e->context) : seconds_of(CLOCK_MONOTONIC);
}

/* Books the time since it was last asked; 1: as time of the phase at hand, too. */
static void take_time(cbi_run *r, int of_phase) {
    const double wall = wall_clock(r->events), cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    r->now.wall_seconds += wall - r->wall_mark;
    r->now.cpu_seconds += cpu - r->cpu_mark;
    r->now.seconds += of_phase ? wall - r->wall_mark : 0;
    r->wall_mark = wall;
    r->cpu_mark = cpu;
}

/* ---- between batches ---- */

/* Work on checkpoints takes at most one part in so many of the time. */
enum { CHECKPOINT_SHARE = 50 };

/* What cannot be written does not end the trial; a lack of memory does, as everywhere. */
static cb_status save(cbi_run *r, cb_err *err) {
    cb_err why = {0};
    take_time(r, 1);
    const double begun = r->wall_mark;
    const cb_status st = cbi_checkpoint_write(r, r->events->checkpoint, &why);
    take_time(r, 0);
    const double took = CHECKPOINT_SHARE * (r->wall_mark - begun);
    const double pause = r->events->checkpoint_seconds;
    r->next_checkpoint = r->wall_mark + (took > pause ? took : pause);
    r->result->checkpoints += st == CB_OK;
    r->result->checkpoint_error[0] = '\0';
    if (st == CB_ENOMEM)
        return cb_fail(err, st, "%s", why.text);
    if (st != CB_OK)
        memcpy(r->result->checkpoint_error, why.text, sizeof why.text);
    return CB_OK;
}

/* Whether to stop, which sets `stopped`; and a checkpoint, if it is time. */
static cb_status between(cbi_run *r, cb_err *err) {
    const cb_train_events *e = r->events;
    if (e == NULL)
        return CB_OK;
    r->stopped = e->stop && e->stop(e->context);
    const int due = e->checkpoint_seconds > 0 && wall_clock(e) >= r->next_checkpoint;
    return e->checkpoint && (r->stopped || due) ? save(r, err) : CB_OK;
}

/* ---- passes over a split ---- */

/* Whether a budget has no room for the batch that is packed; otherwise its cost is booked. */
static int is_spent(cbi_run *r) {
    const cbi_options *o = &r->trial->options;
    const double after = r->now.trained_flop + CBI_TRAINING_PASSES * cbi_batch_flop(r, r->packed);
    if ((o->updates && r->now.updates >= o->updates) ||
        (o->operations > 0 && after > o->operations))
        return 1;
    r->now.trained_flop = after;
    return 0;
}

/* Passes over the training split before an update; `length` of them make one. */
static double passes(const cbi_run *r, size_t length) {
    return (double)(r->now.epoch - 1) + (double)r->now.at / (double)length;
}

/* Updates from whole sequences, in the order of the epoch. Ends early when a budget is spent. */
static cb_status train_batches(cbi_run *r, cb_err *err) {
    const cbi_options *o = &r->trial->options;
    const cb_split *split = &r->data->split[CB_TRAIN];
    const size_t n = split->sequences;
    cb_status st;
    cbi_batch_order(r->trial->seed, r->now.epoch, o->shuffle, n, r->order);
    for (size_t *at = &r->now.at; *at < n; *at += n - *at < o->batch ? n - *at : o->batch) {
        if ((st = between(r, err)) != CB_OK || r->stopped)
            return st;
        cbi_batch_pack(r->packed, split, r->order + *at, n - *at < o->batch ? n - *at : o->batch);
        if (r->packed->steps.frames == 0)
            continue;
        if ((r->now.spent = (size_t)is_spent(r)))
            break;
        if ((st = cbi_update(r, passes(r, n), &r->now.tally, err)) != CB_OK || r->diverged)
            return st;
    }
    return CB_OK;
}

/* Updates from chunks of streams; the state of a chunk's end is that under the weights that were
 * used in it. */
static cb_status train_streams(cbi_run *r, cb_err *err) {
    cbi_stream *s = &r->stream;
    cb_status st;
    for (; r->now.at < s->length; r->now.at += s->unroll) {
        if ((st = between(r, err)) != CB_OK)
            return st;
        if (r->stopped)
            break;
        if ((st = cbi_stream_pack(s, r->now.at, r->engine, err)) != CB_OK)
            return st;
        if ((r->now.spent = (size_t)is_spent(r)))
            break;
        if ((st = cbi_update(r, passes(r, s->length), &r->now.tally, err)) != CB_OK)
            return st;
        if (r->diverged)
            break;
        if ((st = cbi_stream_keep(s, r->engine, err)) != CB_OK)
            return st;
    }
    return cbi_stream_leave(s, r->engine, err);
}

static cb_status evaluate(cbi_run *r, cb_split_name name, cb_err *err) {
    const cb_split *split = &r->data->split[name];
    const size_t n = split->sequences, size = CBI_EVALUATION_BATCH;
    cb_status st;
    cbi_batch_order(0, 0, 0, n, r->order);
    for (size_t *at = &r->now.at; *at < n; *at += n - *at < size ? n - *at : size) {
        cb_rows y;
        if ((st = between(r, err)) != CB_OK || r->stopped)
            return st;
        cbi_batch_pack(&r->evaluation, split, r->order + *at, n - *at < size ? n - *at : size);
        if (r->evaluation.steps.frames == 0)
            continue;
        if ((st = cbi_forward(r, &r->evaluation, 0, &y, &r->now.tally, err)) != CB_OK)
            return st;
    }
    return CB_OK;
}

/* ---- rows of the curve ---- */

static double mean_loss(const cbi_run *r) {
    return r->now.tally.sum.loss / (double)r->now.tally.targets;
}

static double mean_error(const cbi_run *r) {
    return r->data->loss == CB_LOSS_SOFTMAX ? r->now.tally.sum.wrong / (double)r->now.tally.targets
                                            : (double)NAN;
}

static cb_status tell(cbi_run *r, const cbi_told *told, cb_err *err) {
    const cb_epoch_row row = {(size_t)told->epoch, (cb_split_name)(int)told->split,
                              told->is_error > 0 ? "error" : r->data->metric, told->value,
                              told->seconds};
    return r->events && r->events->row ? r->events->row(r->events->context, &row, err) : CB_OK;
}

/* The rows of the phase that has ended. */
static cb_status emit(cbi_run *r, size_t epoch, cb_split_name split, cb_err *err) {
    take_time(r, 1);
    cbi_told told = {(double)epoch, (double)split, 0, mean_loss(r), r->now.seconds};
    cb_status st = CB_OK;
    for (int error = 0; error <= (r->data->loss == CB_LOSS_SOFTMAX) && st == CB_OK; error++) {
        if (error)
            told = (cbi_told){told.epoch, told.split, 1, mean_error(r), told.seconds};
        if (r->events && r->events->checkpoint)
            st = cbi_checkpoint_told(r, &told, err);
        if (st == CB_OK)
            st = tell(r, &told, err);
    }
    return st;
}

/* What an earlier attempt told. */
static cb_status tell_again(cbi_run *r, cb_err *err) {
    cb_status st = CB_OK;
    for (size_t i = 0; i < r->told_count && st == CB_OK; i++)
        st = tell(r, &r->told[i], err);
    return st;
}

/* ---- phases ---- */

static void enter(cbi_run *r, cbi_phase phase, size_t epoch) {
    take_time(r, 1);
    r->now.phase = (size_t)phase;
    r->now.epoch = epoch;
    r->now.at = 0;
    r->now.tally = (cbi_tally){0};
    r->now.seconds = 0;
    if (phase != CBI_PHASE_TRAIN)
        return;
    r->now.epochs = epoch;
    cbi_average_begin_epoch(&r->average);
}

/* The training metric is the running one: each batch before its update. */
static cb_status train_phase(cbi_run *r, cb_err *err) {
    cb_status st = (r->trial->options.unroll ? train_streams : train_batches)(r, err);
    if (st != CB_OK || r->stopped)
        return st;
    /* In f64 the norm of finite f32 numbers cannot overflow: it is finite exactly when they are. */
    if (!isfinite(cbi_gradient_norm(r->w, r->count)))
        r->diverged = 1;
    if (r->diverged)
        return CB_OK;
    if (r->now.tally.targets == 0) { /* the budget was spent at the end of the last epoch */
        r->now.epochs--;
        enter(r, CBI_PHASE_TEST, r->now.best_epoch);
        return CB_OK;
    }
    r->now.train = mean_loss(r);
    st = emit(r, r->now.epoch, CB_TRAIN, err);
    enter(r, CBI_PHASE_VALID, r->now.epoch);
    return st;
}

/* A plateau: so many epochs without a lower validation metric since the best or the last drop. */
static void drop_rate(cbi_run *r) {
    const cbi_schedule *s = &r->trial->options.schedule;
    const size_t best = r->now.best_epoch;
    const size_t since = best > r->now.last_drop ? best : r->now.last_drop;
    if (s->kind != CBI_SCHEDULE_PLATEAU || r->now.epoch - since < s->epochs)
        return;
    r->now.drops++;
    r->now.last_drop = r->now.epoch;
}

static int is_over(const cbi_run *r) {
    const cbi_options *o = &r->trial->options;
    return r->now.spent || r->now.epoch >= o->epochs ||
           (o->patience && r->now.epoch - r->now.best_epoch >= o->patience);
}

/* Validates, with averaged weights where there are any; keeps them if they are the best so far. */
static cb_status valid_phase(cbi_run *r, cb_err *err) {
    cb_status st = cbi_use_weights(r, cbi_average_weights(&r->average, r->w), err);
    if (st != CB_OK || (st = evaluate(r, CB_VALID, err)) != CB_OK || r->stopped)
        return st;
    const double valid = mean_loss(r);
    if (!isfinite(valid)) {
        r->diverged = 1;
        return CB_OK;
    }
    if (isnan(r->now.best_valid) || valid < r->now.best_valid) {
        r->now.best_epoch = r->now.epoch;
        r->now.best_train = r->now.train;
        r->now.best_valid = valid;
        r->now.best_error = mean_error(r);
        memcpy(r->best, r->used, r->count * sizeof(float));
    }
    st = emit(r, r->now.epoch, CB_VALID, err);
    drop_rate(r);
    if (is_over(r))
        enter(r, CBI_PHASE_TEST, r->now.best_epoch);
    else
        enter(r, CBI_PHASE_TRAIN, r->now.epoch + 1);
    return st;
}

/* Once, from the best weights. */
static cb_status test_phase(cbi_run *r, cb_err *err) {
    memcpy(r->w, r->best, r->count * sizeof(float));
    cb_status st = cbi_use_weights(r, r->w, err);
    if (st != CB_OK || (st = evaluate(r, CB_TEST, err)) != CB_OK || r->stopped)
        return st;
    if (r->now.tally.targets > 0) {
        r->result->test = mean_loss(r);
        r->result->test_error = mean_error(r);
        st = emit(r, r->now.best_epoch, CB_TEST, err);
    }
    enter(r, CBI_PHASE_END, 0);
    return st;
}

static cb_status run_phases(cbi_run *r, cb_err *err) {
    static cb_status (*const phases[])(cbi_run *, cb_err *) = {[CBI_PHASE_VALID] = valid_phase,
                                                               [CBI_PHASE_TRAIN] = train_phase,
                                                               [CBI_PHASE_TEST] = test_phase};
    cb_status st = CB_OK;
    while (st == CB_OK && !r->stopped && !r->diverged && r->now.phase != CBI_PHASE_END)
        st = phases[r->now.phase](r, err);
    return st;
}

/* ---- the trial ---- */

/* Sets a run up, from its checkpoint if there is one. */
static cb_status begin(cbi_run *r, cb_err *err) {
    const cbi_run blank = *r;
    cbi_resumed resumed;
    cb_status st = cbi_run_init(r, err);
    if (st != CB_OK || r->events == NULL || r->events->checkpoint == NULL)
        return st;
    st = cbi_checkpoint_read(r, r->events->checkpoint, &resumed, err);
    if (st == CB_OK && resumed == CBI_RESUMED) {
        r->result->resumed_updates = r->now.updates;
        r->result->resumed_epochs =
            r->now.epochs - (r->now.epochs > 0 &&
                             (r->now.phase == CBI_PHASE_TRAIN || r->now.phase == CBI_PHASE_VALID));
        return tell_again(r, err);
    }
    if (st == CB_OK && resumed == CBI_RESUMED_TORN) {
        cbi_run_fini(r);
        *r = blank;
        st = cbi_run_init(r, err);
    }
    return st;
}

static void fill_result(cbi_run *r, cb_status st) {
    cb_trial_result *out = r->result;
    const double none = (double)NAN;
    const int done = st == CB_OK && r->now.phase == CBI_PHASE_END;
    out->state = r->diverged ? CB_TRIAL_DIVERGED : done ? CB_TRIAL_DONE : CB_TRIAL_STOPPED;
    out->epochs = r->now.epochs;
    out->best_epoch = r->now.best_epoch;
    out->updates = r->now.updates;
    out->wall_seconds = r->now.wall_seconds;
    out->cpu_seconds = r->now.cpu_seconds;
    out->flop = r->now.flop;
    out->train = done ? r->now.best_train : none;
    out->valid = done ? r->now.best_valid : none;
    out->valid_error = done ? r->now.best_error : none;
    if (done) {
        out->weights = r->best;
        out->weight_count = r->count;
        r->best = NULL;
    } else
        out->test = out->test_error = none;
}

cb_status cb_trial_run(const cb_trial *trial, const cb_train_events *events, cb_trial_result *out,
                       cb_err *err) {
    const unsigned denormals = cb_engine_denormals_flush();
    cbi_run r = {.trial = trial,
                 .data = trial->data,
                 .events = events,
                 .result = out,
                 .wall_mark = wall_clock(events),
                 .cpu_mark = seconds_of(CLOCK_THREAD_CPUTIME_ID)};
    *out = (cb_trial_result){.test = (double)NAN, .test_error = (double)NAN};
    cb_status st = cbi_trial_fits(trial, err);
    if (st == CB_OK && (st = begin(&r, err)) == CB_OK) {
        take_time(&r, 0);
        r.next_checkpoint = r.wall_mark + (events ? events->checkpoint_seconds : 0);
        st = run_phases(&r, err);
    }
    take_time(&r, 0);
    fill_result(&r, st);
    cbi_run_fini(&r);
    cb_engine_denormals_restore(denormals);
    return st;
}
