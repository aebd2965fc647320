/* SPDX-License-Identifier: MIT */
/*
 * What a report tells, as plain structures: the comparison (cellbench/compare.h), and what that
 * leaves out: every trial, learning curves, equations, failures, runs and machines. All of it lives
 * in one pool; nothing here knows how it will look.
 */
#ifndef CB_REPORT_DATA_H
#define CB_REPORT_DATA_H

#include "cellbench/compare.h"
#include "cellbench/importance.h"
#include "cellbench/store.h"
#include "report/pool.h"

/* A trial that came to an end with numbers. */
typedef struct cbi_report_trial {
    int64_t trial_id, config, seed, params;
    size_t cell; /* index in the comparison's task */
    int confirm; /* 1: a fresh seed of the best setting */
    double valid, test, cpu_seconds;
} cbi_report_trial;

/* One setting of one cell, over the study's own seeds. */
typedef struct cbi_report_setting {
    int64_t config, params, n;
    size_t cell;
    double valid, cpu_seconds; /* means */
} cbi_report_setting;

enum { CBI_CURVE_VALID = 0, CBI_CURVE_TRAIN = 1, CBI_CURVE_SPLITS = 2 };

/* Over the seeds of a cell's best setting that still train at that epoch. */
typedef struct cbi_report_epoch {
    int64_t epoch, n;
    double middle, low, high; /* median; lowest and highest, or the outer deciles, see `deciles` */
} cbi_report_epoch;

typedef struct cbi_report_curve {
    cbi_report_epoch *epochs;
    size_t count, all; /* all: before thinning */
    size_t seeds;
    int deciles;
} cbi_report_curve;

typedef struct cbi_report_cell {
    const char *source, *text; /* of the equations that the study has now */
    cbi_report_curve curve[CBI_CURVE_SPLITS];
} cbi_report_cell;

/* Trials of one cell that ended alike. */
typedef struct cbi_report_failure {
    const char *cell, *state, *text;
    int64_t count, trial_id; /* the first of them */
} cbi_report_failure;

typedef struct cbi_report_run {
    const char *command, *version, *git_commit, *compiler, *flags, *blis_version, *kernel, *state,
        *started_utc, *ended_utc, *host, *cpu, *instruction_set, *system;
    int64_t run_id, numerics, jobs, cores, memory_bytes, trials;
    int denormals_flushed;
} cbi_report_run;

/* A setting of all trials: its value, or from which to which of how many different ones. */
typedef struct cbi_report_option {
    const char *name, *value;
    int64_t distinct;
} cbi_report_option;

/* One study on one task. */
typedef struct cbi_report_part {
    const cb_compare_task *compare;
    const char *script_path, *script, *git_commit, *created_utc, *updated_utc, *task_settings,
        *data_sha256;
    cb_importance *importance;
    char script_sha256[65];
    int64_t first_seeds, confirm_trials, weights_kept;
    cbi_report_cell *cells; /* one for each of compare->cells */
    cbi_report_trial *trials;
    size_t trial_count, trial_capacity;
    cbi_report_setting *settings;
    size_t setting_count, setting_capacity;
    cbi_report_failure *failures;
    size_t failure_count, failure_capacity;
    cbi_report_run *runs;
    size_t run_count, run_capacity;
    cbi_report_option *options;
    size_t option_count, option_capacity;
    cbi_report_option *varied; /* what the study varied */
    size_t varied_count, varied_capacity;
} cbi_report_part;

typedef struct cbi_report_data {
    cbi_pool pool;
    cb_compare *compare;
    cbi_report_part *parts; /* one for each of compare->tasks */
    char database[4096];
} cbi_report_data;

/* Reads in many short queries: a study that runs meanwhile is not held up, and may be a few trials
 * further at the end than at the beginning. */
CB_MUST_USE cb_status cbi_report_read(cbi_report_data *out, cb_store *store, const char *study,
                                      cb_err *err);
void cbi_report_data_fini(cbi_report_data *data);

/* report_curve.c: the learning curves of each cell's best setting. */
CB_MUST_USE cb_status cbi_report_read_curves(cbi_report_part *part, cb_store *store, cbi_pool *pool,
                                             cb_err *err);

#endif
