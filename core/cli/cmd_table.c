/* SPDX-License-Identifier: MIT */
/*
 * cellbench table: the leaderboard of a database.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

cb_status cbi_cli_print_query(cb_store *store, const char *sql, const cb_value *values, size_t n,
                              cbi_cli_format format, cb_err *err) {
    cb_query *query = NULL;
    const char **names = NULL;
    cbi_cli_table table = {.format = format, .fold_except = "cell"};
    int has_row = 0;
    cb_status st = cb_query_open(&query, store, sql, values, n, err);
    if (st != CB_OK)
        goto out;
    table.columns = cb_query_column_count(query);
    names = cbi_calloc(table.columns, sizeof *names);
    if (names == NULL) {
        st = cb_fail(err, CB_ENOMEM, "the names of %zu columns", table.columns);
        goto out;
    }
    for (size_t i = 0; i < table.columns; i++)
        names[i] = cb_query_column_name(query, i);
    table.names = names;
    while ((st = cb_query_next(query, &has_row, err)) == CB_OK && has_row)
        for (size_t i = 0; i < table.columns; i++) {
            cb_value value = cb_query_column(query, i);
            cbi_cli_table_value(&table, &value);
        }
    if (st == CB_OK)
        st = cbi_cli_table_print(&table, err);
out:
    cbi_cli_table_fini(&table);
    cbi_free(names);
    cb_query_close(query);
    return st;
}

/* CB_EARG, with the nearest name, if the database holds no such study. */
static cb_status check_study(cb_store *store, const char *study, cb_err *err) {
    cb_query *query = NULL;
    cbi_near near;
    char best[256];
    int has_row = 0, found = 0;
    cb_status st = cb_query_open(&query, store, "select name from study", NULL, 0, err);
    cbi_near_init(&near, study);
    while (st == CB_OK && (st = cb_query_next(query, &has_row, err)) == CB_OK && has_row) {
        const cb_value value = cb_query_column(query, 0);
        char name[sizeof best];
        snprintf(name, sizeof name, "%.*s", (int)value.length, value.text);
        found |= value.length == strlen(study) && memcmp(value.text, study, value.length) == 0;
        cbi_near_offer(&near, name);
        if (near.best == name) { /* the row's text does not outlive the row */
            memcpy(best, name, sizeof best);
            near.best = best;
        }
    }
    cb_query_close(query);
    if (st == CB_OK && !found)
        st = cb_fail(err, CB_EARG, "%s: no study '%s'%s", cb_store_path(store), study,
                     cbi_near_text(&near));
    return st;
}

cb_status cbi_cli_print_leaderboard(cb_store *store, const char *study, cbi_cli_format format,
                                    cb_err *err) {
    if (study == NULL)
        return cbi_cli_print_query(store, "select * from leaderboard", NULL, 0, format, err);
    const cb_value name = {.type = CB_VALUE_TEXT, .text = study, .length = strlen(study)};
    return cbi_cli_print_query(store, "select * from leaderboard where study = ?1", &name, 1,
                               format, err);
}

static int run(const cbi_cli_args *args) {
    cb_err err;
    cb_store *store = NULL;
    const char *study = cbi_cli_value(args, "study");
    cb_status st = cb_store_open(&store, args->rest[0], CB_STORE_READ, &err);
    if (st == CB_OK && study != NULL)
        st = check_study(store, study, &err);
    if (st == CB_OK)
        st = cbi_cli_print_leaderboard(store, study, cbi_cli_format_of(args), &err);
    cb_store_close(store);
    return st == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
}

static const cbi_cli_option options[] = {
    {"study", 0, CBI_CLI_TEXT, "NAME", 0, 0, "only this study"},
    CBI_CLI_FORMAT_OPTIONS,
    {0},
};

const cbi_cli_command cbi_cmd_table = {
    .name = "table",
    .summary = "the leaderboard of a database",
    .arguments = "DB [options]",
    .text = "Prints the view leaderboard: for each study, task and cell the best configuration by\n"
            "validation, and its test values over the seeds. Everything else is a query away:\n"
            "sqlite3 DB .schema\n",
    .example = "  cellbench table results/quickstart.db --csv > quickstart.csv\n",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
