/* SPDX-License-Identifier: MIT */
/* How far a study is: counts, the best of each cell, and the time that is left. */
#ifndef CB_SWEEP_PROGRESS_H
#define CB_SWEEP_PROGRESS_H

#include "cellbench/sweep.h"

/* A cell of the study, as far as its list is registered. */
typedef struct cbi_tracked_cell {
    char *name;
    int64_t done, running;             /* when they were read, */
    int64_t done_since, running_since; /* and what this run has added */
    int decided;                       /* its confirmations are in the study's list */
    int seen;                          /* by the reading at hand */
} cbi_tracked_cell;

typedef struct cbi_tracker {
    cb_progress shown; /* what cb_sweep_options.progress gets */
    cb_store *store;
    const cb_study *study;
    int64_t study_id;
    cbi_tracked_cell *cells; /* in the study's order */
    cb_cell_progress *cell_rows;
    size_t cell_count, cell_capacity, row_capacity;
    cb_study_counts counts; /* as the store told them */
    cb_study_counts since;  /* what this run has done since, some of it not committed yet */
    int64_t begun_ms;       /* when the run began */
    int64_t paused_ms;      /* of the time since, how long it stood */
    int64_t refreshed_us;   /* when the counts were read last; -1: never */
    int64_t refresh_cost_us;
    double here_flop;    /* planned cost of what this run computed of trials that have an end */
    double partial_flop; /* and of trials at work: set by the caller */
} cbi_tracker;

CB_MUST_USE cb_status cbi_tracker_init(cbi_tracker *tracker, cb_store *store, const cb_study *study,
                                       int64_t study_id, cb_err *err);
void cbi_tracker_fini(cbi_tracker *tracker);

/* This run has taken a trial, or has ended one, of whose cost it has computed `share` itself. */
void cbi_tracker_claimed(cbi_tracker *tracker, const cb_claim *claim);
void cbi_tracker_ended(cbi_tracker *tracker, const cb_claim *claim, cb_attempt_end end,
                       double share);
/* The cell of that name has its confirmations. */
CB_MUST_USE cb_status cbi_tracker_decided(cbi_tracker *tracker, const cb_value *cell, cb_err *err);

/* Brings `shown` up to date: times always; counts unless reading them would cost more than a few
 * percent of the time (a study of very many trials), or if force. */
CB_MUST_USE cb_status cbi_tracker_update(cbi_tracker *tracker, int force, cb_err *err);

#endif
