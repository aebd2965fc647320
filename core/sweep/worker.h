/* SPDX-License-Identifier: MIT */
/*
 * A worker's loop, with what it does to a trial as a parameter: training (job.h), or in tests
 * something that only looks like it.
 */
#ifndef CB_SWEEP_WORKER_H
#define CB_SWEEP_WORKER_H

#include "sweep/protocol.h"

/* The number of the socket's descriptor in a worker process. */
enum { CBI_WORKER_SOCKET = 3 };

/* What became of a trial, with room for the texts that `end` borrows. */
typedef struct cbi_outcome {
    cbi_end end;
    char sha256[CBI_SHA256_HEX];
    char note[CB_ERR_TEXT];
} cbi_outcome;

/*
 * Runs one trial and fills *out, whose texts are "" before. A status other than CB_OK makes the
 * trial fail, with err's text: by fault of the machine if memory, disk or a file gave out
 * (CB_ENOMEM, CB_EIO), else by its own.
 */
typedef cb_status (*cbi_job_run)(void *context, const cbi_job *job, const cb_train_events *events,
                                 cbi_outcome *out, cb_err *err);

CB_MUST_USE cb_status cbi_worker_loop(int socket, cbi_job_run run, void *context, cb_err *err);

#endif
