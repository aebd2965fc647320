/* SPDX-License-Identifier: MIT */
/*
 * Temporal order with two relevant symbols: X or Y at two places among random distractors; the
 * class is which came in which order. One symbol a step; softmax over four classes at the end.
 *
 * Symbols: 0..3 distractors, 4 X, 5 Y, 6 first step, 7 last step. Length T..1.1T, the places
 * uniform in T/10..T/5 and T/2..3T/5 (counted from 0): at T = 100, the numbers of the paper.
 */
#include "tasks/dataset.h"

enum { DISTRACTORS = 4, SYMBOL_X = 4, SYMBOL_FIRST = 6, SYMBOL_LAST = 7, SYMBOLS = 8, CLASSES = 4 };

/* The plan is the length T. */
static size_t order_length(const void *context, cb_random *random) {
    const size_t *length = context;
    return *length + (size_t)cb_random_below(random, *length / 10 + 1);
}

static size_t between(cb_random *random, size_t low, size_t high) {
    return low + (size_t)cb_random_below(random, high - low + 1);
}

static void order_fill(const void *context, cb_random *random, size_t length,
                       const cbi_split_rows *rows) {
    size_t T = *(const size_t *)context;
    size_t first = between(random, T / 10, T / 5);
    size_t second = between(random, T / 2, T * 3 / 5);
    int32_t class = (int32_t)cb_random_below(random, CLASSES);
    for (size_t t = 0; t < length; t++)
        rows->index[t] = (int32_t)cb_random_below(random, DISTRACTORS);
    rows->index[0] = SYMBOL_FIRST;
    rows->index[length - 1] = SYMBOL_LAST;
    rows->index[first] = SYMBOL_X + class / 2;
    rows->index[second] = SYMBOL_X + class % 2;
    rows->label[0] = class; /* XX, XY, YX, YY */
}

static cb_status order_read(void *context, const json_t *settings, cb_err *err) {
    size_t *length = context;
    (void)err;
    *length = cbi_setting_size(settings, "length");
    return CB_OK;
}

static void order_measure(const void *context, cbi_dataset *set, cb_data *data) {
    (void)context;
    cbi_baseline_classes(set, data, "class frequencies", 0);
}

static cb_status order_open(cb_data *data, void **own, const char *settings_json, cb_err *err) {
    size_t plan = 0;
    const cbi_generator generator = {&plan, order_read, order_length, order_fill, order_measure};
    *data = (cb_data){.input = CB_INPUT_INDEX,
                      .input_dim = SYMBOLS,
                      .loss = CB_LOSS_SOFTMAX,
                      .when = CB_WHEN_LAST,
                      .target_dim = CLASSES,
                      .metric = "nats"};
    return cbi_dataset_generate(data, own, settings_json, &generator, err);
}

static const cb_setting_def order_settings[] = {
    {"length", CB_SETTING_INT, "100", 10, 100000, NULL, 1, "T; sequences have T..1.1T steps"},
    CBI_SETTINGS_GENERATED,
    {0},
};

const cb_task_def cbi_task_temporal_order = {
    .name = "temporal_order",
    .summary = "in which order two marked symbols came: four classes, asked for at the end",
    .source = "Hochreiter, Schmidhuber 1997, Long short-term memory, experiment 6a",
    .chance = "four classes of equal frequency: ln 4 = 1.386 nats, 3 of 4 wrong",
    .settings = order_settings,
    .open = order_open,
    .close = cbi_dataset_destroy,
};
