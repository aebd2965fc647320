/* SPDX-License-Identifier: MIT */
/*
 * What a study will cost: its trials are counted, each for a small study, some of them, evenly
 * chosen, for a large one; then each cell is timed for a moment. Nothing is written.
 */
#ifndef CB_CLI_FORECAST_H
#define CB_CLI_FORECAST_H

#include <stddef.h>

#include "cellbench/status.h"
#include "cellbench/sweep.h"

typedef struct cbi_forecast_cell {
    char *name;
    size_t trials, sampled;        /* of the list; those that were looked at */
    size_t configs, confirmations; /* settings, and trials that will confirm the best of them */
    int64_t last_config;
    size_t most_epochs; /* of a trial */
    double most_flop;
    size_t hidden_low, hidden_high, params_low, params_high, bytes;
    double epochs, flop; /* at most, confirmations included */
    double rate;         /* flop per second, measured */
} cbi_forecast_cell;

typedef struct cbi_forecast_trial {
    size_t cell;  /* index in cbi_forecast.cells */
    size_t index; /* of the trial in the study */
    double flop;  /* if it takes all its epochs */
} cbi_forecast_trial;

/* A setting that a cell's trials were given and that had no effect in `count` of them. */
typedef struct cbi_forecast_idle {
    size_t cell, count;
    cb_idle_setting setting;
} cbi_forecast_idle;

typedef struct cbi_forecast {
    cbi_forecast_cell *cells;
    size_t cell_count, cell_capacity;
    cbi_forecast_trial *trials; /* those that were looked at */
    size_t trial_count, trial_capacity;
    cbi_forecast_idle *idle;
    size_t idle_count, idle_capacity;
    double probe_seconds; /* how long a cell was timed */
} cbi_forecast;

CB_MUST_USE cb_status cbi_forecast_make(cbi_forecast *out, const cb_study *study, cb_err *err);
void cbi_forecast_fini(cbi_forecast *forecast);

#endif
