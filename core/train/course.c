/* SPDX-License-Identifier: MIT */
/*
 * Budgets and schedules. A step, exponential, cosine or linear schedule is a function of the passes
 * made; a plateau one counts the epochs without a better validation, which the loop does.
 */
#include "train/course.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "train/batch.h"
#include "train/options.h"

/* ---- budgets ---- */

double cbi_forward_flop(const cb_stack *stack, const cb_data *data, size_t frames, size_t targets) {
    double step = 0;
    for (size_t l = 0; l < cb_stack_layer_count(stack); l++)
        step += (double)cb_cell_get_cost(cb_stack_cell(stack, l)).product_flop;
    const double readout = 2 * (double)cb_stack_output_dim(stack) * (double)data->target_dim;
    return step * (double)frames + readout * (double)targets;
}

static double update_flop(const cb_stack *stack, const cb_data *data, size_t frames,
                          size_t sequences) {
    const size_t targets = data->when == CB_WHEN_LAST ? sequences : frames;
    return CBI_TRAINING_PASSES * cbi_forward_flop(stack, data, frames, targets);
}

static double epoch_flop(const cb_stack *stack, const cb_data *data) {
    const cb_split *s = &data->split[CB_TRAIN];
    return update_flop(stack, data, s->frames, s->sequences);
}

/* b is at least 1: a batch, or the batches of an epoch, of which there is one. */
static size_t ratio_up(size_t a, size_t b) {
    assert(b > 0);
    return a / b + (a % b != 0);
}

/* Chunks of the longest stream; 0 without `unroll`. */
static size_t stream_updates(const json_t *train, const cb_data *data) {
    const size_t unroll = cbi_options_count(train, "unroll");
    const size_t frames = data->split[CB_TRAIN].frames;
    return unroll ? ratio_up(ratio_up(frames, cbi_options_count(train, "batch")), unroll) : 0;
}

/* Batches in an epoch; those of sequences without frames are no updates. */
static size_t most_updates(const json_t *train, const cb_data *data) {
    if (stream_updates(train, data))
        return stream_updates(train, data);
    return ratio_up(data->split[CB_TRAIN].sequences, cbi_options_count(train, "batch"));
}

static size_t least_updates(const json_t *train, const cb_data *data) {
    const cb_split *s = &data->split[CB_TRAIN];
    size_t full = 0;
    if (stream_updates(train, data))
        return stream_updates(train, data);
    for (size_t i = 0; i < s->sequences; i++)
        full += s->start[i + 1] > s->start[i];
    return ratio_up(full, cbi_options_count(train, "batch"));
}

cb_status cbi_budget_resolve(json_t *train, const cb_stack *stack, const cb_data *data,
                             cb_err *err) {
    const cb_split *split = &data->split[CB_TRAIN];
    const size_t epochs = cbi_options_count(train, "epochs");
    const size_t batch = cbi_options_count(train, "batch");
    const size_t updates = cbi_options_count(train, "updates");
    const double operations = cbi_options_number(train, "operations");
    if (updates && updates / epochs >= most_updates(train, data))
        (void)json_object_del(train, "updates");
    if (operations <= 0)
        return CB_OK;
    size_t frames, steps;
    const size_t unroll = cbi_options_count(train, "unroll");
    const size_t B = batch < split->sequences || unroll ? batch : split->sequences;
    cb_status st = cbi_batch_most(split, B, &frames, &steps, err);
    frames = unroll ? B * unroll : frames;
    if (st != CB_OK)
        return st;
    const double least = update_flop(stack, data, frames, B);
    if (operations < least)
        return cb_fail(err, CB_EARG,
                       "train: operations: expected at least %.4g, one update with the %zu longest "
                       "sequences, got %.4g",
                       least, B, operations);
    if (operations >= epoch_flop(stack, data) * (double)epochs)
        (void)json_object_del(train, "operations");
    return CB_OK;
}

size_t cbi_budget_epochs(const json_t *train, const cb_stack *stack, const cb_data *data) {
    size_t epochs = cbi_options_count(train, "epochs");
    const size_t updates = cbi_options_count(train, "updates");
    const double operations = cbi_options_number(train, "operations");
    if (updates) {
        const size_t begun = ratio_up(updates, least_updates(train, data));
        epochs = begun < epochs ? begun : epochs;
    }
    if (operations > 0) {
        const double begun = floor(operations / epoch_flop(stack, data)) + 1;
        epochs = begun < (double)epochs ? (size_t)begun : epochs;
    }
    return epochs;
}

/* ---- schedules ---- */

static cb_status put_count(json_t *train, const char *name, size_t value, cb_err *err) {
    if (json_object_set_new(train, name, json_integer((json_int_t)value)) != 0)
        return cb_fail(err, CB_ENOMEM, "train: out of memory");
    return CB_OK;
}

static cb_status check_warm_up(const json_t *train, const cb_data *data, cb_err *err) {
    const size_t warm_up = cbi_options_count(train, "warm_up");
    const size_t updates = cbi_options_count(train, "updates");
    size_t most = cbi_options_count(train, "epochs") * most_updates(train, data);
    most = updates && updates < most ? updates : most;
    if (warm_up >= most && warm_up > 0)
        return cb_fail(err, CB_EARG,
                       "train: warm_up: expected fewer than the %zu updates of the training, got "
                       "%zu",
                       most, warm_up);
    return CB_OK;
}

static cb_status check_plateau(const json_t *train, size_t most, cb_err *err) {
    const size_t epochs = cbi_options_count(train, "schedule_epochs");
    const size_t patience = cbi_options_count(train, "patience");
    if (patience && epochs >= patience)
        return cb_fail(err, CB_EARG,
                       "train: schedule_epochs: expected fewer than patience (%zu), which ends the "
                       "training first, got %zu",
                       patience, epochs);
    if (epochs >= most)
        return cb_fail(
            err, CB_EARG,
            "train: schedule_epochs: expected fewer than the %zu epochs of the training, "
            "got %zu",
            most, epochs);
    return CB_OK;
}

/* A schedule over time must begin within the training; a descent must end within it. */
static cb_status check_time(json_t *train, cbi_schedule_kind kind, size_t most, cb_err *err) {
    cb_status st = CB_OK;
    const int descends = kind == CBI_SCHEDULE_COSINE || kind == CBI_SCHEDULE_LINEAR;
    const int hold_given = json_is_integer(json_object_get(train, "schedule_hold"));
    size_t epochs = cbi_options_count(train, "schedule_epochs");
    const size_t hold = hold_given ? cbi_options_count(train, "schedule_hold") : epochs;
    if (hold >= most)
        return cb_fail(err, CB_EARG,
                       "train: %s: expected fewer than the %zu epochs of the training, got %zu: "
                       "the rate would never change",
                       hold_given ? "schedule_hold" : "schedule_epochs", most, hold);
    if (!hold_given)
        st = put_count(train, "schedule_hold", hold, err);
    if (st != CB_OK || !descends)
        return st;
    if (epochs == 0) {
        epochs = most - hold;
        st = put_count(train, "schedule_epochs", epochs, err);
    }
    if (st == CB_OK && epochs > most - hold)
        return cb_fail(err, CB_EARG,
                       "train: schedule_epochs: expected at most %zu, what is left of the "
                       "training's %zu epochs, got %zu",
                       most - hold, most, epochs);
    return st;
}

cb_status cbi_schedule_resolve(json_t *train, const cb_stack *stack, const cb_data *data,
                               cb_err *err) {
    const size_t most = cbi_budget_epochs(train, stack, data);
    const cbi_schedule_kind kind = cbi_options_schedule(train);
    const double factor = cbi_options_number(train, "schedule_factor");
    const int descends = kind == CBI_SCHEDULE_COSINE || kind == CBI_SCHEDULE_LINEAR;
    cb_status st = check_warm_up(train, data, err);
    if (st != CB_OK || kind == CBI_SCHEDULE_CONSTANT)
        return st;
    if (factor >= 1 || (factor <= 0 && !descends))
        return cb_fail(err, CB_EARG, "train: schedule_factor: expected %s and below 1, got %g",
                       descends ? "at least 0" : "above 0", factor);
    return kind == CBI_SCHEDULE_PLATEAU ? check_plateau(train, most, err)
                                        : check_time(train, kind, most, err);
}

static double descent(const cbi_schedule *s, double gone) {
    const double way = fmin(1, (gone - (double)s->hold) / (double)s->epochs);
    const double left = s->kind == CBI_SCHEDULE_LINEAR ? 1 - way : (1 + cos(acos(-1) * way)) / 2;
    return s->factor + (1 - s->factor) * left;
}

double cbi_schedule_share(const cbi_schedule *s, size_t update, double gone, size_t drops) {
    const double after = gone - (double)s->hold;
    double share = 1;
    if (s->kind == CBI_SCHEDULE_PLATEAU)
        share = pow(s->factor, (double)drops);
    else if (s->kind != CBI_SCHEDULE_CONSTANT && after >= 0) {
        if (s->kind == CBI_SCHEDULE_STEP)
            share = pow(s->factor, 1 + floor(after / (double)s->epochs));
        else if (s->kind == CBI_SCHEDULE_EXPONENTIAL)
            share = pow(s->factor, after / (double)s->epochs);
        else
            share = descent(s, gone);
    }
    return update < s->warm_up ? share * (double)update / (double)s->warm_up : share;
}
