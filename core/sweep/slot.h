/* SPDX-License-Identifier: MIT */
/*
 * A slot of a coordinator: one worker process at a time, and the attempt it is at. What a worker
 * sends is kept here until the attempt ends.
 */
#ifndef CB_SWEEP_SLOT_H
#define CB_SWEEP_SLOT_H

#include "sweep/process.h"
#include "sweep/protocol.h"

typedef enum cbi_slot_state {
    CBI_SLOT_IDLE = 0,
    CBI_SLOT_CLAIMED = 1, /* `claim` is held, and waits for memory */
    CBI_SLOT_WORKING = 2, /* `claim` is being worked on */
    CBI_SLOT_CLOSED = 3   /* the system has no room for its process */
} cbi_slot_state;

typedef struct cbi_slot {
    cbi_process process; /* pid 0: no worker */
    cbi_channel channel;
    int ready; /* the worker has said that it is up */
    cbi_slot_state state;
    cb_claim claim;
    json_t *rows;       /* messages of type row, checked; by epoch, split and metric, in order */
    int64_t epoch;      /* of the last row */
    double row_seconds; /* of all rows: what the trial has taken, earlier attempts included */
    int64_t begun_ms;   /* when it was handed out */
    int64_t heard_ms;   /* when the worker said something last; both by the clock of the run */
    char *weights;      /* path; "": not kept */
} cbi_slot;

/* Starts as {0}. Closes the socket and reaps the worker, after grace_ms at most. */
void cbi_slot_stop(cbi_slot *slot, int grace_ms, cbi_fate *fate);
CB_MUST_USE cb_status cbi_slot_start(cbi_slot *slot, const char *program, cb_err *err);

/* The worker of `from`, which is idle, goes over to `to`, which has none. */
void cbi_slot_move(cbi_slot *to, cbi_slot *from);

/* Gives the worker the job, which is about the trial of slot->claim. */
CB_MUST_USE cb_status cbi_slot_assign(cbi_slot *slot, const cbi_job *job, cb_err *err);

/* Takes the next message of what was read. *is_end becomes 1 when it is the attempt's result, which
 * is then in *end, with texts borrowed from *message (json_decref). *message = NULL: there is none.
 * A status other than CB_OK is the worker's fault. */
CB_MUST_USE cb_status cbi_slot_take(cbi_slot *slot, json_t **message, int *is_end, cbi_end *end,
                                    cb_err *err);

/* Writes the end of the attempt with its rows (none if it is returned) into the store; the slot is
 * then idle. */
CB_MUST_USE cb_status cbi_slot_finish(cbi_slot *slot, cb_store *store,
                                      const cb_attempt_result *result, cb_err *err);

/* The share of what the trial has done that was done in this attempt: epochs that were taken over
 * from a checkpoint are not its own. */
double cbi_slot_own(const cbi_slot *slot, int64_t now_ms);
/* The share of the trial's whole cost that this attempt has done so far. */
double cbi_slot_share(const cbi_slot *slot, int64_t now_ms);

#endif
