/* SPDX-License-Identifier: MIT */
/*
 * The text reader, from memory. What it accepts must keep its promises: symbols within the
 * alphabet, the last one never in training, each label the next input, each sequence going on
 * where the one before ended.
 */
#include <stdint.h>
#include <stdlib.h>

#include "tasks/characters.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(int promise) {
    if (!promise)
        abort();
}

static void check_split(const cb_data *data, cb_split_name k) {
    const cb_split *split = &data->split[k];
    int32_t symbols = (int32_t)data->input_dim - (k == CB_TRAIN);
    check(split->sequences > 0 && split->frames > 0 && split->start[0] == 0);
    check(split->start[split->sequences] == split->frames);
    for (size_t s = 0; s < split->sequences; s++)
        check(split->start[s] < split->start[s + 1]);
    for (size_t t = 0; t < split->frames; t++) {
        check(split->index[t] >= 0 && split->index[t] < symbols);
        check(split->label[t] >= 0 && split->label[t] < symbols);
        check(t == 0 || split->index[t] == split->label[t - 1]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const cbi_cut cut = {.valid_share = 0.25, .test_share = 0.25, .length = 5};
    cb_err err = {0};
    cbi_dataset *set = NULL;
    cb_data data = {.input = CB_INPUT_INDEX, .loss = CB_LOSS_SOFTMAX, .when = CB_WHEN_EACH};
    check(cbi_dataset_create(&set, &err) == CB_OK);
    cb_status st =
        cbi_characters_read(set, &data, (const char *)bytes, size, 0, &cut, "input", &err);
    if (st == CB_OK) {
        size_t characters = 0;
        check(data.input_dim == data.target_dim && data.input_dim >= 3);
        for (cb_split_name k = CB_TRAIN; k < CB_SPLITS; k++) {
            check_split(&data, k);
            characters += data.split[k].frames + 1;
        }
        check(characters <= size);
    } else {
        check(err.code == st && err.text[0] != '\0');
        check(st == CB_EDATA || st == CB_ESHAPE || st == CB_ENOMEM);
    }
    cbi_dataset_destroy(set);
    return 0;
}
