/* SPDX-License-Identifier: MIT */
/*
 * Trials in tests: specifications as texts in which ' stands for ", made or expected to fail.
 */
#ifndef CB_TESTS_TRIAL_CHECK_H
#define CB_TESTS_TRIAL_CHECK_H

#include "cellbench/train.h"
#include "unit/task_check.h"

#define RNN_TEXT "state h\\nh' = tanh(W x + R h + b)\\n"
#define LSTM_TEXT                                                                                  \
    "state h, c\\nz = tanh(W x + R h + b)\\ni = sigmoid(W x + R h + b)\\n"                         \
    "f = sigmoid(W x + R h + b)\\nc' = f*c + i*z\\no = sigmoid(W x + R h + b)\\nh' = o * "         \
    "tanh(c')\\n"
#define CLOCKWORK_TEXT                                                                             \
    "state h\\nset periods = 1, 2, 4, 8\\nmatrix R = upper(periods)\\n"                            \
    "h' = clock(periods, tanh(W x + R h + b), h)\\n"

#define RNN "'layers':[{'name':'rnn','text':\"" RNN_TEXT "\"}]"
#define LSTM "'layers':[{'name':'lstm','text':\"" LSTM_TEXT "\"}]"
#define BOTH "'layers':[{'name':'both','text':\"" LSTM_TEXT "\",'bidirectional':true}]"
#define CLOCKWORK "'layers':[{'name':'clockwork','text':\"" CLOCKWORK_TEXT "\"}]"

/* Puts " for each ' that stands outside a text in " already. */
static inline void quote(char *out, size_t size, const char *text) {
    int inside = 0;
    size_t n = strlen(text);
    assert_true(n < size);
    for (size_t i = 0; i <= n; i++) {
        inside ^= text[i] == '"';
        out[i] = text[i] == '\'' && !inside ? '"' : text[i];
    }
}

static inline cb_status try_trial(cb_trial **trial, const cb_task *task, const char *spec,
                                  cb_err *err) {
    char text[8192];
    quote(text, sizeof text, spec);
    return cb_trial_create(trial, text, task, err);
}

static inline cb_trial *make_trial(const cb_task *task, const char *spec) {
    cb_err err = {0};
    cb_trial *trial = NULL;
    if (try_trial(&trial, task, spec, &err) != CB_OK)
        fail_msg("%s\n%s", spec, err.text);
    return trial;
}

/* It must fail with this status, and the message must hold the piece. */
static inline void refuse_trial(const cb_task *task, const char *spec, cb_status status,
                                const char *piece) {
    cb_err err = {0};
    cb_trial *trial = (cb_trial *)&err; /* anything but NULL */
    cb_status st = try_trial(&trial, task, spec, &err);
    if (st != status || strstr(err.text, piece) == NULL)
        fail_msg("%s\nexpected %s with '%s', got %s: %s", spec, cb_status_name(status), piece,
                 cb_status_name(st), err.text);
    assert_null(trial);
}

#endif
