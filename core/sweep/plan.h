/* SPDX-License-Identifier: MIT */
/*
 * The plan of a run: a study's trials, written into the store, with what each will cost. It is how
 * a coordinator knows which claims are of its own edition of the study, and how long they take.
 */
#ifndef CB_SWEEP_PLAN_H
#define CB_SWEEP_PLAN_H

#include "cellbench/sweep.h"

typedef struct cbi_plan_item {
    char key[65];
    size_t index; /* of the trial in the study's list; for a confirmation that of its first trial */
    int settled;  /* has a result, or failed */
    size_t cell;  /* place in cbi_plan.cells */
    size_t epochs; /* at most */
    double flop;   /* at most: of all epochs */
} cbi_plan_item;

typedef struct cbi_plan_cell {
    char *name;
    size_t configs;      /* how many settings it has */
    int64_t last_config; /* the one seen last: in the list all trials of a setting stand together */
    int decided;         /* its best settings are known, and their confirmations are in the plan */
} cbi_plan_cell;

typedef struct cbi_plan {
    cbi_plan_item *items; /* sorted by key, each once */
    size_t item_count, item_capacity;
    cbi_plan_cell *cells; /* in the study's order, each once */
    size_t cell_count, cell_capacity;
} cbi_plan;

/* Starts as {0}. */
void cbi_plan_fini(cbi_plan *plan);
/* Writes the study's list of trials into the store, as a new edition, and makes the plan. `stop`
 * may be NULL; asked before each trial, as making many takes a while: 1 is CB_ECANCEL, and the
 * edition is left unfinished, which retires nothing. */
CB_MUST_USE cb_status cbi_plan_register(cbi_plan *plan, cb_store *store, const cb_study *study,
                                        int (*stop)(void *context), void *stop_context,
                                        int64_t *study_id, cb_err *err);
/* Adds the confirmations of `item` to the store, at places from `position` on, and to the plan,
 * whose items move: pointers to them are to be found anew. *added: how many the store did not have
 * in this edition. */
CB_MUST_USE cb_status cbi_plan_confirm(cbi_plan *plan, cb_store *store, const cb_study *study,
                                       int64_t study_id, size_t index, int64_t config,
                                       int64_t position, cb_again again, int64_t *added,
                                       cb_err *err);
/* Confirmation trials of cells that are not decided yet. */
size_t cbi_plan_awaited(const cbi_plan *plan, const cb_study *study);
/* NULL: not in this edition of the study. */
cbi_plan_item *cbi_plan_find(const cbi_plan *plan, const char *key);

#endif
