/* SPDX-License-Identifier: MIT */
/*
 * What the commands that read a database share: printing a query, names that a person gave and that
 * must be in it, and values of a row.
 */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
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

cb_status cbi_cli_print_leaderboard(cb_store *store, const char *study, cbi_cli_format format,
                                    cb_err *err) {
    if (study == NULL)
        return cbi_cli_print_query(store, "select * from leaderboard", NULL, 0, format, err);
    const cb_value name = {.type = CB_VALUE_TEXT, .text = study, .length = strlen(study)};
    return cbi_cli_print_query(store, "select * from leaderboard where study = ?1", &name, 1,
                               format, err);
}

/* ---- names ---- */

cb_value cbi_cli_text_value(const char *text) {
    return (cb_value){.type = CB_VALUE_TEXT, .text = text, .length = strlen(text)};
}

cb_status cbi_cli_check_name(cb_store *store, const char *what, const char *name, const char *sql,
                             const cb_value *values, size_t n, cb_err *err) {
    cb_query *query = NULL;
    cbi_near near;
    char best[256];
    int has_row = 0, found = 0;
    cb_status st = cb_query_open(&query, store, sql, values, n, err);
    cbi_near_init(&near, name);
    while (st == CB_OK && (st = cb_query_next(query, &has_row, err)) == CB_OK && has_row) {
        const cb_value value = cb_query_column(query, 0);
        char known[sizeof best];
        snprintf(known, sizeof known, "%.*s", (int)value.length, value.text);
        found |= value.length == strlen(name) && memcmp(value.text, name, value.length) == 0;
        cbi_near_offer(&near, known);
        if (near.best == known) { /* the row's text does not outlive the row */
            memcpy(best, known, sizeof best);
            near.best = best;
        }
    }
    cb_query_close(query);
    if (st == CB_OK && !found)
        st = cb_fail(err, CB_EARG, "%s: no %s '%s'%s", cb_store_path(store), what, name,
                     cbi_near_text(&near));
    return st;
}

cb_status cbi_cli_check_study(cb_store *store, const char *study, cb_err *err) {
    return cbi_cli_check_name(store, "study", study, "select name from study", NULL, 0, err);
}

cb_status cbi_cli_version(cb_store *store, int64_t *version, cb_err *err) {
    cb_query *query = NULL;
    int has_row = 0;
    *version = 0;
    cb_status st = cb_query_open(&query, store, "pragma user_version", NULL, 0, err);
    if (st == CB_OK && (st = cb_query_next(query, &has_row, err)) == CB_OK && has_row)
        *version = cb_query_column(query, 0).integer;
    cb_query_close(query);
    return st;
}

cb_status cbi_cli_need_version(cb_store *store, int64_t version, cb_err *err) {
    int64_t got = 0;
    cb_status st = cbi_cli_version(store, &got, err);
    if (st == CB_OK && got < version)
        st = cb_fail(err, CB_ESTORE,
                     "%s: expected a schema of version %lld or newer, got %lld; 'cellbench run' "
                     "with this database brings it there",
                     cb_store_path(store), (long long)version, (long long)got);
    return st;
}

/* ---- values ---- */

double cbi_cli_real(const cb_query *query, size_t column) {
    const cb_value value = cb_query_column(query, column);
    return value.type == CB_VALUE_REAL  ? value.real
           : value.type == CB_VALUE_INT ? (double)value.integer
                                        : (double)NAN;
}

char *cbi_cli_text(const cb_query *query, size_t column) {
    const cb_value value = cb_query_column(query, column);
    return value.type == CB_VALUE_TEXT ? cbi_strndup(value.text, value.length) : cbi_strdup("");
}
