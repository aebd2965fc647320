/* SPDX-License-Identifier: MIT */
/* Windows: from what a study makes to what the store keeps. */
#include "sweep/window.h"

#include <string.h>

#include "base/alloc.h"
#include "sweep/room.h"

cb_status cbi_window_create(cbi_window **out, const cb_task *task, cb_err *err) {
    *out = cbi_calloc(1, sizeof **out);
    if (*out == NULL)
        return cb_fail(err, CB_ENOMEM, "no memory for a window of trials");
    (*out)->worker_bytes = cbi_room_worker(cb_task_data(task));
    return CB_OK;
}

void cbi_window_clear(cbi_window *w) {
    for (size_t i = 0; i < w->text_count; i++)
        cbi_free(w->texts[i]);
    for (size_t i = 0; i < w->count; i++)
        cbi_free((void *)w->infos[i].settings);
    w->text_count = w->count = 0;
}

void cbi_window_destroy(cbi_window *w) {
    if (w == NULL)
        return;
    cbi_window_clear(w);
    cbi_free(w->texts);
    cbi_free(w);
}

/* A copy that the window owns; NULL: out of memory. */
static const char *keep(cbi_window *w, const char *text, size_t length) {
    if (cbi_grow((void **)&w->texts, &w->text_capacity, w->text_count + 1, sizeof *w->texts) !=
        CB_OK)
        return NULL;
    char *copy = cbi_malloc(length + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return w->texts[w->text_count++] = copy;
}

static int keep_texts(cbi_window *w, cb_trial_info *info) {
    const char **const texts[] = {&info->key,        &info->spec,      &info->task_open,
                                  &info->cell,       &info->cell_text, &info->cell_source,
                                  &info->task,       &info->metric,    &info->task_identity,
                                  &info->data_sha256};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if ((*texts[i] = keep(w, *texts[i], strlen(*texts[i]))) == NULL)
            return 0;
    return 1;
}

static int keep_settings(cbi_window *w, cb_trial_info *info, const cb_study_trial *given) {
    cb_trial_setting *copies = cbi_calloc(given->setting_count + 1, sizeof *copies);
    info->settings = copies;
    info->setting_count = given->setting_count;
    if (copies == NULL)
        return 0;
    for (size_t i = 0; i < given->setting_count; i++) {
        const cb_trial_setting *from = &given->settings[i];
        copies[i] = *from;
        if ((copies[i].name = keep(w, from->name, strlen(from->name))) == NULL)
            return 0;
        if (from->value.type == CB_VALUE_TEXT &&
            (copies[i].value.text = keep(w, from->value.text, from->value.length)) == NULL)
            return 0;
    }
    return 1;
}

/* The text of the cell that the name speaks of: of all layers, or of the top one where the lowest
 * stands in for a cell that needs a layer below. */
static cb_status cell_text(char **out, const cb_stack *stack, cb_err *err) {
    const cb_cell *top = cb_stack_cell(stack, cb_stack_layer_count(stack) - 1);
    if (cb_cell_lowest(top) == NULL)
        return cb_stack_text(stack, out, err);
    *out = cbi_strdup(cb_cell_text(top));
    return *out ? CB_OK : cb_fail(err, CB_ENOMEM, "study: out of memory");
}

/* Describes the trial; destroys it, also when that fails. */
static cb_status take(cbi_window *w, const cb_task *task, const cb_study_trial *given,
                      cb_err *err) {
    cb_trial_info *info = &w->infos[w->count];
    const cb_trial *trial = given->trial;
    const cb_stack *stack = cb_trial_stack(trial);
    const cb_data *data = cb_task_data(task);
    size_t bytes = 0;
    char *text = NULL;
    cb_status st = cb_trial_memory(trial, &bytes, err);
    if (st != CB_OK || (st = cell_text(&text, stack, err)) != CB_OK)
        goto out;
    *info = (cb_trial_info){
        .key = cb_trial_key(trial),
        .spec = cb_trial_spec(trial),
        .task_open = cb_task_settings(task),
        .cell = given->cell,
        .cell_text = text,
        .cell_source = given->cell_source != NULL ? given->cell_source : "",
        .task = cb_task_get_def(task)->name,
        .task_identity = cb_task_identity(task),
        .data_sha256 = data->sha256,
        .metric = data->metric,
        .seed = given->seed,
        .config = given->config,
        .hidden = (int64_t)cb_trial_hidden(trial),
        .param_count = (int64_t)cb_trial_param_count(trial),
        .cost_flop = cb_trial_epoch_flop(trial) * (double)cb_trial_epochs(trial),
        .epochs_most = (int64_t)cb_trial_epochs(trial),
        .memory_bytes = (int64_t)bytes + w->worker_bytes,
    };
    if (keep_texts(w, info) && keep_settings(w, info, given)) {
        w->count++;
    } else {
        cbi_free((void *)info->settings);
        st = cb_fail(err, CB_ENOMEM, "no memory for a window of trials");
    }
out:
    cbi_free(text);
    cb_trial_destroy(given->trial);
    return st;
}

cb_status cbi_window_add(cbi_window *w, const cb_study *study, size_t index, cb_err *err) {
    cb_study_trial given = {0};
    cb_status st = study->get(study->context, index, &given, err);
    if (st == CB_OK)
        st = take(w, study->task, &given, err);
    return st == CB_OK ? CB_OK
                       : cb_fail_prefix(err, st, "study '%s', trial %zu of %zu: ", study->info.name,
                                        index + 1, study->count);
}

cb_status cbi_window_add_fresh(cbi_window *w, const cb_study *study, size_t index, size_t k,
                               cb_err *err) {
    cb_study_trial given = {0};
    cb_status st = study->confirm(study->context, index, k, &given, err);
    if (st == CB_OK)
        st = take(w, study->task, &given, err);
    return st == CB_OK ? CB_OK
                       : cb_fail_prefix(err, st,
                                        "study '%s', confirmation of trial %zu: ", study->info.name,
                                        index + 1);
}
