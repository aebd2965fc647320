/* SPDX-License-Identifier: MIT */
/*
 * The table of tasks, and opening one: settings are checked here, once, against the task's own
 * table; the task sees only a complete and valid object.
 */
#include "cellbench/task.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/settings.h"
#include "base/text.h"
#include "tasks/dataset.h"

struct cb_task {
    const cb_task_def *def;
    cb_data data;
    void *own;      /* what the task's open gave */
    char *identity; /* canonical JSON */
    char *settings; /* canonical JSON */
};

static const cb_task_def *const tasks[] = {
    &cbi_task_adding,         &cbi_task_copy,  &cbi_task_music,
    &cbi_task_parity,         &cbi_task_reber, &cbi_task_series,
    &cbi_task_temporal_order, &cbi_task_text,  NULL,
};

const cb_task_def *const *cb_task_table(void) {
    return tasks;
}

cb_status cb_task_find(const cb_task_def **out, const char *name, cb_err *err) {
    cbi_near near;
    *out = NULL;
    cbi_near_init(&near, name);
    for (const cb_task_def *const *def = tasks; *def != NULL; def++) {
        if (strcmp((*def)->name, name) == 0) {
            *out = *def;
            return CB_OK;
        }
        cbi_near_offer(&near, (*def)->name);
    }
    return cb_fail(err, CB_EARG, "unknown task '%s'%s", name, cbi_near_text(&near));
}

/* Checks the settings and keeps their two canonical texts. */
static cb_status resolve(cb_task *task, const char *text, const char *where, cb_err *err) {
    cb_status st = CB_OK;
    json_t *given = NULL, *resolved = NULL, *identity = NULL;
    const cb_setting_def *table = task->def->settings;
    if ((st = cbi_json_parse(&given, text, strlen(text), where, err)) != CB_OK)
        goto out;
    if (!json_is_object(given)) {
        st = cb_fail(err, CB_EARG, "%s: expected an object of settings", where);
        goto out;
    }
    if ((st = cbi_settings_resolve(&resolved, table, given, where, err)) != CB_OK)
        goto out;
    if ((st = cbi_settings_identity(&identity, table, resolved, err)) != CB_OK)
        goto out;
    if ((st = cbi_json_canonical(&task->settings, resolved, err)) != CB_OK)
        goto out;
    st = cbi_json_canonical(&task->identity, identity, err);
out:
    json_decref(identity);
    json_decref(resolved);
    json_decref(given);
    return st;
}

cb_status cb_task_open(cb_task **out, const char *name, const char *settings, cb_err *err) {
    cb_status st = CB_OK;
    const cb_task_def *def = NULL;
    cb_task *task = NULL;
    char where[64] = "";
    *out = NULL;
    if ((st = cb_task_find(&def, name, err)) != CB_OK)
        return st;
    if ((task = cbi_calloc(1, sizeof *task)) == NULL)
        return cb_fail(err, CB_ENOMEM, "task '%s': no memory", name);
    task->def = def;
    snprintf(where, sizeof where, "task '%s'", def->name);
    if ((st = resolve(task, settings, where, err)) != CB_OK)
        goto out;
    if ((st = def->open(&task->data, &task->own, task->settings, err)) != CB_OK) {
        st = cb_fail_prefix(err, st, "%s: ", where);
        goto out;
    }
    *out = task;
    task = NULL;
out:
    cb_task_close(task);
    return st;
}

void cb_task_close(cb_task *task) {
    if (task == NULL)
        return;
    if (task->own != NULL)
        task->def->close(task->own);
    cbi_free(task->identity);
    cbi_free(task->settings);
    cbi_free(task);
}

const cb_data *cb_task_data(const cb_task *task) {
    return &task->data;
}

const cb_task_def *cb_task_get_def(const cb_task *task) {
    return task->def;
}

const char *cb_task_identity(const cb_task *task) {
    return task->identity;
}

const char *cb_task_settings(const cb_task *task) {
    return task->settings;
}
