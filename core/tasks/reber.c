/* SPDX-License-Identifier: MIT */
/*
 * Embedded Reber grammar: strings B x (a string of Reber's grammar) x E, where x is T or P; which
 * symbols may come next? All but one answer depend on a few steps; the last x on the first.
 *
 * Input: one symbol of seven a step, all of the string but the final E. Target: each of the seven
 * is or is not a legal successor, as independent Bernoullis.
 *
 * Why the set, and not the one symbol that came: a cell solves this task, as the field says it,
 * when at each step of each string it holds exactly the legal successors likely. With the set as
 * target the best possible loss is 0, and the criterion can be read off the loss: an output on the
 * wrong side of 1/2 costs at least ln 2, so a split that costs less than ln 2 in all (the mean
 * times its frames) has every set right. Forgetting only x costs 2 ln 2 a string, which is a
 * baseline. Cross-entropy of the one symbol has a floor that differs from split to split, and
 * "solved" would be a small difference above it. The network of 1997 saw the one symbol (squared
 * error): its expectation has the same successors.
 */
#include <math.h>

#include "tasks/dataset.h"

enum { B, T, P, S, X, V, E, SYMBOLS, STATES = 7, FINAL = 6 };

/* Reber's grammar: two ways on from each state, none from the last. Before it stands B, behind it
 * E. */
static const struct {
    int symbol, state;
} grammar[STATES][2] = {
    {{B, 1}, {B, 1}}, {{T, 2}, {P, 3}}, {{S, 2}, {X, 4}}, {{T, 3}, {V, 5}},
    {{X, 3}, {S, 6}}, {{P, 4}, {V, 6}}, {{E, 6}, {E, 6}},
};

/* Where a string stands. */
typedef struct walk {
    int state; /* of the inner grammar, once in it */
    int outer; /* steps of the outer string: 0 B, 1 x, 2 the inner string, 3 x, 4 E */
    int x;
} walk;

/* The two symbols that may come next; the same twice where only one may. */
static void legal(const walk *at, int next[2]) {
    static const int outer[][2] = {{B, B}, {T, P}, {0, 0}, {0, 0}, {E, E}};
    for (int i = 0; i < 2; i++) {
        if (at->outer == 2)
            next[i] = grammar[at->state][i].symbol;
        else
            next[i] = at->outer == 3 ? at->x : outer[at->outer][i];
    }
}

/* Draws the next symbol; a coin is tossed only where there are two. */
static int step(walk *at, cb_random *random) {
    int next[2];
    legal(at, next);
    size_t way = next[0] == next[1] ? 0 : (size_t)cb_random_below(random, 2);
    if (at->outer == 1)
        at->x = next[way];
    if (at->outer != 2 || at->state == FINAL)
        at->outer++;
    else
        at->state = grammar[at->state][way].state;
    return next[way];
}

/* Walks the string on a copy of the stream, so that reber_fill draws the same one. */
static size_t reber_length(const void *context, cb_random *random) {
    cb_random ahead = *random;
    walk at = {0};
    size_t length = 0;
    (void)context;
    for (; at.outer < 4; length++)
        (void)step(&at, &ahead);
    return length;
}

static void reber_fill(const void *context, cb_random *random, size_t length,
                       const cbi_split_rows *rows) {
    walk at = {0};
    (void)context;
    for (size_t t = 0; t < length; t++) {
        int next[2];
        rows->index[t] = (int32_t)step(&at, random);
        legal(&at, next);
        rows->target[t * SYMBOLS + (size_t)next[0]] = 1.0F;
        rows->target[t * SYMBOLS + (size_t)next[1]] = 1.0F;
    }
}

/* ---- baselines ---- */

/* Mean nats a frame of outputs that depend on the current symbol alone (`by_symbol`) or on
 * nothing, with the frequencies of the training split. */
static double frequency_nats(const cb_data *data, cb_split_name split, int by_symbol) {
    double legal_count[SYMBOLS][SYMBOLS] = {{0}}, count[SYMBOLS] = {0}, nats = 0.0;
    const cb_split *train = &data->split[CB_TRAIN], *here = &data->split[split];
    for (size_t t = 0; t < train->frames; t++) {
        int32_t now = by_symbol ? train->index[t] : 0;
        count[now] += 1.0;
        for (size_t k = 0; k < SYMBOLS; k++)
            legal_count[now][k] += (double)train->target[t * SYMBOLS + k];
    }
    for (size_t t = 0; t < here->frames; t++) {
        int32_t now = by_symbol ? here->index[t] : 0;
        for (size_t k = 0; k < SYMBOLS; k++) {
            /* The rule of succession keeps what training never showed at a finite surprise. */
            double p = (legal_count[now][k] + 1.0) / (count[now] + 2.0);
            nats -= log(here->target[t * SYMBOLS + k] > 0.0F ? p : 1.0 - p);
        }
    }
    return nats / (double)here->frames;
}

/* Who knows the grammar but not the string's x gives T and P one half each at one step. */
static double forgetful_nats(const cb_data *data, cb_split_name split) {
    const cb_split *here = &data->split[split];
    return 2.0 * log(2.0) * (double)here->sequences / (double)here->frames;
}

static void reber_measure(const void *context, cbi_dataset *set, cb_data *data) {
    (void)context;
    cbi_baseline_add(set, data, "legal frequencies", "nats", frequency_nats(data, CB_VALID, 0),
                     frequency_nats(data, CB_TEST, 0));
    cbi_baseline_add(set, data, "the same by current symbol", "nats",
                     frequency_nats(data, CB_VALID, 1), frequency_nats(data, CB_TEST, 1));
    cbi_baseline_add(set, data, "grammar without memory of x", "nats",
                     forgetful_nats(data, CB_VALID), forgetful_nats(data, CB_TEST));
    cbi_baseline_add(set, data, "every set right", "nats", 0.0, 0.0);
}

static cb_status reber_read(void *context, cb_data *data, const json_t *settings, cb_err *err) {
    (void)context;
    (void)data;
    (void)settings;
    (void)err;
    return CB_OK;
}

static cb_status reber_open(cb_data *data, void **own, const char *settings_json, cb_err *err) {
    const cbi_generator generator = {NULL, reber_read, reber_length, reber_fill, reber_measure};
    *data = (cb_data){.input = CB_INPUT_INDEX,
                      .input_dim = SYMBOLS,
                      .loss = CB_LOSS_BERNOULLI,
                      .when = CB_WHEN_EACH,
                      .target_dim = SYMBOLS,
                      .metric = "nats"};
    return cbi_dataset_generate(data, own, settings_json, &generator, err);
}

static const cb_setting_def reber_settings[] = {
    CBI_SETTINGS_GENERATED,
    {0},
};

const cb_task_def cbi_task_reber = {
    .name = "reber",
    .summary = "which symbols may come next in a string of the embedded Reber grammar",
    .source = "Hochreiter, Schmidhuber 1997, Long short-term memory, experiment 1 (there the one "
              "symbol that came, by squared error); the grammar: Reber 1967",
    .chance = "knowing only how often each symbol is legal: about 3 nats a frame (measured below); "
              "knowing the grammar but not the string's second symbol: 2 ln 2 nats a string; the "
              "best possible: 0; solved for certain when the mean times the frames is below ln 2",
    .settings = reber_settings,
    .open = reber_open,
    .close = cbi_dataset_destroy,
};
