/* SPDX-License-Identifier: MIT */
/* The parts of a reproduction: what was published, what was found, and the page of both. */
#ifndef CB_REPORT_REPRODUCTION_INTERNAL_H
#define CB_REPORT_REPRODUCTION_INTERNAL_H

#include "base/json.h"
#include "base/text.h"
#include "cellbench/importance.h"
#include "cellbench/reproduction.h"
#include "report/pool.h"

/* ---- published ---- */

typedef struct cbi_claim {
    const char *cell, *setting; /* one of them */
    cb_expected expected;       /* of a cell */
    double above, below;        /* of a setting; NaN: not this */
    const char **more_than;
    size_t more_than_count;
    const char *certainty, *source; /* source: "" if none */
    cb_verdict verdict;
} cbi_claim;

typedef struct cbi_published_figure {
    const char *cell, *what, *certainty, *source;
    double value;
} cbi_published_figure;

typedef struct cbi_published {
    const char *paper, *baseline, *margin_why;
    double best, margin;
    int64_t trials; /* of each cell */
    cbi_claim *claims;
    size_t claim_count;
    cbi_published_figure *figures;
    size_t figure_count;
    const char **departures;
    size_t departure_count;
} cbi_published;

/* ---- found ---- */

typedef struct cbi_found_trial {
    size_t cell;
    int64_t config, hidden, params, epochs;
    int ended;          /* done, diverged or failed */
    int diverged;       /* or failed: no value */
    double valid, test; /* NaN without a value */
    double wall_seconds, cpu_seconds, flop;
} cbi_found_trial;

typedef struct cbi_found_cell {
    const char *name, *hash; /* SHA-256 of its text */
    int64_t complete;        /* settings 1..complete have ended */
    size_t diverged;
    double quartile[3];          /* of the test values; infinite where it is one that diverged */
    const cbi_found_trial *best; /* by validation; NULL: none has a value */
    cb_stats_mean decile;        /* test values of the best tenth */
    cb_stats_difference difference;
    double p_holm;
    double params, hidden, epochs; /* means */
    double epoch_seconds;          /* processor's time */
    double cpu_seconds, flop;      /* sums */
} cbi_found_cell;

typedef struct cbi_reproduction {
    cbi_pool pool;
    json_t *json; /* whose texts `published` borrows */
    cbi_published published;
    int64_t study_id;
    const char *study, *script_path, *script_hash, *commit, *task, *data_hash, *metric;
    cbi_found_trial *all;
    size_t all_count, all_capacity;
    cbi_found_cell *cells; /* the baseline first, the others as in the study */
    size_t cell_count, cell_capacity;
    int64_t n;                /* trials of each cell */
    size_t left_out;          /* trials that ended beyond them */
    size_t best_count;        /* of a tenth */
    double hours, wall_hours; /* of a processor; of a clock, all runs' trials together */
    const char **builds, **machines, **commands;
    size_t build_count, machine_count, command_count;
    size_t build_capacity, machine_capacity, command_capacity;
    int64_t jobs;          /* of the last run */
    const char **settings; /* that claims are about */
    size_t setting_count;
    cb_importance *importance;
} cbi_reproduction;

/* From the study's JSON; CB_ESTORE if it is none. */
CB_MUST_USE cb_status cbi_published_read(cbi_reproduction *r, const char *text, size_t length,
                                         cb_err *err);
/* The study, its trials, builds and machines. */
CB_MUST_USE cb_status cbi_found_read(cbi_reproduction *r, cb_store *store, const char *study,
                                     cb_err *err);
/* Cells compared, settings weighed, claims judged. */
CB_MUST_USE cb_status cbi_reproduction_judge(cbi_reproduction *r, cb_store *store, cb_err *err);
/* What a setting explains among the trials of one cell; NULL: nothing is known of it. */
const cb_importance_setting *cbi_reproduction_setting(const cbi_reproduction *r, const char *cell,
                                                      const char *name);
const cbi_found_cell *cbi_reproduction_cell(const cbi_reproduction *r, const char *name);

void cbi_reproduction_page(cbi_text *out, const cbi_reproduction *r,
                           const cb_reproduction_options *options);

#endif
