/* SPDX-License-Identifier: MIT */
#include "cli/forecast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cellbench/memory.h"
#include "cli/cli.h"

enum {
    EXACT_MOST = 2000, /* trials of a study of which each is looked at: some tenths of a second */
    SAMPLE = 400,      /* of a larger one */
    SAMPLE_LEAST = 16  /* of each cell, however long a trial takes to be made */
};

/* How long making a sample may take, and how long one cell is tried: all of them for so long where
 * a sample shows that the study is large, and nobody waits for the last digit. */
static const double sample_seconds = 0.7, probe_most_seconds = 0.4, probe_all_seconds = 0.8;

void cbi_forecast_fini(cbi_forecast *f) {
    for (size_t i = 0; i < f->cell_count; i++)
        cbi_free(f->cells[i].name);
    cbi_free(f->cells);
    cbi_free(f->trials);
    cbi_free(f->idle);
    memset(f, 0, sizeof *f);
}

/* ---- counting ---- */

static cb_status find_cell(cbi_forecast *f, const char *name, size_t *out, cb_err *err) {
    void *cells = f->cells;
    for (size_t i = 0; i < f->cell_count; i++)
        if (strcmp(f->cells[i].name, name) == 0) {
            *out = i;
            return CB_OK;
        }
    if (cbi_grow(&cells, &f->cell_capacity, f->cell_count + 1, sizeof *f->cells) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "the list of cells");
    f->cells = cells;
    cbi_forecast_cell *cell = &f->cells[f->cell_count];
    *cell = (cbi_forecast_cell){.hidden_low = SIZE_MAX, .params_low = SIZE_MAX};
    if ((cell->name = cbi_strdup(name)) == NULL)
        return cb_fail(err, CB_ENOMEM, "the name of a cell");
    *out = f->cell_count++;
    return CB_OK;
}

static void widen(size_t value, size_t *low, size_t *high) {
    *low = value < *low ? value : *low;
    *high = value > *high ? value : *high;
}

static void add_trial(cbi_forecast_cell *cell, const cb_trial *trial, size_t bytes, double flop) {
    const size_t epochs = cb_trial_epochs(trial);
    cell->sampled++;
    if (flop > cell->most_flop) {
        cell->most_flop = flop;
        cell->most_epochs = epochs;
    }
    cell->epochs += (double)epochs;
    cell->flop += flop;
    cell->bytes = bytes > cell->bytes ? bytes : cell->bytes;
    widen(cb_trial_hidden(trial), &cell->hidden_low, &cell->hidden_high);
    widen(cb_trial_param_count(trial), &cell->params_low, &cell->params_high);
}

static cb_status count_idle(cbi_forecast *f, const cb_trial *trial, size_t cell, cb_err *err) {
    size_t n = 0;
    const cb_idle_setting *settings = cb_trial_idle(trial, &n);
    for (size_t i = 0, at; i < n; i++) {
        void *idle = f->idle;
        for (at = 0; at < f->idle_count; at++)
            if (f->idle[at].cell == cell && strcmp(f->idle[at].setting.name, settings[i].name) == 0)
                break;
        if (at == f->idle_count) {
            if (cbi_grow(&idle, &f->idle_capacity, at + 1, sizeof *f->idle) != CB_OK)
                return cb_fail(err, CB_ENOMEM, "a list of settings");
            f->idle = idle;
            f->idle[f->idle_count++] = (cbi_forecast_idle){.cell = cell, .setting = settings[i]};
        }
        f->idle[at].count++;
    }
    return CB_OK;
}

static cb_status look(cbi_forecast *f, const cb_study *study, size_t i, cb_err *err) {
    cb_study_trial made;
    size_t c = 0, bytes = 0;
    void *trials = f->trials;
    memset(&made, 0, sizeof made);
    cb_status st = study->get(study->context, i, &made, err);
    if (st != CB_OK)
        return cb_fail_prefix(err, st, "trial %zu: ", i + 1);
    if ((st = find_cell(f, made.cell, &c, err)) != CB_OK ||
        (st = cb_trial_memory(made.trial, &bytes, err)) != CB_OK ||
        (st = count_idle(f, made.trial, c, err)) != CB_OK)
        goto out;
    if (cbi_grow(&trials, &f->trial_capacity, f->trial_count + 1, sizeof *f->trials) != CB_OK) {
        st = cb_fail(err, CB_ENOMEM, "a list of %zu trials", f->trial_count + 1);
        goto out;
    }
    f->trials = trials;
    cbi_forecast_cell *cell = &f->cells[c];
    const double flop = cb_trial_epoch_flop(made.trial) * (double)cb_trial_epochs(made.trial);
    cell->configs += cell->configs == 0 || cell->last_config != made.config;
    cell->last_config = made.config;
    add_trial(cell, made.trial, bytes, flop);
    f->trials[f->trial_count++] = (cbi_forecast_trial){c, i, flop};
out:
    cb_trial_destroy(made.trial);
    return st;
}

static cb_status look_at_all(cbi_forecast *f, const cb_study *study, cb_err *err) {
    cb_status st = CB_OK;
    for (size_t i = 0; i < study->count && st == CB_OK; i++)
        st = look(f, study, i, err);
    for (size_t i = 0; i < f->cell_count; i++)
        f->cells[i].trials = f->cells[i].sampled;
    return st;
}

/* ---- a sample ---- */

/* Where trial `number` of a cell stands in the study's list. */
static size_t place_of(const cb_study *study, size_t cell, size_t number) {
    const size_t before = number / study->seed_count; /* settings */
    size_t place = 0;
    for (size_t i = 0; i < study->cell_count; i++) {
        const size_t configs = study->cells[i].configs;
        place += configs < before ? configs : before;
        place += i < cell && configs > before;
    }
    return place * study->seed_count + number % study->seed_count;
}

/* The k-th place in a list of n: multiples of the golden ratio are spread evenly however many of
 * them there are, and keep no step with the axes of a grid. */
static size_t spread(size_t k, size_t n) {
    const double at = (double)(k + 1) * 0.61803398874989485;
    const size_t place = (size_t)((at - floor(at)) * (double)n);
    return place < n ? place : n - 1;
}

/* One trial of each cell after the other, so that the time may end it anywhere. A cell with few
 * trials has each of them looked at, once. */
static cb_status look_at_some(cbi_forecast *f, const cb_study *study, cb_err *err) {
    const double begin = cbi_cli_seconds();
    size_t share = SAMPLE / study->cell_count;
    cb_status st = CB_OK;
    share = share > SAMPLE_LEAST ? share : SAMPLE_LEAST;
    for (size_t k = 0; k < share && st == CB_OK; k++) {
        if (k >= SAMPLE_LEAST && cbi_cli_seconds() - begin > sample_seconds)
            break;
        for (size_t c = 0; c < study->cell_count && st == CB_OK; c++) {
            const size_t trials = study->cells[c].configs * study->seed_count;
            if (trials > share)
                st = look(f, study, place_of(study, c, spread(k, trials)), err);
            else if (k < trials)
                st = look(f, study, place_of(study, c, k), err);
        }
    }
    for (size_t c = 0; c < study->cell_count && st == CB_OK; c++) {
        size_t i = 0;
        if ((st = find_cell(f, study->cells[c].name, &i, err)) != CB_OK)
            break;
        cbi_forecast_cell *cell = &f->cells[i];
        cell->configs = study->cells[c].configs;
        cell->trials = cell->configs * study->seed_count;
        const double weight = (double)cell->trials / (double)cell->sampled;
        cell->epochs *= weight;
        cell->flop *= weight;
    }
    return st;
}

/* Which settings will be confirmed is not known: the dearest is counted. */
static void add_confirmations(cbi_forecast *f, const cb_study *study) {
    for (size_t i = 0; i < f->cell_count; i++) {
        cbi_forecast_cell *cell = &f->cells[i];
        const size_t top = study->confirm_top < cell->configs ? study->confirm_top : cell->configs;
        cell->confirmations = top * study->confirm_seeds;
        cell->epochs += (double)cell->confirmations * (double)cell->most_epochs;
        cell->flop += (double)cell->confirmations * cell->most_flop;
    }
}

/* ---- measuring ---- */

typedef struct probe {
    double end;
    size_t asked;
} probe;

/* Not before the first batch, however long it takes to set the trial up. */
static int probe_over(void *context) {
    probe *p = context;
    return p->asked++ > 0 && cbi_cli_seconds() >= p->end;
}

/* Trains one trial until the time is over. */
static cb_status measure_trial(const cb_study *study, size_t index, double probe_seconds,
                               double *rate, cb_err *err) {
    cb_study_trial made;
    cb_trial_result result;
    memset(&made, 0, sizeof made);
    memset(&result, 0, sizeof result);
    cb_status st = study->get(study->context, index, &made, err);
    if (st != CB_OK)
        return st;
    const double start = cbi_cli_seconds();
    probe limit = {.end = start + probe_seconds};
    const cb_train_events events = {.context = &limit, .stop = probe_over};
    st = cb_trial_run(made.trial, &events, &result, err);
    const double seconds = cbi_cli_seconds() - start;
    if (st != CB_OK)
        cb_fail_prefix(err, st, "cell '%s', setting %lld: ", made.cell, (long long)made.config);
    else
        *rate = result.flop > 0.0 && seconds > 0.0 ? result.flop / seconds : (double)NAN;
    cb_free(result.weights);
    cb_trial_destroy(made.trial);
    return st;
}

static int by_flop(const void *a, const void *b) {
    const cbi_forecast_trial *x = a, *y = b;
    if (x->cell != y->cell)
        return x->cell < y->cell ? -1 : 1;
    return x->flop < y->flop ? -1 : x->flop > y->flop;
}

/* Each cell is measured at the trial of middle cost: small ones run slower per operation. */
static cb_status measure(cbi_forecast *f, const cb_study *study, cb_err *err) {
    cb_status st = CB_OK;
    size_t first = 0;
    qsort(f->trials, f->trial_count, sizeof *f->trials, by_flop);
    for (size_t c = 0; c < f->cell_count && st == CB_OK; c++) {
        cbi_forecast_cell *cell = &f->cells[c];
        st = measure_trial(study, f->trials[first + cell->sampled / 2].index, f->probe_seconds,
                           &cell->rate, err);
        first += cell->sampled;
    }
    return st;
}

cb_status cbi_forecast_make(cbi_forecast *f, const cb_study *study, cb_err *err) {
    const int some = study->count > EXACT_MOST && study->cell_count > 0;
    memset(f, 0, sizeof *f);
    cb_status st = some ? look_at_some(f, study, err) : look_at_all(f, study, err);
    if (st != CB_OK)
        return st;
    add_confirmations(f, study);
    f->probe_seconds = probe_most_seconds;
    if (some && probe_all_seconds / (double)f->cell_count < probe_most_seconds)
        f->probe_seconds = probe_all_seconds / (double)f->cell_count;
    return measure(f, study, err);
}
