/* SPDX-License-Identifier: MIT */
/*
 * The adding problem: two of the values in a sequence are marked, and their sum is asked for at its
 * end. What makes it hard is the distance between the first mark and the answer.
 *
 * modern  length T fixed; values U[0,1); marks 0 or 1, one in each half; target = the sum
 *         (Arjovsky, Shah, Bengio 2016; Le, Jaitly, Hinton 2015)
 * 1997    length T..1.1T; values U[-1,1); marks -1 at both ends, 1 at the two, else 0; the first
 *         within the first ten steps, the second among the first T/2 - 1 of the others; target =
 *         0.5 + sum/4 (Hochreiter, Schmidhuber 1997, experiment 4)
 */
#include <string.h>

#include "tasks/dataset.h"

enum { SHORTEST_1997 = 20 }; /* so that neither mark can fall on the last step */

typedef struct adding_plan {
    size_t length;
    int old; /* the form of 1997 */
} adding_plan;

static size_t adding_length(const void *context, cb_random *random) {
    const adding_plan *plan = context;
    if (!plan->old)
        return plan->length;
    return plan->length + (size_t)cb_random_below(random, plan->length / 10 + 1);
}

static void adding_fill_modern(size_t length, cb_random *random, const cbi_split_rows *rows) {
    size_t half = length / 2;
    size_t first = (size_t)cb_random_below(random, half);
    size_t second = half + (size_t)cb_random_below(random, length - half);
    for (size_t t = 0; t < length; t++) {
        rows->x[2 * t] = cbi_uniform_float(random);
        rows->x[2 * t + 1] = t == first || t == second ? 1.0F : 0.0F;
    }
    rows->target[0] = rows->x[2 * first] + rows->x[2 * second];
}

/* Where the mark falls on the first step, that step keeps its -1 and its value becomes 0, as the
 * paper has it: the sum is then of one value. */
static void adding_fill_1997(const adding_plan *plan, size_t length, cb_random *random,
                             const cbi_split_rows *rows) {
    size_t first = (size_t)cb_random_below(random, 10);
    size_t second = (size_t)cb_random_below(random, plan->length / 2 - 1);
    if (second >= first)
        second++; /* the choice is among the steps that are not marked yet */
    for (size_t t = 0; t < length; t++) {
        rows->x[2 * t] = 2.0F * cbi_uniform_float(random) - 1.0F;
        rows->x[2 * t + 1] = t == first || t == second ? 1.0F : 0.0F;
    }
    rows->x[1] = rows->x[2 * length - 1] = -1.0F;
    if (first == 0 || second == 0)
        rows->x[0] = 0.0F;
    rows->target[0] = 0.5F + (rows->x[2 * first] + rows->x[2 * second]) / 4.0F;
}

static void adding_fill(const void *context, cb_random *random, size_t length,
                        const cbi_split_rows *rows) {
    const adding_plan *plan = context;
    if (plan->old)
        adding_fill_1997(plan, length, random, rows);
    else
        adding_fill_modern(length, random, rows);
}

/* Mean squared error of always answering the mean of the training targets. */
static double mean_error(const cb_data *data, cb_split_name split) {
    const cb_split *train = &data->split[CB_TRAIN], *here = &data->split[split];
    double mean = 0.0, error = 0.0;
    for (size_t s = 0; s < train->sequences; s++)
        mean += (double)train->target[s];
    mean /= (double)train->sequences;
    for (size_t s = 0; s < here->sequences; s++) {
        double d = (double)here->target[s] - mean;
        error += d * d;
    }
    return error / (double)here->sequences;
}

static cb_status adding_read(void *context, cb_data *data, const json_t *settings, cb_err *err) {
    adding_plan *plan = context;
    (void)data;
    plan->length = cbi_setting_size(settings, "length");
    plan->old = strcmp(cbi_setting_text(settings, "form"), "1997") == 0;
    if (plan->old && plan->length < SHORTEST_1997)
        return cb_fail(err, CB_EARG, "length: expected >= %d in the form of 1997, got %zu",
                       SHORTEST_1997, plan->length);
    return CB_OK;
}

static void adding_measure(const void *context, cbi_dataset *set, cb_data *data) {
    (void)context;
    cbi_baseline_add(set, data, "predict the mean", "mse", mean_error(data, CB_VALID),
                     mean_error(data, CB_TEST));
}

static cb_status adding_open(cb_data *data, void **own, const char *settings_json, cb_err *err) {
    adding_plan plan = {0};
    const cbi_generator generator = {&plan, adding_read, adding_length, adding_fill,
                                     adding_measure};
    *data = (cb_data){.input = CB_INPUT_DENSE,
                      .input_dim = 2,
                      .loss = CB_LOSS_SQUARED,
                      .when = CB_WHEN_LAST,
                      .target_dim = 1,
                      .metric = "mse"};
    return cbi_dataset_generate(data, own, settings_json, &generator, err);
}

static const cb_setting_def adding_settings[] = {
    {"length", CB_SETTING_INT, "100", 2, 100000, NULL, 1, "steps T; the form of 1997: T..1.1T"},
    {"form", CB_SETTING_TEXT, "\"modern\"", 0, 0, "modern 1997", 1,
     "modern: U[0,1), one mark in each half; 1997: U[-1,1), both marks early, target 0.5 + sum/4"},
    CBI_SETTINGS_GENERATED,
    {0},
};

const cb_task_def cbi_task_adding = {
    .name = "adding",
    .summary = "the sum of two marked numbers, asked for at the end of the sequence",
    .source =
        "Hochreiter, Schmidhuber 1997, Long short-term memory, experiment 4; modern form: Le, "
        "Jaitly, Hinton 2015, arXiv:1504.00941",
    .chance =
        "the target is the sum of two U[0,1), so always answering 1 gives a mean squared error "
        "of 2/12 = 0.1667; in the form of 1997, always answering 0.5 gives at most 1/24 = "
        "0.0417 (less, as a mark on the first step counts 0)",
    .settings = adding_settings,
    .open = adding_open,
    .close = cbi_dataset_destroy,
};
