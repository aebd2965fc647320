/* SPDX-License-Identifier: MIT */
/*
 * The reader of note lists, from memory. What it accepts must keep its promises: rows of zeros and
 * ones, the input one frame behind the target.
 */
#include <stdint.h>
#include <stdlib.h>

#include "tasks/notes.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(int promise) {
    if (!promise)
        abort();
}

static void check_split(const cb_split *split) {
    check(split->sequences > 0 && split->start[0] == 0);
    check(split->start[split->sequences] == split->frames);
    for (size_t s = 0; s < split->sequences; s++) {
        check(split->start[s] < split->start[s + 1]);
        for (size_t t = split->start[s]; t < split->start[s + 1]; t++)
            for (size_t k = 0; k < CBI_NOTES; k++) {
                float on = split->target[t * CBI_NOTES + k], in = split->x[t * CBI_NOTES + k];
                int first = t == split->start[s];
                check(on == 0.0F || on == 1.0F);
                check(in == (first ? 0.0F : split->target[(t - 1) * CBI_NOTES + k]));
            }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    cb_err err = {0};
    cbi_dataset *set = NULL;
    cb_data data = {.input = CB_INPUT_DENSE,
                    .input_dim = CBI_NOTES,
                    .loss = CB_LOSS_BERNOULLI,
                    .when = CB_WHEN_EACH,
                    .target_dim = CBI_NOTES};
    check(cbi_dataset_create(&set, &err) == CB_OK);
    cb_status st = cbi_notes_read(set, &data, (const char *)bytes, size, 0, "input", &err);
    if (st == CB_OK) {
        for (int k = 0; k < CB_SPLITS; k++)
            check_split(&data.split[k]);
    } else {
        check(err.code == st && err.text[0] != '\0');
        check(st == CB_EPARSE || st == CB_EDATA || st == CB_ESHAPE || st == CB_ENOMEM);
    }
    cbi_dataset_destroy(set);
    return 0;
}
