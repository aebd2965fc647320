/* SPDX-License-Identifier: MIT */
/*
 * A study's list of trials, written into the store window by window ahead of the claims. Nothing of
 * it is kept in memory: not a list of a million, and not one of ten.
 */
#ifndef CB_SWEEP_LIST_H
#define CB_SWEEP_LIST_H

#include "sweep/window.h"

typedef struct cbi_list {
    cb_store *store;
    const cb_study *study;
    int64_t study_id;
    cb_again again; /* what of the trials that are listed is run again */
    cbi_window *window;
    int64_t next;   /* first position that is not registered; the study's count: all are */
    int superseded; /* the study has got another list since, from another process */
    int broken; /* `error` says which trial cannot be made: those before it are run all the same */
    cb_err error;
} cbi_list;

/* Begins an edition of the list in the store, or joins it; registers nothing yet. */
CB_MUST_USE cb_status cbi_list_init(cbi_list *list, cb_store *store, const cb_study *study,
                                    cb_again again, cb_err *err);
void cbi_list_fini(cbi_list *list);

/* Whether there is more to register by this process. */
int cbi_list_open(const cbi_list *list);

/* Registers the next trials: at most `most`, for about `budget_ms`, at least one. *added as from
 * cb_store_study_add. */
CB_MUST_USE cb_status cbi_list_extend(cbi_list *list, size_t most, int budget_ms, cb_added *added,
                                      cb_err *err);

#endif
