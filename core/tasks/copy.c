/* SPDX-License-Identifier: MIT */
/*
 * Copy memory: digits are shown, then blanks for a long time, then a mark says: repeat them. One
 * symbol a step in, softmax at every step out.
 *
 * Input: n digits of 1..8, T - 1 zeros, n + 1 nines; target: T + n zeros, then the n digits. Ten
 * classes, as in the generator of Bai, Kolter, Koltun 2018.
 */
#include "tasks/dataset.h"

enum { DIGITS = 8, MARK = 9, SYMBOLS = 10 };

typedef struct copy_plan {
    size_t length; /* T */
    size_t digits;
} copy_plan;

static size_t copy_length(const void *context, cb_random *random) {
    const copy_plan *plan = context;
    (void)random;
    return plan->length + 2 * plan->digits;
}

static void copy_fill(const void *context, cb_random *random, size_t length,
                      const cbi_split_rows *rows) {
    const copy_plan *plan = context;
    size_t recall =
        length - plan->digits; /* where the repetition begins: one after the first mark */
    for (size_t t = 0; t < plan->digits; t++) {
        rows->index[t] = 1 + (int32_t)cb_random_below(random, DIGITS);
        rows->label[recall + t] = rows->index[t];
    }
    for (size_t t = recall - 1; t < length; t++)
        rows->index[t] = MARK;
}

static cb_status copy_read(void *context, cb_data *data, const json_t *settings, cb_err *err) {
    copy_plan *plan = context;
    (void)data;
    (void)err;
    plan->length = cbi_setting_size(settings, "length");
    plan->digits = cbi_setting_size(settings, "digits");
    return CB_OK;
}

static void copy_measure(const void *context, cbi_dataset *set, cb_data *data) {
    const copy_plan *plan = context;
    cbi_baseline_classes(set, data, "no memory", plan->digits);
}

static cb_status copy_open(cb_data *data, void **own, const char *settings_json, cb_err *err) {
    copy_plan plan = {0};
    const cbi_generator generator = {&plan, copy_read, copy_length, copy_fill, copy_measure};
    *data = (cb_data){.input = CB_INPUT_INDEX,
                      .input_dim = SYMBOLS,
                      .loss = CB_LOSS_SOFTMAX,
                      .when = CB_WHEN_EACH,
                      .target_dim = SYMBOLS,
                      .metric = "nats"};
    return cbi_dataset_generate(data, own, settings_json, &generator, err);
}

static const cb_setting_def copy_settings[] = {
    {"length", CB_SETTING_INT, "100", 1, 100000, NULL, 1,
     "T: blanks between digits and repetition; sequences have T + 2 digits steps"},
    {"digits", CB_SETTING_INT, "10", 1, 1000, NULL, 1, "how many digits to remember"},
    CBI_SETTINGS_GENERATED,
    {0},
};

const cb_task_def cbi_task_copy = {
    .name = "copy",
    .summary = "digits to be repeated after a long blank: a class at each step",
    .source = "Bai, Kolter, Koltun 2018, arXiv:1803.01271, section 4; Arjovsky, Shah, Bengio 2016, "
              "arXiv:1511.06464; after Hochreiter, Schmidhuber 1997",
    .chance = "blanks are certain and n digits of 8 guessed: n ln 8 / (T + 2n) nats a step (0.1733 "
              "for n = 10, T = 100), 7 n / (8 (T + 2n)) of the steps wrong",
    .settings = copy_settings,
    .open = copy_open,
    .close = cbi_dataset_destroy,
};
