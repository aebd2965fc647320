/* SPDX-License-Identifier: MIT */
/*
 * A slot of a coordinator: one worker process at a time, and the attempt it is at. What a worker
 * sends is kept here until the attempt ends.
 */
#ifndef CB_SWEEP_SLOT_H
#define CB_SWEEP_SLOT_H

#include "sweep/plan.h"
#include "sweep/process.h"
#include "sweep/protocol.h"

typedef struct cbi_slot {
    cbi_process process; /* pid 0: no worker */
    cbi_channel channel;
    int ready; /* the worker has said that it is up */
    int busy;  /* `claim` is being worked on */
    cb_claim claim;
    cbi_plan_item *item; /* of the claim; NULL: of another edition of the study */
    json_t *rows;        /* messages of type row, checked; by epoch, split and metric, in order */
    int64_t epoch;       /* of the last row */
    char *weights; /* "<folder>/<key>.safetensors", relative to the database; NULL: not kept */
} cbi_slot;

/* Starts as {0}. Closes the socket and reaps the worker, after grace_ms at most. */
void cbi_slot_stop(cbi_slot *slot, int grace_ms, char *how, size_t how_size);
CB_MUST_USE cb_status cbi_slot_start(cbi_slot *slot, const char *program, cb_err *err);

/* Gives the worker the trial of slot->claim; `weights_path` as in cbi_job. */
CB_MUST_USE cb_status cbi_slot_assign(cbi_slot *slot, const char *task, const char *settings,
                                      const char *weights_path, cb_err *err);

/* Takes the next message of what was read. *end becomes 1 when it is the attempt's result, which
 * is then in *result, with texts borrowed from *message (json_decref). *message = NULL: there is
 * none. A status other than CB_OK is the worker's fault. */
CB_MUST_USE cb_status cbi_slot_take(cbi_slot *slot, json_t **message, int *end,
                                    cb_attempt_result *result, cb_err *err);

/* Writes the end of the attempt with its rows (none if it is returned) into the store; the slot is
 * then idle. */
CB_MUST_USE cb_status cbi_slot_finish(cbi_slot *slot, cb_store *store,
                                      const cb_attempt_result *result, cb_err *err);

#endif
