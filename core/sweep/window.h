/* SPDX-License-Identifier: MIT */
/*
 * A window of a study's list: some trials as the store wants them. A trial is built to be resolved,
 * described and hashed, and is not kept: what a window holds is texts and numbers.
 */
#ifndef CB_SWEEP_WINDOW_H
#define CB_SWEEP_WINDOW_H

#include "cellbench/sweep.h"

/* Trials at once: enough to make a transaction's cost small, few enough to hold. */
enum { CBI_WINDOW_MOST = 256 };

typedef struct cbi_window {
    int64_t worker_bytes; /* what a worker takes besides the trial */
    cb_trial_info infos[CBI_WINDOW_MOST];
    size_t count;
    char **texts; /* all that the infos point to */
    size_t text_count, text_capacity;
} cbi_window;

/* `task` is that of the study: it tells how much a worker holds. */
CB_MUST_USE cb_status cbi_window_create(cbi_window **out, const cb_task *task, cb_err *err);
void cbi_window_destroy(cbi_window *window); /* NULL is allowed */
void cbi_window_clear(cbi_window *window);

/* Trial `index` of the study, as the next one of the window; then with its fresh seed number k. */
CB_MUST_USE cb_status cbi_window_add(cbi_window *window, const cb_study *study, size_t index,
                                     cb_err *err);
CB_MUST_USE cb_status cbi_window_add_fresh(cbi_window *window, const cb_study *study, size_t index,
                                           size_t k, cb_err *err);

#endif
