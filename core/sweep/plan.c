/* SPDX-License-Identifier: MIT */
/*
 * Registering a study, and later its confirmations: trials are made one by one, copied into chunks,
 * and each chunk is one transaction of the store.
 */
#include "sweep/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Trials a transaction: enough to make the cost of a commit small, few enough to hold them all as
 * built stacks. */
enum { CHUNK = 200 };

/* A trial of the current chunk, with copies of what the study lends only until its next trial. */
typedef struct chunk_trial {
    cb_trial *trial;
    char *cell, *cell_source;
    cb_trial_setting *settings; /* names and texts are copies */
    size_t setting_count;
} chunk_trial;

typedef struct chunk {
    chunk_trial trials[CHUNK];
    cb_trial_info infos[CHUNK];
    size_t count;
} chunk;

/* ---- chunks ---- */

static void chunk_clear(chunk *c) {
    for (size_t i = 0; i < c->count; i++) {
        chunk_trial *t = &c->trials[i];
        for (size_t s = 0; s < t->setting_count; s++) {
            cbi_free((char *)t->settings[s].name);
            cbi_free((char *)t->settings[s].value.text);
        }
        cbi_free(t->settings);
        cbi_free(t->cell);
        cbi_free(t->cell_source);
        cb_trial_destroy(t->trial);
        *t = (chunk_trial){0};
    }
    c->count = 0;
}

static int copy_setting(cb_trial_setting *to, const cb_trial_setting *from) {
    *to = *from;
    to->value.text = NULL;
    if ((to->name = cbi_strdup(from->name)) == NULL)
        return 0;
    if (from->value.type == CB_VALUE_TEXT)
        to->value.text = cbi_strndup(from->value.text, from->value.length);
    return from->value.type != CB_VALUE_TEXT || to->value.text != NULL;
}

/* Takes given->trial, also when it fails. */
static cb_status chunk_add(chunk *c, const cb_study_trial *given, const cb_task *task,
                           cb_err *err) {
    chunk_trial *t = &c->trials[c->count];
    const cb_data *data = cb_task_data(task);
    const cb_stack *stack = cb_trial_stack(given->trial);
    *t = (chunk_trial){.trial = given->trial};
    c->count++; /* from here on chunk_clear frees it */
    t->cell = cbi_strdup(given->cell);
    t->cell_source = cbi_strdup(given->cell_source ? given->cell_source : "");
    t->settings = cbi_calloc(given->setting_count + 1, sizeof *t->settings);
    if (t->cell == NULL || t->cell_source == NULL || t->settings == NULL)
        return cb_fail(err, CB_ENOMEM, "no memory");
    for (size_t s = 0; s < given->setting_count; s++) {
        t->setting_count++;
        if (!copy_setting(&t->settings[s], &given->settings[s]))
            return cb_fail(err, CB_ENOMEM, "no memory");
    }
    c->infos[c->count - 1] = (cb_trial_info){
        .key = cb_trial_key(t->trial),
        .spec = cb_trial_spec(t->trial),
        .task_open = cb_task_settings(task),
        .cell = t->cell,
        /* Of the top layer: the one that the name speaks of. */
        .cell_text = cb_cell_text(cb_stack_cell(stack, cb_stack_layer_count(stack) - 1)),
        .cell_source = t->cell_source,
        .task = cb_task_get_def(task)->name,
        .task_identity = cb_task_identity(task),
        .data_sha256 = data->sha256,
        .metric = data->metric,
        .seed = given->seed,
        .config = given->config,
        .hidden = (int64_t)cb_trial_hidden(t->trial),
        .param_count = (int64_t)cb_trial_param_count(t->trial),
        .cost_flop = cb_trial_epoch_flop(t->trial) * (double)cb_trial_epochs(t->trial),
        .epochs_most = (int64_t)cb_trial_epochs(t->trial),
        .settings = t->settings,
        .setting_count = t->setting_count,
    };
    return CB_OK;
}

/* ---- the plan ---- */

static int compare_items(const void *a, const void *b) {
    const cbi_plan_item *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order != 0 ? order : x->index < y->index ? -1 : x->index > y->index;
}

static int compare_keys(const void *key, const void *item) {
    return strcmp(key, ((const cbi_plan_item *)item)->key);
}

static cb_status find_cell(cbi_plan *plan, const char *name, cbi_plan_cell **out, cb_err *err) {
    size_t known = 0;
    while (known < plan->cell_count && strcmp(plan->cells[known].name, name) != 0)
        known++;
    if (known == plan->cell_count) {
        cb_status st =
            cbi_grow((void **)&plan->cells, &plan->cell_capacity, known + 1, sizeof *plan->cells);
        if (st != CB_OK)
            return cb_fail(err, st, "no memory");
        plan->cells[known] = (cbi_plan_cell){.name = cbi_strdup(name)};
        if (plan->cells[known].name == NULL)
            return cb_fail(err, CB_ENOMEM, "no memory");
        plan->cell_count++;
    }
    *out = &plan->cells[known];
    return CB_OK;
}

static cb_status plan_add(cbi_plan *plan, const cb_trial *trial, size_t index, size_t cell,
                          cb_err *err) {
    cbi_plan_item *item;
    cb_status st =
        cbi_grow((void **)&plan->items, &plan->item_capacity, plan->item_count + 1, sizeof *item);
    if (st != CB_OK)
        return cb_fail(err, st, "no memory for %zu trials", plan->item_count + 1);
    item = &plan->items[plan->item_count++];
    *item = (cbi_plan_item){.index = index, .cell = cell, .epochs = cb_trial_epochs(trial)};
    memcpy(item->key, cb_trial_key(trial), sizeof item->key - 1);
    item->flop = cb_trial_epoch_flop(trial) * (double)item->epochs;
    return CB_OK;
}

/* A study may name the same trial twice (a random search that draws the same setting again), but
 * not for two cells: in the store a trial of a study belongs to one of them. */
static cb_status plan_sort(cbi_plan *plan, cb_err *err) {
    size_t kept = 0;
    if (plan->item_count == 0)
        return CB_OK;
    qsort(plan->items, plan->item_count, sizeof *plan->items, compare_items);
    for (size_t i = 1; i < plan->item_count; i++) {
        const cbi_plan_item *last = &plan->items[kept];
        if (strcmp(plan->items[i].key, last->key) != 0)
            plan->items[++kept] = plan->items[i];
        else if (plan->items[i].cell != last->cell)
            return cb_fail(err, CB_EARG,
                           "the cells '%s' and '%s' have the same equations and the same settings "
                           "in trials %zu and %zu: one result cannot stand for two cells; leave "
                           "one of them out, or let their settings differ",
                           plan->cells[last->cell].name, plan->cells[plan->items[i].cell].name,
                           last->index + 1, plan->items[i].index + 1);
    }
    plan->item_count = kept + 1;
    return CB_OK;
}

cbi_plan_item *cbi_plan_find(const cbi_plan *plan, const char *key) {
    if (plan->item_count == 0)
        return NULL;
    return bsearch(key, plan->items, plan->item_count, sizeof *plan->items, compare_keys);
}

void cbi_plan_fini(cbi_plan *plan) {
    for (size_t i = 0; i < plan->cell_count; i++)
        cbi_free(plan->cells[i].name);
    cbi_free(plan->cells);
    cbi_free(plan->items);
    *plan = (cbi_plan){0};
}

static cb_status add_trial(cbi_plan *plan, chunk *c, const cb_study *study, size_t i, cb_err *err) {
    cb_study_trial given = {0};
    cbi_plan_cell *cell;
    cb_status st = study->get(study->context, i, &given, err);
    if (st != CB_OK)
        return st;
    if ((st = chunk_add(c, &given, study->task, err)) != CB_OK ||
        (st = find_cell(plan, given.cell, &cell, err)) != CB_OK)
        return st;
    if (cell->configs == 0 || cell->last_config != given.config)
        cell->configs++;
    cell->last_config = given.config;
    return plan_add(plan, given.trial, i, (size_t)(cell - plan->cells), err);
}

/* The key of the first trial, which tells this list from another of the same script. */
static cb_status first_key(const cb_study *study, char key[65], cb_err *err) {
    cb_study_trial given = {0};
    key[0] = '\0';
    if (study->count == 0)
        return CB_OK;
    cb_status st = study->get(study->context, 0, &given, err);
    if (st != CB_OK)
        return cb_fail_prefix(err, st, "study '%s', trial 1 of %zu: ", study->info.name,
                              study->count);
    memcpy(key, cb_trial_key(given.trial), 65);
    cb_trial_destroy(given.trial);
    return CB_OK;
}

cb_status cbi_plan_register(cbi_plan *plan, cb_store *store, const cb_study *study,
                            int (*stop)(void *context), void *stop_context, int64_t *study_id,
                            cb_err *err) {
    chunk *c = cbi_calloc(1, sizeof *c);
    cb_study_info info = study->info;
    char key[65];
    cb_status st;
    if (c == NULL)
        return cb_fail(err, CB_ENOMEM, "study '%s': no memory", study->info.name);
    info.trial_count = (int64_t)study->count;
    info.first_key = key;
    if ((st = first_key(study, key, err)) != CB_OK ||
        (st = cb_store_study_begin(store, &info, study_id, err)) != CB_OK)
        goto out;
    for (size_t i = 0; i < study->count; i++) {
        if (stop != NULL && stop(stop_context)) {
            st = cb_fail(err, CB_ECANCEL, "stopped on request");
            goto out;
        }
        if ((st = add_trial(plan, c, study, i, err)) != CB_OK) {
            st = cb_fail_prefix(err, st, "study '%s', trial %zu of %zu: ", study->info.name, i + 1,
                                study->count);
            goto out;
        }
        if (c->count < CHUNK && i + 1 < study->count)
            continue;
        st = cb_store_study_add(store, *study_id, (int64_t)(i + 1 - c->count), c->infos, c->count,
                                CB_AGAIN_NONE, NULL, err);
        if (st != CB_OK) {
            st = cb_fail_prefix(err, st, "study '%s': ", study->info.name);
            goto out;
        }
        chunk_clear(c);
    }
    if ((st = plan_sort(plan, err)) != CB_OK)
        st = cb_fail_prefix(err, st, "study '%s': ", study->info.name);
out:
    chunk_clear(c);
    cbi_free(c);
    return st;
}

/* ---- confirmation ---- */

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

size_t cbi_plan_awaited(const cbi_plan *plan, const cb_study *study) {
    size_t count = 0;
    for (size_t i = 0; i < plan->cell_count; i++)
        if (!plan->cells[i].decided)
            count += least(study->confirm_top, plan->cells[i].configs) * study->confirm_seeds;
    return count;
}

/* The k-th confirmation of trial `index`. A setting that was drawn twice has the number of its
 * first draw. */
static cb_status add_confirmation(cbi_plan *plan, chunk *c, const cb_study *study, size_t index,
                                  size_t k, int64_t config, cb_err *err) {
    cb_study_trial given = {0};
    cbi_plan_cell *cell;
    cb_status st = study->confirm(study->context, index, k, &given, err);
    if (st != CB_OK)
        return st;
    given.config = config;
    if ((st = chunk_add(c, &given, study->task, err)) != CB_OK ||
        (st = find_cell(plan, given.cell, &cell, err)) != CB_OK)
        return st;
    if (cbi_plan_find(plan, cb_trial_key(given.trial)) != NULL)
        return CB_OK;
    if ((st = plan_add(plan, given.trial, index, (size_t)(cell - plan->cells), err)) != CB_OK)
        return st;
    return plan_sort(plan, err);
}

cb_status cbi_plan_confirm(cbi_plan *plan, cb_store *store, const cb_study *study, int64_t study_id,
                           size_t index, int64_t config, int64_t position, cb_again again,
                           int64_t *added, cb_err *err) {
    chunk *c = cbi_calloc(1, sizeof *c);
    cb_status st = CB_OK;
    *added = 0;
    if (c == NULL)
        return cb_fail(err, CB_ENOMEM, "study '%s': no memory", study->info.name);
    for (size_t k = 0; st == CB_OK && k < study->confirm_seeds; k++) {
        cb_added now = {0};
        if ((st = add_confirmation(plan, c, study, index, k, config, err)) != CB_OK)
            break;
        if (c->count < CHUNK && k + 1 < study->confirm_seeds)
            continue;
        st = cb_store_study_confirm(store, study_id, position + (int64_t)(k + 1 - c->count),
                                    c->infos, c->count, again, &now, err);
        *added += now.linked;
        chunk_clear(c);
    }
    if (st != CB_OK)
        st = cb_fail_prefix(err, st, "study '%s', confirmation of trial %zu: ", study->info.name,
                            index + 1);
    chunk_clear(c);
    cbi_free(c);
    return st;
}
