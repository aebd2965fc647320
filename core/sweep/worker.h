/* SPDX-License-Identifier: MIT */
/*
 * A worker's loop, with what it does to a trial as a parameter: training, or in tests something
 * that only looks like it.
 */
#ifndef CB_SWEEP_WORKER_H
#define CB_SWEEP_WORKER_H

#include "sweep/protocol.h"

/* The number of the socket's descriptor in a worker process. */
enum { CBI_WORKER_SOCKET = 3 };

/*
 * Runs one trial and fills *out; sha256 is room for out->weights_sha256 to point to. A status other
 * than CB_OK makes the trial `failed`, with err's text, unless the worker was stopped.
 */
typedef cb_status (*cbi_job_run)(void *context, const cbi_job *job, const cb_train_events *events,
                                 cb_attempt_result *out, char sha256[CBI_SHA256_HEX], cb_err *err);

CB_MUST_USE cb_status cbi_worker_loop(int socket, cbi_job_run run, void *context, cb_err *err);

/* The task opened last, and all of what a worker keeps from one trial to the next. Starts as {0}.
 */
typedef struct cbi_task_cache {
    char *name, *settings;
    cb_task *task;
} cbi_task_cache;

void cbi_task_cache_clear(cbi_task_cache *cache);
/* The cbi_job_run of production: trains. context: a cbi_task_cache. */
CB_MUST_USE cb_status cbi_worker_train(void *context, const cbi_job *job,
                                       const cb_train_events *events, cb_attempt_result *out,
                                       char sha256[CBI_SHA256_HEX], cb_err *err);

#endif
