/* SPDX-License-Identifier: MIT */
/*
 * Parity: a random bit a step; is the number of ones so far odd? One bit of memory that every step
 * may flip, so that nothing less than the whole past decides, and nothing is learnt of it by parts.
 *
 * Input: the bit, one symbol of two; target: two classes, even (0) and odd (1), at each step or of
 * the whole sequence at its end. The length is fixed.
 */
#include <string.h>

#include "tasks/dataset.h"

enum { BITS = 2, CLASSES = 2 };

typedef struct parity_plan {
    size_t length;
    int last; /* only the parity of the whole is asked for */
} parity_plan;

static size_t parity_length(const void *context, cb_random *random) {
    const parity_plan *plan = context;
    (void)random;
    return plan->length;
}

static void parity_fill(const void *context, cb_random *random, size_t length,
                        const cbi_split_rows *rows) {
    const parity_plan *plan = context;
    int32_t odd = 0;
    for (size_t t = 0; t < length; t++) {
        rows->index[t] = (int32_t)cb_random_below(random, BITS);
        odd ^= rows->index[t];
        rows->label[plan->last ? 0 : t] = odd;
    }
}

static cb_status parity_read(void *context, cb_data *data, const json_t *settings, cb_err *err) {
    parity_plan *plan = context;
    (void)err;
    plan->length = cbi_setting_size(settings, "length");
    plan->last = strcmp(cbi_setting_text(settings, "ask"), "last") == 0;
    data->when = plan->last ? CB_WHEN_LAST : CB_WHEN_EACH;
    return CB_OK;
}

static void parity_measure(const void *context, cbi_dataset *set, cb_data *data) {
    (void)context;
    cbi_baseline_classes(set, data, "class frequencies", 0);
}

static cb_status parity_open(cb_data *data, void **own, const char *settings_json, cb_err *err) {
    parity_plan plan = {0};
    const cbi_generator generator = {&plan, parity_read, parity_length, parity_fill,
                                     parity_measure};
    *data = (cb_data){.input = CB_INPUT_INDEX,
                      .input_dim = BITS,
                      .loss = CB_LOSS_SOFTMAX,
                      .target_dim = CLASSES,
                      .metric = "nats"};
    return cbi_dataset_generate(data, own, settings_json, &generator, err);
}

static const cb_setting_def parity_settings[] = {
    {"length", CB_SETTING_INT, "50", 1, 100000, NULL, 1, "bits in a sequence"},
    {"ask", CB_SETTING_TEXT, "\"each\"", 0, 0, "each last", 1,
     "each: the parity so far, at each step; last: that of the whole, at the end"},
    CBI_SETTINGS_GENERATED,
    {0},
};

const cb_task_def cbi_task_parity = {
    .name = "parity",
    .summary = "whether the number of ones so far is odd",
    .source =
        "Bengio, Simard, Frasconi 1994, Learning long-term dependencies with gradient descent "
        "is difficult; Kalchbrenner, Danihelka, Graves 2015, arXiv:1507.01526",
    .chance = "even and odd are equally frequent whatever part of the bits is known: ln 2 = 0.693 "
              "nats, half wrong",
    .settings = parity_settings,
    .open = parity_open,
    .close = cbi_dataset_destroy,
};
