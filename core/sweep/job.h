/* SPDX-License-Identifier: MIT */
/* What a worker does to a trial: trains it, within limits. */
#ifndef CB_SWEEP_JOB_H
#define CB_SWEEP_JOB_H

#include "sweep/worker.h"

/* The task opened last, and all of what a worker keeps from one trial to the next. Starts as {0}.
 */
typedef struct cbi_task_cache {
    char *name, *settings;
    cb_task *task;
} cbi_task_cache;

void cbi_task_cache_clear(cbi_task_cache *cache);

/* The cbi_job_run of production. context: a cbi_task_cache. */
CB_MUST_USE cb_status cbi_job_train(void *context, const cbi_job *job,
                                    const cb_train_events *events, cbi_outcome *out, cb_err *err);

#endif
