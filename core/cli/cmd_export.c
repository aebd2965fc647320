/* SPDX-License-Identifier: MIT */
/*
 * cellbench export: the tables and views of a database as CSV files (RFC 4180: CRLF ends a row,
 * NULL is nothing, an empty text is ""). Rows go from the query to the file: a learning curve table
 * may be larger than memory. A file appears under its name when it is whole.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"

static const char names_sql[] = "select name from sqlite_master where type in ('table', 'view') "
                                "and name not like 'sqlite\\_%' escape '\\' order by name";

/* ---- one table ---- */

static void write_row(cb_query *query, FILE *file) {
    for (size_t i = 0; i < cb_query_column_count(query); i++) {
        const cb_value value = cb_query_column(query, i);
        if (i > 0)
            putc(',', file);
        cbi_cli_csv_value(file, &value);
    }
    fputs("\r\n", file);
}

static cb_status write_table(cb_store *store, const char *name, FILE *file, cb_err *err) {
    cbi_text sql = {0};
    char *text = NULL;
    cb_query *query = NULL;
    int has_row = 0;
    cbi_text_add(&sql, "select * from \"");
    for (const char *p = name; *p != '\0'; p++)
        cbi_text_add_n(&sql, *p == '"' ? "\"\"" : p, *p == '"' ? 2 : 1);
    cbi_text_add(&sql, "\"");
    cb_status st = cbi_text_take(&sql, &text, err);
    if (st != CB_OK || (st = cb_query_open(&query, store, text, NULL, 0, err)) != CB_OK)
        goto out;
    for (size_t i = 0; i < cb_query_column_count(query); i++) {
        if (i > 0)
            putc(',', file);
        const char *column = cb_query_column_name(query, i);
        cbi_cli_csv_text(file, column, strlen(column));
    }
    fputs("\r\n", file);
    while ((st = cb_query_next(query, &has_row, err)) == CB_OK && has_row)
        write_row(query, file);
out:
    cb_query_close(query);
    cbi_text_fini(&sql);
    cbi_free(text);
    return st;
}

/* ---- all of them ---- */

/* "DIR/name.csv" + suffix; a name that is no plain word gets '-' for what else is in it. */
static char *path_of(const char *folder, const char *name, const char *suffix) {
    cbi_text path = {0};
    char *out = NULL;
    cbi_text_addf(&path, "%s/", folder);
    for (const char *p = name; *p != '\0'; p++) {
        const int plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                          (*p >= '0' && *p <= '9') || *p == '_';
        cbi_text_add_n(&path, plain ? p : "-", 1);
    }
    cbi_text_addf(&path, ".csv%s", suffix);
    if (cbi_text_take(&path, &out, NULL) != CB_OK)
        out = NULL;
    cbi_text_fini(&path);
    return out;
}

static cb_status write_file(cb_store *store, const char *folder, const char *name, cb_err *err) {
    char *path = path_of(folder, name, ""), *part = path_of(folder, name, ".part");
    FILE *file = NULL;
    cb_status st = CB_OK;
    if (path == NULL || part == NULL) {
        st = cb_fail(err, CB_ENOMEM, "the path of a file");
        goto out;
    }
    if ((file = fopen(part, "we")) == NULL) {
        st = cb_fail(err, CB_EIO, "%s: cannot be written: %s", part, strerror(errno));
        goto out;
    }
    st = write_table(store, name, file, err);
    const int bad = ferror(file) != 0;
    if ((fclose(file) != 0 || bad) && st == CB_OK)
        st = cb_fail(err, CB_EIO, "%s: cannot be written: %s", part, strerror(errno));
    if (st == CB_OK && rename(part, path) != 0)
        st = cb_fail(err, CB_EIO, "%s: cannot be written: %s", path, strerror(errno));
    if (st != CB_OK)
        (void)unlink(part);
out:
    cbi_free(path);
    cbi_free(part);
    return st;
}

/* Calls for each table and view. */
static cb_status each_table(cb_store *store, const char *folder,
                            cb_status (*call)(cb_store *, const char *, const char *, cb_err *),
                            size_t *count, cb_err *err) {
    cb_query *query = NULL;
    int has_row = 0;
    cb_status st = cb_query_open(&query, store, names_sql, NULL, 0, err);
    *count = 0;
    while (st == CB_OK && (st = cb_query_next(query, &has_row, err)) == CB_OK && has_row) {
        char *name = cbi_cli_text(query, 0);
        st = name != NULL ? call(store, folder, name, err)
                          : cb_fail(err, CB_ENOMEM, "the name of a table");
        cbi_free(name);
        ++*count;
    }
    cb_query_close(query);
    return st;
}

static cb_status check_absent(cb_store *store, const char *folder, const char *name, cb_err *err) {
    (void)store;
    char *path = path_of(folder, name, "");
    cb_status st = CB_OK;
    if (path == NULL)
        st = cb_fail(err, CB_ENOMEM, "the path of a file");
    else if (access(path, F_OK) == 0)
        st = cb_fail(err, CB_EARG, "%s: is there already; --force writes over it", path);
    cbi_free(path);
    return st;
}

static cb_status export_all(cb_store *store, const char *folder, int force, cb_err *err) {
    size_t count = 0;
    cb_status st = CB_OK;
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return cb_fail(err, CB_EIO, "%s: cannot be made: %s", folder, strerror(errno));
    if (!force && (st = each_table(store, folder, check_absent, &count, err)) != CB_OK)
        return st;
    if ((st = each_table(store, folder, write_file, &count, err)) == CB_OK) {
        printf("%zu tables and views: ", count);
        cbi_cli_put(stdout, folder);
        putchar('\n');
    }
    return st;
}

static int run(const cbi_cli_args *args) {
    cb_err err;
    cb_store *store = NULL;
    const char *table = cbi_cli_value(args, "table");
    if ((table == NULL) == (args->count == 1))
        return cbi_cli_usage(args->command, "export: expected a folder or --table NAME, got %s",
                             table != NULL ? "both" : "neither");
    cb_status st = cb_store_open(&store, args->rest[0], CB_STORE_READ, &err);
    if (st == CB_OK && table == NULL) {
        st = export_all(store, args->rest[1], cbi_cli_flag(args, "force"), &err);
    } else if (st == CB_OK) {
        st = cbi_cli_check_name(store, "table or view", table, names_sql, NULL, 0, &err);
        if (st == CB_OK)
            st = write_table(store, table, stdout, &err);
    }
    cb_store_close(store);
    return st == CB_OK ? CBI_EXIT_OK : cbi_cli_fail(&err);
}

static const cbi_cli_option options[] = {
    {"table", 0, CBI_CLI_TEXT, "NAME", 0, 0, "one table or view, to standard output"},
    {"force", 0, CBI_CLI_FLAG, NULL, 0, 0, "write over files that are there"},
    {0},
};

const cbi_cli_command cbi_cmd_export = {
    .name = "export",
    .summary = "the tables and views of a database as CSV",
    .arguments = "DB DIR | DB --table NAME",
    .text = "Writes DIR/NAME.csv for every table and view (RFC 4180, UTF-8, numbers in full;\n"
            "NULL is an empty field, an empty text is \"\"). DIR is made if it is not there.\n"
            "Texts are written as they are: a spreadsheet may take one of a database of\n"
            "unknown origin that begins with = + - @ for a formula; import columns as text.\n",
    .example = "  cellbench export results/quickstart.db quickstart-csv\n"
               "  cellbench export results/quickstart.db --table epoch > curves.csv\n",
    .options = options,
    .least = 1,
    .most = 2,
    .run = run,
};
