/* SPDX-License-Identifier: MIT */
/*
 * Temporal order: X or Y at two or three places among random distractors; the class is which came
 * in which order. One symbol a step; softmax over four or eight classes at the end.
 *
 * Symbols: 0..3 distractors, 4 X, 5 Y, 6 first step, 7 last step. Length T..1.1T, the places
 * (counted from 0) uniform in T/10..T/5 and T/2..3T/5, or with three markers in T/10..T/5,
 * 33T/100..43T/100 and 66T/100..76T/100: at T = 100, the numbers of the paper.
 */
#include "tasks/dataset.h"

enum { DISTRACTORS = 4, SYMBOL_X = 4, SYMBOL_FIRST = 6, SYMBOL_LAST = 7, SYMBOLS = 8 };
enum { MOST_MARKERS = 3 };

/* Where the markers fall, in hundredths of T, both ends included. */
static const size_t two_places[][2] = {{10, 20}, {50, 60}};
static const size_t three_places[][2] = {{10, 20}, {33, 43}, {66, 76}};

typedef struct order_plan {
    size_t length; /* T */
    size_t markers;
    const size_t (*places)[2];
} order_plan;

static size_t order_length(const void *context, cb_random *random) {
    const order_plan *plan = context;
    return plan->length + (size_t)cb_random_below(random, plan->length / 10 + 1);
}

static size_t between(cb_random *random, size_t low, size_t high) {
    return low + (size_t)cb_random_below(random, high - low + 1);
}

static void order_fill(const void *context, cb_random *random, size_t length,
                       const cbi_split_rows *rows) {
    const order_plan *plan = context;
    size_t T = plan->length, at[MOST_MARKERS];
    for (size_t m = 0; m < plan->markers; m++)
        at[m] = between(random, T * plan->places[m][0] / 100, T * plan->places[m][1] / 100);
    int32_t class = (int32_t)cb_random_below(random, (uint64_t)1 << plan->markers);
    for (size_t t = 0; t < length; t++)
        rows->index[t] = (int32_t)cb_random_below(random, DISTRACTORS);
    rows->index[0] = SYMBOL_FIRST;
    rows->index[length - 1] = SYMBOL_LAST;
    for (size_t m = 0; m < plan->markers; m++) /* the first is the class's highest bit */
        rows->index[at[m]] = SYMBOL_X + (class >> (plan->markers - 1 - m) & 1);
    rows->label[0] = class; /* XX, XY, YX, YY; XXX, XXY, ... */
}

static cb_status order_read(void *context, cb_data *data, const json_t *settings, cb_err *err) {
    order_plan *plan = context;
    (void)err;
    plan->length = cbi_setting_size(settings, "length");
    plan->markers = cbi_setting_size(settings, "markers");
    plan->places = plan->markers == 2 ? two_places : three_places;
    data->target_dim = (size_t)1 << plan->markers;
    return CB_OK;
}

static void order_measure(const void *context, cbi_dataset *set, cb_data *data) {
    (void)context;
    cbi_baseline_classes(set, data, "class frequencies", 0);
}

static cb_status order_open(cb_data *data, void **own, const char *settings_json, cb_err *err) {
    order_plan plan = {0};
    const cbi_generator generator = {&plan, order_read, order_length, order_fill, order_measure};
    *data = (cb_data){.input = CB_INPUT_INDEX,
                      .input_dim = SYMBOLS,
                      .loss = CB_LOSS_SOFTMAX,
                      .when = CB_WHEN_LAST,
                      .metric = "nats"};
    return cbi_dataset_generate(data, own, settings_json, &generator, err);
}

static const cb_setting_def order_settings[] = {
    {"length", CB_SETTING_INT, "100", 10, 100000, NULL, 1, "T; sequences have T..1.1T steps"},
    {"markers", CB_SETTING_INT, "2", 2, MOST_MARKERS, NULL, 2,
     "how many marked symbols: 2 for four classes (experiment 6a), 3 for eight (6b)"},
    CBI_SETTINGS_GENERATED,
    {0},
};

const cb_task_def cbi_task_temporal_order = {
    .name = "temporal_order",
    .summary = "in which order two or three marked symbols came: 4 or 8 classes, asked for at the "
               "end",
    .source = "Hochreiter, Schmidhuber 1997, Long short-term memory, experiments 6a and 6b",
    .chance = "classes of equal frequency: four, ln 4 = 1.386 nats, 3 of 4 wrong; with three "
              "markers eight, ln 8 = 2.079 nats, 7 of 8 wrong",
    .settings = order_settings,
    .open = order_open,
    .close = cbi_dataset_destroy,
};
