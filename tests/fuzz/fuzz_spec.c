/* SPDX-License-Identifier: MIT */
/*
 * Specifications of trials, as a worker gets them: what is taken resolves to a text that resolves
 * to itself, with the same key; small ones begin to train, and their file of weights can be read
 * back. The first byte chooses the task.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cellbench/train.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(int promise) {
    if (!promise)
        abort();
}

static cb_task *tasks[2]; /* opened once; they stay to the end */

static const cb_task *open_task(size_t i) {
    static const char *const open[][2] = {
        {"adding", "{\"length\":4,\"train\":9,\"valid\":5,\"test\":5}"},
        {"copy", "{\"length\":1,\"digits\":2,\"train\":7,\"valid\":5,\"test\":5}"},
    };
    if (tasks[i] == NULL)
        check(cb_task_open(&tasks[i], open[i][0], open[i][1], NULL) == CB_OK);
    return tasks[i];
}

static cb_trial *create(const char *text, const cb_task *task, cb_err *err) {
    cb_trial *trial = (cb_trial *)(uintptr_t)text; /* must be overwritten */
    cb_status st = cb_trial_create(&trial, text, task, err);
    check((trial != NULL) == (st == CB_OK));
    if (st != CB_OK)
        check(st == err->code && err->text[0] != '\0' && st != CB_ENOMEM && st != CB_EINTERNAL);
    return trial;
}

static void check_again(const cb_trial *trial, const cb_task *task) {
    cb_err err = {0};
    cb_trial *again = create(cb_trial_spec(trial), task, &err);
    check(again != NULL);
    check(strcmp(cb_trial_spec(trial), cb_trial_spec(again)) == 0);
    check(strcmp(cb_trial_key(trial), cb_trial_key(again)) == 0);
    check(cb_trial_param_count(trial) == cb_trial_param_count(again));
    cb_trial_destroy(again);
}

static int stop_soon(void *context) {
    size_t *asked = context;
    return ++*asked > 6;
}

static cb_status finite_row(void *context, const cb_epoch_row *row, cb_err *err) {
    (void)context;
    (void)err;
    check(isfinite(row->value));
    return CB_OK;
}

static void run(const cb_trial *trial) {
    size_t asked = 0;
    cb_err err = {0};
    cb_trial_result result;
    const cb_train_events events = {.context = &asked, .row = finite_row, .stop = stop_soon};
    check(cb_trial_run(trial, &events, &result, &err) == CB_OK);
    check((result.weights != NULL) == (result.state == CB_TRIAL_DONE));
    cb_free(result.weights);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    cb_err err = {0};
    size_t memory, idle;
    if (size == 0)
        return 0;
    const cb_task *task = open_task(bytes[0] % 2);
    char *text = cbi_strndup((const char *)bytes + 1, size - 1);
    check(text != NULL);
    cb_trial *trial = create(text, task, &err);
    if (trial != NULL) {
        check_again(trial, task);
        (void)cb_trial_idle(trial, &idle);
        const cb_status st = cb_trial_memory(trial, &memory, &err);
        check(st == CB_OK || st == CB_ESHAPE);
        if (st == CB_OK && memory < (size_t)1 << 22 && cb_trial_epoch_flop(trial) < 1e7)
            run(trial);
    }
    cb_trial_destroy(trial);
    cbi_free(text);
    return 0;
}
