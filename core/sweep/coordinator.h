/* SPDX-License-Identifier: MIT */
/*
 * What the files of the coordinator share. coordinator.c has the loop, its begin and its end;
 * claims.c takes trials and hands them out; ends.c says what becomes of attempts.
 *
 * Nothing is kept only in memory that could not be done again: until an attempt's end is committed,
 * its claim stands in the store, and goes back to pending when this process dies. Results may come
 * in any order; no order decides any value.
 */
#ifndef CB_SWEEP_COORDINATOR_H
#define CB_SWEEP_COORDINATOR_H

#include <poll.h>

#include "sweep/files.h"
#include "sweep/list.h"
#include "sweep/progress.h"
#include "sweep/slot.h"

typedef struct cbi_coordinator {
    cb_store *store;
    const cb_study *study;
    const cb_sweep_options *options;
    int64_t study_id;
    cbi_list list;
    cbi_tracker tracker;
    cbi_files files;
    char *own_task; /* how the study's own task stands in a resolved specification */
    cbi_slot *slots;
    size_t slot_count; /* options->jobs */
    struct pollfd *polls;
    int64_t memory_bytes;      /* that the trials at work may take together, */
    int64_t memory_each_bytes; /* and one of them by itself */
    int64_t clock_ms;          /* of cbi_clock, at its last call, */
    int64_t looked_ms;         /* and the system's clock then */
    int64_t claimed;           /* the farthest place of the list that was claimed */
    int64_t next_claim_ms, next_progress_ms, next_confirm_ms;
    int stillborn;   /* workers in a row that ended before they were up */
    int refused;     /* trials in a row that a worker gave up for want of memory, disk, file */
    int said_failed; /* failures that were told */
    int said_locked, said_checkpoint; /* what is said only once */
} cbi_coordinator;

/* Tells a person something, once and at once. */
void cbi_say(cbi_coordinator *c, const char *format, ...) CB_PRINTF(2, 3);
/* Tells how far the run is. */
CB_MUST_USE cb_status cbi_tell(cbi_coordinator *c, int force, cb_err *err);

/* Milliseconds of the run. A longer time between two calls than the loop ever takes is one in which
 * this process was stopped, or the machine slept: it does not count. */
int64_t cbi_clock(cbi_coordinator *c);

/* Whether the status ends the run: a database that somebody else holds locked does not; it is said
 * once, and what was tried is tried again. */
int cbi_is_fatal(cbi_coordinator *c, cb_status st, const cb_err *err);

/* ---- claims.c ---- */

/* Registers what the claims will need next, takes trials for idle slots, hands them out. */
CB_MUST_USE cb_status cbi_claim_for_idle(cbi_coordinator *c, cb_err *err);
/* Confirmation trials stand behind all others: looked for when there is nothing else to claim, or,
 * if `force`, before the study is called complete. */
CB_MUST_USE cb_status cbi_claim_confirm(cbi_coordinator *c, int force, int64_t *added, cb_err *err);
/* Results of another arithmetic are not mixed in silence: CB_EARG, with how many of how many. */
CB_MUST_USE cb_status cbi_refuse_mixed(const cbi_coordinator *c, int64_t other, cb_err *err);

/* ---- ends.c ---- */

/* Commits what is queued, at once if `force`, and removes the checkpoints that are done with. */
CB_MUST_USE cb_status cbi_commit(cbi_coordinator *c, int force, cb_err *err);
/* The worker has told the result. */
CB_MUST_USE cb_status cbi_end_told(cbi_coordinator *c, cbi_slot *slot, cbi_end *end, cb_err *err);
/* The attempt has no result, by that fault: its trial is tried once more, then it has failed. */
CB_MUST_USE cb_status cbi_end_failed(cbi_coordinator *c, cbi_slot *slot, cb_cause cause,
                                     const char *why, cb_err *err);
/* The attempt has failed, and trying again would not help. */
CB_MUST_USE cb_status cbi_end_refused(cbi_coordinator *c, cbi_slot *slot, cb_cause cause,
                                      const char *why, cb_err *err);
/* The trial goes back: the run is being stopped. */
CB_MUST_USE cb_status cbi_end_returned(cbi_coordinator *c, cbi_slot *slot, cb_err *err);
/* The worker is gone, or `fault` (not NULL) says what is wrong with it. */
CB_MUST_USE cb_status cbi_end_worker(cbi_coordinator *c, cbi_slot *slot, const char *fault,
                                     cb_err *err);

#endif
