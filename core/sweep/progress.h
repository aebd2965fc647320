/* SPDX-License-Identifier: MIT */
/* How far a study is: counts, the best of each cell, and the time that is left. */
#ifndef CB_SWEEP_PROGRESS_H
#define CB_SWEEP_PROGRESS_H

#include "sweep/plan.h"

/* A clock that never steps back. */
int64_t cbi_now_us(void);
int64_t cbi_now_ms(void);

typedef struct cbi_tracker {
    cb_progress shown; /* what cb_sweep_options.progress gets */
    cb_cell_progress *cells;
    cb_store *store;
    int64_t study_id;
    cbi_plan *plan;       /* borrowed */
    int64_t begun_us;     /* when the run began */
    int64_t refreshed_us; /* when the counts were read last; -1: never */
    int64_t refresh_cost_us;
    double here_flop;    /* planned cost of what this run finished */
    double partial_flop; /* and of what its workers have done of trials at work */
} cbi_tracker;

/* The plan must outlive the tracker. Reads which trials have results already. */
CB_MUST_USE cb_status cbi_tracker_init(cbi_tracker *tracker, cb_store *store, int64_t study_id,
                                       cbi_plan *plan, const char *metric, cb_err *err);
void cbi_tracker_fini(cbi_tracker *tracker);

/* Marks which trials of the plan have results: once more, when the plan has grown. */
CB_MUST_USE cb_status cbi_tracker_read(cbi_tracker *tracker, cb_err *err);

/* A trial got its result here (item NULL: one of another edition). */
void cbi_tracker_settle(cbi_tracker *tracker, cbi_plan_item *item);
/* Brings `shown` up to date: times always, counts unless reading them would cost more than a few
 * percent of the time (a study of very many trials), or if force. */
CB_MUST_USE cb_status cbi_tracker_update(cbi_tracker *tracker, int force, cb_err *err);

#endif
