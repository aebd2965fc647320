/* SPDX-License-Identifier: MIT */
/*
 * How a database's studies stand, read in one short look: what `status --live` shows. Everything
 * comes from the records and the locks, nothing from the processes at work.
 */
#ifndef CB_CLI_STANDING_H
#define CB_CLI_STANDING_H

#include "cellbench/store.h"
#include "cellbench/sweep.h"

enum { CBI_STANDING_RUNS = 16, CBI_STANDING_FAILURES = 5 };

/* A run that has not ended. */
typedef struct cbi_standing_run {
    int64_t run_id, jobs, trials; /* trials that it has claimed now */
    const char *word;             /* "alive", "paused", "dead", or "not known here" */
    int lives, works;             /* alive; and not paused */
    int here;                     /* at work on the study that is shown */
    double seconds;               /* since it began */
    double rate; /* cost per second and job of what it has finished; NaN: not known yet */
    char host[64];
} cbi_standing_run;

typedef struct cbi_standing_failure {
    int64_t trial_id;
    char *cell, *reason;
} cbi_standing_failure;

typedef struct cbi_standing {
    /* The study that is shown in full: the one asked for, else one that has work and was active
     * last. */
    char *study; /* NULL: there is none yet */
    char *metric;
    cb_progress now;
    cb_cell_progress *cells; /* now.cells; the names are owned */
    size_t cell_capacity;
    /* All studies. */
    int64_t studies, open; /* open: trials that are pending or running */
    cbi_standing_run runs[CBI_STANDING_RUNS];
    size_t run_count;                                     /* may be larger than what `runs` holds */
    int alive;                                            /* whether any run lives */
    cbi_standing_failure failures[CBI_STANDING_FAILURES]; /* the latest first */
    size_t failure_count;
} cbi_standing;

/* Reads it; study NULL: chosen as above. CB_EARG if there is no study of that name. */
CB_MUST_USE cb_status cbi_standing_read(cbi_standing *out, cb_store *store, const char *study,
                                        cb_err *err);
/* A select that counts the trials of each study, for databases of that version: study_id, trials,
 * done, diverged, failed, running, pending, left_cost. */
const char *cbi_standing_counted(int64_t version);
/* Fills word, lives and works from the locks; run_id and host are given. */
CB_MUST_USE cb_status cbi_standing_life(cbi_standing_run *run, cb_store *store, cb_err *err);
void cbi_standing_fini(cbi_standing *standing);

#endif
