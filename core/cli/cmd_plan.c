/* SPDX-License-Identifier: MIT */
/*
 * cellbench plan: what a study would cost. The time comes from training the middle-sized trial of
 * each cell for a fraction of a second; nothing is written.
 */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cellbench/memory.h"
#include "cellbench/script.h"
#include "cellbench/sweep.h"

enum { MOST_JOBS = 1024 };

/* How long one cell is tried. */
static const double probe_seconds = 0.4;

typedef struct trial_cost {
    size_t cell;  /* index in plan.cells */
    size_t index; /* of the trial in the study */
    double flop;  /* if it takes all its epochs */
} trial_cost;

typedef struct cell_plan {
    char *name;
    size_t trials, epochs;
    size_t configs, confirmations; /* settings, and trials that will confirm the best of them */
    int64_t last_config;
    size_t most_epochs; /* of a trial */
    double most_flop;
    size_t hidden_low, hidden_high, params_low, params_high, bytes;
    double flop;
    double rate; /* flop per second, measured */
} cell_plan;

typedef struct plan {
    cell_plan *cells;
    size_t cell_count, cell_capacity;
    trial_cost *trials;
    size_t trial_count;
} plan;

static void plan_fini(plan *p) {
    for (size_t i = 0; i < p->cell_count; i++)
        cbi_free(p->cells[i].name);
    cbi_free(p->cells);
    cbi_free(p->trials);
}

/* ---- counting ---- */

static cb_status find_cell(plan *p, const char *name, size_t *out, cb_err *err) {
    void *cells = p->cells;
    for (size_t i = 0; i < p->cell_count; i++)
        if (strcmp(p->cells[i].name, name) == 0) {
            *out = i;
            return CB_OK;
        }
    if (cbi_grow(&cells, &p->cell_capacity, p->cell_count + 1, sizeof *p->cells) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "the list of cells");
    p->cells = cells;
    cell_plan *cell = &p->cells[p->cell_count];
    *cell = (cell_plan){.hidden_low = SIZE_MAX, .params_low = SIZE_MAX};
    if ((cell->name = cbi_strdup(name)) == NULL)
        return cb_fail(err, CB_ENOMEM, "the name of a cell");
    *out = p->cell_count++;
    return CB_OK;
}

static void widen(size_t value, size_t *low, size_t *high) {
    *low = value < *low ? value : *low;
    *high = value > *high ? value : *high;
}

static cb_status count_trial(plan *p, const cb_study *study, size_t i, cb_err *err) {
    cb_study_trial made;
    size_t c = 0, bytes = 0;
    memset(&made, 0, sizeof made);
    cb_status st = study->get(study->context, i, &made, err);
    if (st != CB_OK)
        return cb_fail_prefix(err, st, "trial %zu: ", i + 1);
    if ((st = find_cell(p, made.cell, &c, err)) != CB_OK ||
        (st = cb_trial_memory(made.trial, &bytes, err)) != CB_OK)
        goto out;
    cell_plan *cell = &p->cells[c];
    const double flop = cb_trial_epoch_flop(made.trial) * (double)cb_trial_epochs(made.trial);
    cell->trials++;
    cell->configs += cell->configs == 0 || cell->last_config != made.config;
    cell->last_config = made.config;
    if (flop > cell->most_flop) {
        cell->most_flop = flop;
        cell->most_epochs = cb_trial_epochs(made.trial);
    }
    cell->epochs += cb_trial_epochs(made.trial);
    cell->flop += flop;
    cell->bytes = bytes > cell->bytes ? bytes : cell->bytes;
    widen(cb_trial_hidden(made.trial), &cell->hidden_low, &cell->hidden_high);
    widen(cb_trial_param_count(made.trial), &cell->params_low, &cell->params_high);
    p->trials[p->trial_count++] = (trial_cost){c, i, flop};
out:
    cb_trial_destroy(made.trial);
    return st;
}

/* Which settings will be confirmed is not known: the dearest is counted. */
static void count_confirmations(plan *p, const cb_study *study) {
    for (size_t i = 0; i < p->cell_count; i++) {
        cell_plan *cell = &p->cells[i];
        const size_t top = study->confirm_top < cell->configs ? study->confirm_top : cell->configs;
        cell->confirmations = top * study->confirm_seeds;
        cell->epochs += cell->confirmations * cell->most_epochs;
        cell->flop += (double)cell->confirmations * cell->most_flop;
    }
}

static cb_status count(plan *p, const cb_study *study, cb_err *err) {
    cb_status st = CB_OK;
    p->trials = cbi_calloc(study->count, sizeof *p->trials);
    if (p->trials == NULL)
        return cb_fail(err, CB_ENOMEM, "a list of %zu trials", study->count);
    for (size_t i = 0; i < study->count && st == CB_OK; i++)
        st = count_trial(p, study, i, err);
    count_confirmations(p, study);
    return st;
}

/* ---- measuring ---- */

typedef struct probe {
    double end;
} probe;

static int probe_over(void *context) {
    return cbi_cli_seconds() >= ((const probe *)context)->end;
}

/* Trains one trial until the time is over. */
static cb_status measure_trial(const cb_study *study, size_t index, double *rate, cb_err *err) {
    cb_study_trial made;
    cb_trial_result result;
    memset(&made, 0, sizeof made);
    memset(&result, 0, sizeof result);
    cb_status st = study->get(study->context, index, &made, err);
    if (st != CB_OK)
        return st;
    const double start = cbi_cli_seconds();
    probe limit = {start + probe_seconds};
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
    const trial_cost *x = a, *y = b;
    if (x->cell != y->cell)
        return x->cell < y->cell ? -1 : 1;
    return x->flop < y->flop ? -1 : x->flop > y->flop;
}

/* Each cell is measured at the trial of middle cost: small ones run slower per operation. */
static cb_status measure(plan *p, const cb_study *study, cb_err *err) {
    cb_status st = CB_OK;
    size_t first = 0;
    qsort(p->trials, p->trial_count, sizeof *p->trials, by_flop);
    for (size_t c = 0; c < p->cell_count && st == CB_OK; c++) {
        st = measure_trial(study, p->trials[first + p->cells[c].trials / 2].index,
                           &p->cells[c].rate, err);
        first += p->cells[c].trials;
    }
    return st;
}

/* ---- printing ---- */

static void range_cell(cbi_cli_table *table, size_t low, size_t high) {
    char text[64];
    if (table->format != CBI_CLI_PLAIN) {
        cbi_cli_table_int(table, (int64_t)low);
        cbi_cli_table_int(table, (int64_t)high);
        return;
    }
    if (low == high)
        snprintf(text, sizeof text, "%zu", low);
    else
        snprintf(text, sizeof text, "%zu .. %zu", low, high);
    cbi_cli_table_text(table, text);
}

static void scaled_cell(cbi_cli_table *table, double value, const char *unit) {
    char text[48];
    if (table->format == CBI_CLI_PLAIN)
        cbi_cli_table_text(table, cbi_cli_scaled(text, value, unit));
    else
        cbi_cli_table_real(table, value);
}

static cb_status print_cells(const plan *p, cbi_cli_format format, cb_err *err) {
    static const char *const people[] = {"cell",       "trials", "hidden",
                                         "parameters", "epochs", "memory",
                                         "operations", "speed",  "time of a core"};
    static const char *const programs[] = {
        "cell",   "trials",       "hidden_low", "hidden_high",     "param_low",   "param_high",
        "epochs", "memory_bytes", "flop",       "flop_per_second", "core_seconds"};
    char text[48];
    cbi_cli_table table = {.format = format, .names = people, .columns = 9};
    if (format != CBI_CLI_PLAIN) {
        table.names = programs;
        table.columns = sizeof programs / sizeof *programs;
    }
    for (size_t i = 0; i < p->cell_count; i++) {
        const cell_plan *cell = &p->cells[i];
        cbi_cli_table_text(&table, cell->name);
        cbi_cli_table_int(&table, (int64_t)(cell->trials + cell->confirmations));
        range_cell(&table, cell->hidden_low, cell->hidden_high);
        range_cell(&table, cell->params_low, cell->params_high);
        cbi_cli_table_int(&table, (int64_t)cell->epochs);
        scaled_cell(&table, (double)cell->bytes, "B");
        scaled_cell(&table, cell->flop, "flop");
        scaled_cell(&table, cell->rate, "flop/s");
        if (format == CBI_CLI_PLAIN)
            cbi_cli_table_text(&table, cbi_cli_duration(text, cell->flop / cell->rate));
        else
            cbi_cli_table_real(&table, cell->flop / cell->rate);
    }
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

static void print_sum(const plan *p, size_t jobs) {
    char flop[48], memory[48], core[32], wall[32];
    double flop_sum = 0.0, seconds = 0.0;
    size_t epochs = 0, most = 0, confirmations = 0;
    for (size_t i = 0; i < p->cell_count; i++) {
        flop_sum += p->cells[i].flop;
        seconds += p->cells[i].flop / p->cells[i].rate;
        epochs += p->cells[i].epochs;
        confirmations += p->cells[i].confirmations;
        most = p->cells[i].bytes > most ? p->cells[i].bytes : most;
    }
    printf(
        "\n%zu trials, at most %zu epochs, %s, %s of one core.\n"
        "With %zu job%s: at most %s, and %s of memory besides the data.\n"
        "Speed was measured just now, %.1f s a cell. Patience and divergence end trials earlier.\n",
        p->trial_count + confirmations, epochs, cbi_cli_scaled(flop, flop_sum, "flop"),
        cbi_cli_duration(core, seconds), jobs, jobs == 1 ? "" : "s",
        cbi_cli_duration(wall, seconds / (double)jobs),
        cbi_cli_scaled(memory, (double)most * (double)jobs, "B"), probe_seconds);
    if (confirmations > 0)
        printf("%zu of the trials confirm the best settings with fresh seeds; which these are is\n"
               "not known yet, and the dearest ones are counted.\n",
               confirmations);
}

static int run(const cbi_cli_args *args) {
    cb_err err;
    cb_script *script = NULL;
    const cb_study *study = NULL;
    plan p;
    memset(&p, 0, sizeof p);
    const cbi_cli_format format = cbi_cli_format_of(args);
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t jobs = (size_t)cbi_cli_number(args, "jobs", cores > 0 ? (uint64_t)cores : 1);
    cb_status st = cb_script_create(&script, cb_variants, &err);
    if (st == CB_OK)
        st = cb_script_study(script, args->rest[0], &study, &err);
    if (st == CB_OK)
        st = count(&p, study, &err);
    if (st == CB_OK)
        st = measure(&p, study, &err);
    if (st == CB_OK && format == CBI_CLI_PLAIN)
        printf("study %s\n\n", study->info.name);
    if (st == CB_OK)
        st = print_cells(&p, format, &err);
    if (st == CB_OK && format == CBI_CLI_PLAIN)
        print_sum(&p, jobs);
    plan_fini(&p);
    cb_script_destroy(script);
    return st == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
}

static const cbi_cli_option options[] = {
    {"jobs", 'j', CBI_CLI_NUMBER, "N", 1, MOST_JOBS, "trials at the same time (number of cores)"},
    CBI_CLI_FORMAT_OPTIONS,
    {0},
};

const cbi_cli_command cbi_cmd_plan = {
    .name = "plan",
    .summary = "what a study would take: trials, operations, memory, time",
    .arguments = "STUDY.lua [options]",
    .text =
        "Counts every trial of the study and times each cell for a moment. Runs no trial to\n"
        "its end and writes nothing. Results that a database already holds are not taken off.\n",
    .example = "  cellbench plan experiments/quickstart.lua --jobs 2\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
