/* SPDX-License-Identifier: MIT */
/* Registration of a list, a window at a time. Other processes may be at the same list: where the
 * next window begins is asked in the store each time. */
#include "sweep/list.h"

#include <stdio.h>

#include "sweep/clock.h"

/* What tells this list from another of the same script: the key of its first trial. */
static cb_status first_key(const cb_study *study, char key[65], cb_err *err) {
    cb_study_trial given = {0};
    key[0] = '\0';
    if (study->count == 0)
        return CB_OK;
    cb_status st = study->get(study->context, 0, &given, err);
    if (st != CB_OK)
        return cb_fail_prefix(err, st, "study '%s', trial 1 of %zu: ", study->info.name,
                              study->count);
    snprintf(key, 65, "%s", cb_trial_key(given.trial));
    cb_trial_destroy(given.trial);
    return CB_OK;
}

cb_status cbi_list_init(cbi_list *list, cb_store *store, const cb_study *study, cb_again again,
                        cb_err *err) {
    cb_study_info info = study->info;
    char key[65];
    info.trial_count = (int64_t)study->count;
    info.first_key = key;
    *list = (cbi_list){.store = store, .study = study, .again = again};
    cb_status st = cbi_window_create(&list->window, study->task, err);
    if (st == CB_OK)
        st = first_key(study, key, err);
    if (st == CB_OK)
        st = cb_store_study_begin(store, &info, &list->study_id, err);
    return st;
}

void cbi_list_fini(cbi_list *list) {
    cbi_window_destroy(list->window);
    list->window = NULL;
}

int cbi_list_open(const cbi_list *list) {
    return !list->superseded && !list->broken && list->next < (int64_t)list->study->count;
}

static cb_status find_next(cbi_list *list, cb_err *err) {
    int64_t position;
    cb_status st = cb_store_study_next(list->store, list->study_id, &position, err);
    if (st != CB_OK)
        return st;
    if (position < 0)
        list->superseded = 1;
    else
        list->next = position;
    return CB_OK;
}

/* A study whose 5,000th trial cannot be made has 4,999 that can: they are not lost to it. */
static void fill_window(cbi_list *list, size_t most, int budget_ms) {
    const int64_t until = cbi_now_ms() + budget_ms;
    cbi_window *w = list->window;
    while (w->count < most && w->count < CBI_WINDOW_MOST) {
        const size_t index = (size_t)list->next + w->count;
        if (index >= list->study->count || (w->count > 0 && cbi_now_ms() >= until))
            return;
        list->broken = cbi_window_add(w, list->study, index, &list->error) != CB_OK;
        if (list->broken)
            return;
    }
}

cb_status cbi_list_extend(cbi_list *list, size_t most, int budget_ms, cb_added *added,
                          cb_err *err) {
    *added = (cb_added){0};
    cb_status st = find_next(list, err);
    if (st != CB_OK || !cbi_list_open(list))
        return st;
    fill_window(list, most, budget_ms);
    cbi_window *w = list->window;
    if (w->count > 0)
        st = cb_store_study_add(list->store, list->study_id, list->next, w->infos, w->count,
                                list->again, added, err);
    cbi_window_clear(w);
    return st == CB_OK ? find_next(list, err)
                       : cb_fail_prefix(err, st, "study '%s': ", list->study->info.name);
}
