/* SPDX-License-Identifier: MIT */
/*
 * cellbench plan: what a study would cost. Nothing is written.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cellbench/script.h"
#include "cli/forecast.h"

enum { MOST_JOBS = 1024 };

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

static cb_status print_cells(const cbi_forecast *f, cbi_cli_format format, cb_err *err) {
    static const char *const people[] = {"cell",       "trials", "hidden",
                                         "parameters", "epochs", "memory",
                                         "operations", "speed",  "time of a core"};
    static const char *const programs[] = {
        "cell",      "trials",          "hidden_low",   "hidden_high",
        "param_low", "param_high",      "epochs",       "memory_bytes",
        "flop",      "flop_per_second", "core_seconds", "trials_sampled"};
    char text[48];
    cbi_cli_table table = {.format = format, .names = people, .columns = 9};
    if (format != CBI_CLI_PLAIN) {
        table.names = programs;
        table.columns = sizeof programs / sizeof *programs;
    }
    for (size_t i = 0; i < f->cell_count; i++) {
        const cbi_forecast_cell *cell = &f->cells[i];
        cbi_cli_table_text(&table, cell->name);
        cbi_cli_table_int(&table, (int64_t)(cell->trials + cell->confirmations));
        range_cell(&table, cell->hidden_low, cell->hidden_high);
        range_cell(&table, cell->params_low, cell->params_high);
        cbi_cli_table_int(&table, (int64_t)(cell->epochs + 0.5));
        scaled_cell(&table, (double)cell->bytes, "B");
        scaled_cell(&table, cell->flop, "flop");
        scaled_cell(&table, cell->rate, "flop/s");
        if (format == CBI_CLI_PLAIN)
            cbi_cli_table_text(&table, cbi_cli_duration(text, cell->flop / cell->rate));
        else
            cbi_cli_table_real(&table, cell->flop / cell->rate);
        if (format != CBI_CLI_PLAIN)
            cbi_cli_table_int(&table, (int64_t)cell->sampled);
    }
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

static void print_sum(const cbi_forecast *f, const cb_study *study, size_t jobs) {
    char flop[48], memory[48], core[32], wall[32], all[32], some[32];
    double flop_sum = 0.0, seconds = 0.0, epochs = 0.0;
    size_t most = 0, confirmations = 0;
    for (size_t i = 0; i < f->cell_count; i++) {
        flop_sum += f->cells[i].flop;
        seconds += f->cells[i].flop / f->cells[i].rate;
        epochs += f->cells[i].epochs;
        confirmations += f->cells[i].confirmations;
        most = f->cells[i].bytes > most ? f->cells[i].bytes : most;
    }
    printf("\n%zu trials, at most %.0f epochs, %s, %s of one core.\n"
           "With %zu job%s: at most %s, and %s of memory besides the data.\n"
           "Speed was measured just now, up to %.2g s a cell. Patience and divergence end trials "
           "earlier.\n",
           study->count + confirmations, epochs, cbi_cli_scaled(flop, flop_sum, "flop"),
           cbi_cli_duration(core, seconds), jobs, jobs == 1 ? "" : "s",
           cbi_cli_duration(wall, seconds / (double)jobs),
           cbi_cli_scaled(memory, (double)most * (double)jobs, "B"), f->probe_seconds);
    if (f->trial_count < study->count)
        printf(
            "From %s of %s trials, evenly chosen: sizes, epochs, memory, operations and time are\n"
            "estimates.\n",
            cbi_cli_grouped(some, f->trial_count), cbi_cli_grouped(all, study->count));
    if (confirmations > 0)
        printf("%zu of the trials confirm the best settings with fresh seeds; which these are is\n"
               "not known yet, and the dearest ones are counted.\n",
               confirmations);
}

/* Whether no trial of the cell that was looked at made use of the setting. */
static int is_idle(const cbi_forecast *f, const cbi_forecast_idle *idle) {
    return idle->count == f->cells[idle->cell].sampled;
}

/* What was given and changes nothing, each setting once. */
static void print_idle(const cbi_forecast *f) {
    for (size_t i = 0; i < f->idle_count; i++) {
        const cb_idle_setting *setting = &f->idle[i].setting;
        size_t before = 0, cells = 0;
        for (size_t k = 0; k < f->idle_count; k++)
            if (is_idle(f, &f->idle[k]) && strcmp(f->idle[k].setting.name, setting->name) == 0) {
                before += k < i;
                cells++;
            }
        if (before > 0 || !is_idle(f, &f->idle[i]))
            continue;
        printf("No effect: %s (%s)", setting->name, setting->why);
        for (size_t k = i, n = 0; k < f->idle_count && cells < f->cell_count; k++)
            if (is_idle(f, &f->idle[k]) && strcmp(f->idle[k].setting.name, setting->name) == 0) {
                printf(n++ == 0 ? ", for " : ", ");
                cbi_cli_put(stdout, f->cells[f->idle[k].cell].name);
            }
        printf(".\n");
    }
}

static int run(const cbi_cli_args *args) {
    cb_err err;
    cb_script *script = NULL;
    const cb_study *study = NULL;
    cbi_forecast forecast;
    memset(&forecast, 0, sizeof forecast);
    const cbi_cli_format format = cbi_cli_format_of(args);
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t jobs = (size_t)cbi_cli_number(args, "jobs", cores > 0 ? (uint64_t)cores : 1);
    cb_status st = cb_script_create(&script, cb_variants, &err);
    if (st == CB_OK)
        st = cb_script_study(script, args->rest[0], (int)args->count - 1, args->rest + 1, &study,
                             &err);
    if (st == CB_OK)
        st = cbi_forecast_make(&forecast, study, &err);
    if (st == CB_OK && format == CBI_CLI_PLAIN) {
        printf("study ");
        cbi_cli_put(stdout, study->info.name);
        printf("\n\n");
    }
    if (st == CB_OK)
        st = print_cells(&forecast, format, &err);
    if (st == CB_OK && format == CBI_CLI_PLAIN) {
        print_sum(&forecast, study, jobs);
        print_idle(&forecast);
    }
    cbi_forecast_fini(&forecast);
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
    .arguments = "STUDY.lua [NAME=VALUE...] [options]",
    .text = "Counts every trial of the study and times each cell for a moment. Of a study with\n"
            "more than 2,000 trials it looks at some, evenly chosen, and says so. Runs no trial\n"
            "to its end and writes nothing. Results that a database already holds are not taken\n"
            "off. Settings that were given and change nothing are named. NAME=VALUE is for the\n"
            "study, as in `run`.\n",
    .example = "  cellbench plan experiments/quickstart.lua --jobs 2\n",
    .options = options,
    .least = 1,
    .most = 1,
    .assignments = 1,
    .run = run,
};
