/* SPDX-License-Identifier: MIT */
/*
 * cellbench table: the leaderboard of a database, or the trials of a study, filtered and sorted.
 *
 * Names of columns come from a person and go into SQL: only those that the view has are let
 * through, and they are quoted. Values are bound.
 */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

/* Columns of a study's view that people have to ask for: they are many, wide, or seldom needed. */
static const char *const in_full_only[] = {
    "train",        "valid_error", "test_error", "metric",         "best_epoch",
    "updates",      "cpu_seconds", "flop",       "attempts",       "numerics",
    "weights_file", "error_text",  "key",        "instruction_set"};

static const char *const states[] = {"pending", "running", "done", "diverged", "failed"};

typedef struct view {
    char name[32];
    char **columns;
    size_t count;
} view;

static void view_fini(view *v) {
    for (size_t i = 0; v->columns != NULL && i < v->count; i++)
        cbi_free(v->columns[i]);
    cbi_free(v->columns);
}

/* The names of its columns. */
static cb_status view_open(view *v, cb_store *store, cb_err *err) {
    char sql[96];
    cb_query *query = NULL;
    snprintf(sql, sizeof sql, "select * from %s limit 0", v->name);
    cb_status st = cb_query_open(&query, store, sql, NULL, 0, err);
    if (st != CB_OK)
        return st;
    v->count = cb_query_column_count(query);
    v->columns = cbi_calloc(v->count + 1, sizeof *v->columns);
    for (size_t i = 0; v->columns != NULL && i < v->count; i++)
        if ((v->columns[i] = cbi_strdup(cb_query_column_name(query, i))) == NULL)
            st = CB_ENOMEM;
    cb_query_close(query);
    return v->columns == NULL || st != CB_OK ? cb_fail(err, CB_ENOMEM, "the names of columns")
                                             : CB_OK;
}

/* Writes "name" in quotes if the view has it; else CB_EARG with the nearest. */
static cb_status add_column(cbi_text *sql, const view *v, const char *name, size_t length,
                            cb_err *err) {
    char wanted[128];
    cbi_near near;
    snprintf(wanted, sizeof wanted, "%.*s", (int)length, name);
    cbi_near_init(&near, wanted);
    for (size_t i = 0; i < v->count; i++) {
        if (strcmp(v->columns[i], wanted) == 0) {
            cbi_text_addf(sql, "\"%s\"", wanted);
            return CB_OK;
        }
        cbi_near_offer(&near, v->columns[i]);
    }
    return cb_fail(err, CB_EARG, "%s has no column '%s'%s", v->name, wanted, cbi_near_text(&near));
}

/* ---- which study ---- */

/* The study whose trials are meant: the one named, or the only one. */
static cb_status find_view(view *v, cb_store *store, const char *study, cb_err *err) {
    cb_query *query = NULL;
    int has_row = 0;
    int64_t id = 0, count = 0;
    const cb_value name = cbi_cli_text_value(study != NULL ? study : "");
    cb_status st = cb_query_open(&query, store,
                                 study != NULL ? "select study_id from study where name = ?1"
                                               : "select study_id from study",
                                 &name, study != NULL, err);
    for (; st == CB_OK && (st = cb_query_next(query, &has_row, err)) == CB_OK && has_row; count++)
        id = cb_query_column(query, 0).integer;
    cb_query_close(query);
    if (st == CB_OK && count != 1)
        st = count == 0 ? cb_fail(err, CB_EARG, "%s: there is no study yet", cb_store_path(store))
                        : cb_fail(err, CB_EARG,
                                  "%s: holds %" PRId64 " studies: --study NAME says which one's "
                                  "trials; 'cellbench status %s' lists them",
                                  cb_store_path(store), count, cb_store_path(store));
    snprintf(v->name, sizeof v->name, "study_%" PRId64, id);
    return st;
}

/* ---- the query ---- */

static int is_in_full_only(const char *name) {
    for (size_t i = 0; i < sizeof in_full_only / sizeof *in_full_only; i++)
        if (strcmp(in_full_only[i], name) == 0)
            return 1;
    return 0;
}

/* The columns asked for ("a,b,c"); else all, or for people those that fit. */
static cb_status add_columns(cbi_text *sql, const view *v, const cbi_cli_args *args, cb_err *err) {
    const char *list = cbi_cli_value(args, "columns");
    const int some = cbi_cli_flag(args, "trials") && cbi_cli_format_of(args) == CBI_CLI_PLAIN;
    cb_status st = CB_OK;
    size_t n = 0;
    for (size_t i = 0; list == NULL && i < v->count; i++)
        if (!some || !is_in_full_only(v->columns[i]))
            cbi_text_addf(sql, "%s\"%s\"", n++ > 0 ? ", " : "", v->columns[i]);
    while (list != NULL && st == CB_OK) {
        const size_t length = strcspn(list, ",");
        cbi_text_add(sql, n++ > 0 ? ", " : "");
        st = add_column(sql, v, list, length, err);
        list = list[length] == ',' ? list + length + 1 : NULL;
    }
    return st;
}

/* Whether it is "COLUMN", "COLUMN:asc" or "COLUMN:desc". */
static int is_sort(const char *sort) {
    const char *way = strchr(sort, ':');
    return way == NULL || strcmp(way, ":asc") == 0 || strcmp(way, ":desc") == 0;
}

/* "COLUMN" or "COLUMN:desc"; rows without a value come last either way. */
static cb_status add_sort(cbi_text *sql, const view *v, const char *sort, cb_err *err) {
    const size_t length = strcspn(sort, ":");
    const char *way = sort[length] == ':' ? sort + length + 1 : "asc";
    cbi_text_add(sql, " order by ");
    cb_status st = add_column(sql, v, sort, length, err);
    cbi_text_add(sql, " is null, ");
    if (st == CB_OK)
        st = add_column(sql, v, sort, length, err);
    cbi_text_addf(sql, " %s", way);
    if (strncmp(v->name, "study_", 6) == 0)
        cbi_text_add(sql, ", trial");
    return st;
}

static cb_status check_cell(cb_store *store, const view *v, const char *cell, cb_err *err) {
    char sql[96];
    snprintf(sql, sizeof sql, "select distinct cell from %s", v->name);
    return cbi_cli_check_name(store, "cell", cell, sql, NULL, 0, err);
}

/* 0, or the exit status after it was told that there is no such state. */
static int check_state(const cbi_cli_args *args, const char *state) {
    cbi_near near;
    cbi_near_init(&near, state);
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        if (strcmp(states[i], state) == 0)
            return 0;
        cbi_near_offer(&near, states[i]);
    }
    return cbi_cli_usage(
        args->command,
        "table: --state: expected pending, running, done, diverged or failed, got '%s'%s", state,
        cbi_near_text(&near));
}

static cb_status print_view(cb_store *store, const view *v, const cbi_cli_args *args, cb_err *err) {
    const int trials = cbi_cli_flag(args, "trials");
    const struct {
        const char *column, *value;
    } filters[] = {{"study", trials ? NULL : cbi_cli_value(args, "study")},
                   {"cell", cbi_cli_value(args, "cell")},
                   {"state", cbi_cli_value(args, "state")}};
    const char *sort = cbi_cli_value(args, "sort"), *top = cbi_cli_value(args, "top");
    cb_value values[3];
    size_t n = 0;
    char *sql = NULL;
    cbi_text text = {0};
    cbi_text_add(&text, "select ");
    cb_status st = add_columns(&text, v, args, err);
    cbi_text_addf(&text, " from %s", v->name);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (filters[i].value != NULL) {
            cbi_text_addf(&text, " %s %s = ?%zu", n == 0 ? "where" : "and", filters[i].column,
                          n + 1);
            values[n++] = cbi_cli_text_value(filters[i].value);
        }
    if (st == CB_OK && sort != NULL)
        st = add_sort(&text, v, sort, err);
    if (top != NULL)
        cbi_text_addf(&text, " limit %" PRIu64, cbi_cli_number(args, "top", 0));
    if (st == CB_OK && (st = cbi_text_take(&text, &sql, err)) == CB_OK)
        st = cbi_cli_print_query(store, sql, values, n, cbi_cli_format_of(args), err);
    cbi_text_fini(&text);
    cbi_free(sql);
    return st;
}

static int run(const cbi_cli_args *args) {
    cb_err err;
    cb_store *store = NULL;
    view v = {.name = "leaderboard"};
    const char *study = cbi_cli_value(args, "study"), *cell = cbi_cli_value(args, "cell");
    const char *state = cbi_cli_value(args, "state"), *sort = cbi_cli_value(args, "sort");
    int status;
    if (state != NULL && !cbi_cli_flag(args, "trials"))
        return cbi_cli_usage(args->command, "table: --state needs --trials: a row of the "
                                            "leaderboard has no state");
    if (state != NULL && (status = check_state(args, state)) != 0)
        return status;
    if (sort != NULL && !is_sort(sort))
        return cbi_cli_usage(args->command,
                             "table: --sort: expected COLUMN, COLUMN:asc or "
                             "COLUMN:desc, got '%s'",
                             sort);
    cb_status st;
    if ((st = cb_store_open(&store, args->rest[0], CB_STORE_READ, &err)) != CB_OK ||
        (study != NULL && (st = cbi_cli_check_study(store, study, &err)) != CB_OK) ||
        (cbi_cli_flag(args, "trials") && (st = find_view(&v, store, study, &err)) != CB_OK) ||
        (st = view_open(&v, store, &err)) != CB_OK ||
        (cell != NULL && (st = check_cell(store, &v, cell, &err)) != CB_OK))
        goto out;
    st = print_view(store, &v, args, &err);
out:
    view_fini(&v);
    cb_store_close(store);
    return st == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
}

static const cbi_cli_option options[] = {
    {"study", 0, CBI_CLI_TEXT, "NAME", 0, 0, "only this study"},
    {"trials", 0, CBI_CLI_FLAG, NULL, 0, 0, "the trials of a study instead"},
    {"cell", 0, CBI_CLI_TEXT, "NAME", 0, 0, "only this cell"},
    {"state", 0, CBI_CLI_TEXT, "STATE", 0, 0, "only trials in this state"},
    {"sort", 0, CBI_CLI_TEXT, "COLUMN", 0, 0, "smallest first; COLUMN:desc: largest first"},
    {"top", 0, CBI_CLI_NUMBER, "N", 1, 1000000000, "only the first N rows"},
    {"columns", 0, CBI_CLI_TEXT, "A,B,C", 0, 0, "these columns, in this order"},
    CBI_CLI_FORMAT_OPTIONS,
    {0},
};

const cbi_cli_command cbi_cmd_table = {
    .name = "table",
    .summary = "the leaderboard of a database, or a study's trials",
    .arguments = "DB [options]",
    .text = "Prints the view leaderboard: for each study, task and cell the setting with the\n"
            "best mean validation value, and its test values over the seeds (over: confirm,\n"
            "where the study has fresh ones for it, else study). With --trials: the trials of\n"
            "a study, with all their settings; --csv and --json then hold every column.\n"
            "Everything else is a query away: sqlite3 DB .schema\n",
    .example = "  cellbench table results/quickstart.db --csv > quickstart.csv\n"
               "  cellbench table results/quickstart.db --trials --cell gru --sort valid --top 3\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
