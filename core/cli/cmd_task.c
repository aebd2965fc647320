/* SPDX-License-Identifier: MIT */
/*
 * cellbench task: the tasks; one task with its settings, splits and baselines.
 */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"
#include "cellbench/memory.h"
#include "cellbench/task.h"

static cb_status list(cbi_cli_format format, cb_err *err) {
    static const char *const names[] = {"task", "summary"};
    cbi_cli_table table = {.format = format, .columns = 2, .names = names};
    for (const cb_task_def *const *p = cb_task_table(); *p != NULL; p++) {
        cbi_cli_table_text(&table, (*p)->name);
        cbi_cli_table_text(&table, (*p)->summary);
    }
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

/* ---- settings ---- */

static void range_text(cbi_text *out, const cb_setting_def *row) {
    char low[32], high[32];
    if (row->choices != NULL)
        cbi_text_add(out, row->choices);
    else if (row->type != CB_SETTING_INT && row->type != CB_SETTING_NUMBER)
        cbi_text_add(out, "");
    else if (row->low > -1e15 && row->high < 1e15)
        cbi_text_addf(out, "%s .. %s", cbi_number(low, row->low), cbi_number(high, row->high));
    else if (row->low > -1e15)
        cbi_text_addf(out, ">= %s", cbi_number(low, row->low));
}

cb_status cbi_cli_print_settings(const cb_setting_def *settings, cbi_cli_format format,
                                 cb_err *err) {
    static const char *const names[] = {"setting", "type", "default", "range", "help"};
    static const char *const types[] = {"int", "number", "bool", "text", "table"};
    cbi_cli_table table = {.format = format, .columns = 5, .names = names};
    for (const cb_setting_def *row = settings; row->name != NULL; row++) {
        cbi_text range = {0};
        range_text(&range, row);
        cbi_cli_table_text(&table, row->name);
        cbi_cli_table_text(&table, (size_t)row->type < 5 ? types[row->type] : "?");
        cbi_cli_table_text(&table, row->fallback != NULL ? row->fallback : "(must be given)");
        cbi_cli_table_text(&table, range.data != NULL ? range.data : "");
        cbi_cli_table_text(&table, row->help);
        cbi_text_fini(&range);
    }
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

/* A value of the command line: text stays text, all else is JSON (3, 0.5, true, [1,2]). What is
 * not JSON goes on as a text, so that the task's own check names the key and its type. */
static json_t *setting_value(const cb_task_def *def, const char *name, const char *text) {
    json_t *value = NULL;
    const cb_setting_def *row = def->settings;
    while (row->name != NULL && strcmp(row->name, name) != 0)
        row++;
    if ((row->name == NULL || row->type != CB_SETTING_TEXT) &&
        cbi_json_parse(&value, text, strlen(text), "--set", NULL) == CB_OK)
        return value;
    return json_string(text);
}

static cb_status settings_json(char **out, const cb_task_def *def, const cbi_cli_args *args,
                               cb_err *err) {
    cb_status st = CB_OK;
    json_t *object = json_object();
    for (size_t i = 0; i < args->many_count && st == CB_OK; i++) {
        const char *equals = strchr(args->many[i], '=');
        char *name = cbi_strndup(args->many[i], (size_t)(equals - args->many[i]));
        if (name == NULL)
            st = cb_fail(err, CB_ENOMEM, "out of memory");
        else if (json_object_set_new(object, name, setting_value(def, name, equals + 1)) != 0)
            st = cb_fail(err, CB_EARG, "--set %s: the name or its value is not UTF-8", name);
        cbi_free(name);
    }
    if (st == CB_OK)
        st = cbi_json_canonical(out, object, err);
    json_decref(object);
    return st;
}

/* ---- an open task ---- */

static void print_data(const cb_data *data) {
    static const char *const inputs[] = {"dense", "index", "none"};
    static const char *const losses[] = {"softmax cross-entropy", "independent Bernoullis",
                                         "squared error"};
    static const char *const splits[] = {"train", "valid", "test"};
    printf("\ninput      %s, dimension %zu\n", inputs[data->input], data->input_dim);
    printf("target     %s over %zu, at %s; metric %s\n", losses[data->loss], data->target_dim,
           data->when == CB_WHEN_EACH ? "each step" : "the last step", data->metric);
    if (*data->sha256 != '\0')
        printf("sha-256    %s\n", data->sha256);
    printf("\nsplit    sequences      frames  shortest  longest\n");
    for (size_t s = 0; s < CB_SPLITS; s++) {
        const cb_split *split = &data->split[s];
        size_t shortest = split->sequences > 0 ? SIZE_MAX : 0, longest = 0;
        for (size_t i = 0; i < split->sequences; i++) {
            size_t length = split->start[i + 1] - split->start[i];
            shortest = length < shortest ? length : shortest;
            longest = length > longest ? length : longest;
        }
        printf("%-6s%12zu%12zu%10zu%9zu\n", splits[s], split->sequences, split->frames, shortest,
               longest);
    }
    putchar('\n');
}

static cb_status print_baselines(const cb_data *data, cb_err *err) {
    static const char *const names[] = {"baseline", "metric", "valid", "test"};
    cbi_cli_table table = {.columns = 4, .names = names};
    for (size_t i = 0; i < data->baseline_count; i++) {
        const cb_baseline *row = &data->baselines[i];
        cbi_cli_table_text(&table, row->name);
        cbi_cli_table_text(&table, row->metric);
        cbi_cli_table_real(&table, row->valid);
        cbi_cli_table_real(&table, row->test);
    }
    cb_status st = cbi_cli_table_print(&table, err);
    cbi_cli_table_fini(&table);
    return st;
}

/* The first setting that has no default; NULL: the task can be opened without any. */
static const char *missing_setting(const cb_task_def *def) {
    for (const cb_setting_def *row = def->settings; row->name != NULL; row++)
        if (row->fallback == NULL)
            return row->name;
    return NULL;
}

static cb_status one(const cbi_cli_args *args, cb_err *err) {
    const cb_task_def *def = NULL;
    cb_task *task = NULL;
    char *settings = NULL;
    const cbi_cli_format format = cbi_cli_format_of(args);
    cb_status st;
    if ((st = cb_task_find(&def, args->rest[0], err)) != CB_OK)
        return st;
    if (format != CBI_CLI_PLAIN)
        return cbi_cli_print_settings(def->settings, format, err);
    if ((st = settings_json(&settings, def, args, err)) != CB_OK)
        return st;
    const char *missing = args->many_count == 0 ? missing_setting(def) : NULL;
    if (missing == NULL && (st = cb_task_open(&task, def->name, settings, err)) != CB_OK)
        goto out;
    printf("%s: %s\n\n", def->name, def->summary);
    cbi_cli_labelled("source", def->source);
    cbi_cli_labelled("chance", def->chance);
    putchar('\n');
    if ((st = cbi_cli_print_settings(def->settings, format, err)) != CB_OK)
        goto out;
    if (missing != NULL) {
        printf("\nFor its splits and baselines: cellbench task %s --set %s=...\n", def->name,
               missing);
        goto out;
    }
    print_data(cb_task_data(task));
    st = print_baselines(cb_task_data(task), err);
out:
    cb_task_close(task);
    cb_free(settings);
    return st;
}

static int run(const cbi_cli_args *args) {
    cb_err err;
    if (args->count == 0 && args->many_count > 0)
        return cbi_cli_usage(args->command, "task: --set needs the name of a task");
    for (size_t i = 0; i < args->many_count; i++)
        if (strcspn(args->many[i], "=") == 0 || strchr(args->many[i], '=') == NULL)
            return cbi_cli_usage(args->command, "task: --set: expected KEY=VALUE, got '%s'",
                                 args->many[i]);
    cb_status st = args->count > 0 ? one(args, &err) : list(cbi_cli_format_of(args), &err);
    return st == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
}

static const cbi_cli_option options[] = {
    {"set", 0, CBI_CLI_MANY, "K=V", 0, 0, "a setting of the task; may be given several times"},
    CBI_CLI_FORMAT_OPTIONS,
    {0},
};

const cbi_cli_command cbi_cmd_task = {
    .name = "task",
    .summary = "the tasks there are; one task with its settings, sizes and baselines",
    .arguments = "[NAME] [options]",
    .text =
        "Without a name: every task. With one: its settings, and what it holds when opened with\n"
        "them. With a name, --csv and --json print the table of settings.\n",
    .example = "  cellbench task adding --set length=50\n",
    .options = options,
    .most = 1,
    .run = run,
};
