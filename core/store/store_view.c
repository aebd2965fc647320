/* SPDX-License-Identifier: MIT */
/*
 * The views of views.sql, and the wide view of a study, study_<id>: one row a trial, its settings
 * as columns of their own type between fixed ones. The only SQL that is put together from data:
 * setting names, which matched [a-z][a-z0-9_]{0,31} when they were stored, are checked again here,
 * and quoted.
 */
#include "store/store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

enum { SETTINGS_MOST = 500 }; /* SQLite's limit is 2000 columns */

/* Columns of the view: before the settings, and behind them. */
static const struct {
    const char *name, *value;
} before[] =
    {
        {"trial", "t.trial_id"}, {"cell", "c.name"},   {"config", "st.config"},
        {"seed", "t.seed"},      {"state", "t.state"},
},
  behind[] = {
      {"role", "st.role"},
      {"valid", "a.valid"},
      {"test", "a.test"},
      {"train", "a.train"},
      {"valid_error", "a.valid_error"},
      {"test_error", "a.test_error"},
      {"metric", "t.metric"},
      {"hidden", "t.hidden"},
      {"params", "t.param_count"},
      {"epochs", "a.epochs"},
      {"best_epoch", "a.best_epoch"},
      {"updates", "a.updates"},
      {"wall_seconds", "a.wall_seconds"},
      {"cpu_seconds", "a.cpu_seconds"},
      {"flop", "a.flop"},
      {"attempts", "t.attempt_count"},
      {"numerics", "a.numerics"},
      {"instruction_set", "a.instruction_set"},
      {"weights_file", "a.weights_file"},
      {"error_text", "a.error_text"},
      {"key", "t.key"},
};
enum { BEFORE = sizeof before / sizeof before[0], BEHIND = sizeof behind / sizeof behind[0] };

static int is_fixed(const char *name) {
    for (size_t i = 0; i < BEFORE; i++)
        if (strcmp(before[i].name, name) == 0)
            return 1;
    for (size_t i = 0; i < BEHIND; i++)
        if (strcmp(behind[i].name, name) == 0)
            return 1;
    return 0;
}

/* A setting whose name a fixed column has gets the prefix "setting_"; one that begins with it gets
 * it once more, so that no two can meet. */
static void add_setting(cbi_text *sql, int64_t study_id, const char *name, int64_t integers,
                        int64_t reals, int64_t texts) {
    static const char prefix[] = "setting_";
    int has_prefix = is_fixed(name) || strncmp(name, prefix, sizeof prefix - 1) == 0;
    const char *value = "coalesce(integer, real, text)", *open = "", *close = "";
    if (texts == 0 && integers + reals > 0) {
        open = "CAST(";
        close = reals == 0 ? " AS INTEGER)" : " AS REAL)";
        value = reals == 0 ? "integer" : "coalesce(real, integer)";
    } else if (texts > 0 && integers + reals == 0) {
        open = "CAST(";
        close = " AS TEXT)";
        value = "text";
    }
    cbi_text_addf(sql,
                  "    %s(SELECT %s FROM setting WHERE study_id = %" PRId64
                  " AND trial_id = st.trial_id AND name = '%s')%s AS \"%s%s\",\n",
                  open, value, study_id, name, close, has_prefix ? prefix : "", name);
}

static cb_status add_settings(cb_store *store, cbi_text *sql, int64_t study_id, cb_err *err) {
    sqlite3_stmt *s;
    int has_row = 0;
    cb_status st = cbi_store_statement(store, CBI_SQL_VIEW_SETTINGS, &s, err);
    if (st != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, study_id);
    for (int n = 0; n < SETTINGS_MOST; n++) {
        if ((st = cbi_store_step(store, s, &has_row, err)) != CB_OK || !has_row)
            return st;
        const char *name = (const char *)sqlite3_column_text(s, 0);
        if (name != NULL && strlen(name) <= 32 &&
            strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name))
            add_setting(sql, study_id, name, sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2),
                        sqlite3_column_int64(s, 3));
    }
    sqlite3_reset(s);
    return st;
}

static cb_status view_text(cb_store *store, int64_t study_id, char **out, cb_err *err) {
    cbi_text sql = {0};
    cbi_text_addf(&sql, "CREATE VIEW study_%" PRId64 " AS\nSELECT\n", study_id);
    for (size_t i = 0; i < BEFORE; i++)
        cbi_text_addf(&sql, "    %s AS \"%s\",\n", before[i].value, before[i].name);
    cb_status st = add_settings(store, &sql, study_id, err);
    for (size_t i = 0; i < BEHIND; i++)
        cbi_text_addf(&sql, "    %s AS \"%s\"%s\n", behind[i].value, behind[i].name,
                      i + 1 < BEHIND ? "," : "");
    cbi_text_addf(&sql,
                  "FROM study_trial AS st\n"
                  "JOIN trial AS t ON t.trial_id = st.trial_id\n"
                  "JOIN cell AS c ON c.cell_id = st.cell_id\n"
                  "LEFT JOIN attempt AS a ON a.attempt_id = t.result_attempt_id\n"
                  "WHERE st.study_id = %" PRId64 " AND st.retired = 0\n"
                  "ORDER BY st.position",
                  study_id);
    if (st == CB_OK)
        st = cbi_text_take(&sql, out, err);
    cbi_text_fini(&sql);
    return st;
}

/* The view's text, or NULL; borrowed until the statement *s is reset. */
static cb_status stored_view(cb_store *store, const char *name, sqlite3_stmt **s, const char **sql,
                             cb_err *err) {
    int has_row = 0;
    *sql = NULL;
    cb_status st = cbi_store_statement(store, CBI_SQL_VIEW_GET, s, err);
    if (st != CB_OK)
        return st;
    cbi_store_bind_text(*s, 1, name);
    if ((st = cbi_store_step(store, *s, &has_row, err)) == CB_OK && has_row)
        *sql = (const char *)sqlite3_column_text(*s, 0);
    return st;
}

/* ---- the views of views.sql ---- */

/* The next statement of the text from `at` on: its name, and its end, without the semicolon.
 * Statements are paragraphs. */
static const char *next_view(const char *at, char name[64], size_t *length) {
    static const char create[] = "\nCREATE VIEW ";
    const char *start = strstr(at, create);
    if (start == NULL)
        return NULL;
    start++;
    const char *word = start + sizeof create - 2, *end = strstr(start, ";\n\n");
    snprintf(name, 64, "%.*s", (int)strcspn(word, " \n"), word);
    *length = end != NULL ? (size_t)(end - start) : strlen(start) - strlen(";\n");
    return start;
}

cb_status cbi_store_views_same(cb_store *store, int *same, cb_err *err) {
    char name[64];
    size_t length;
    cb_status st = CB_OK;
    *same = 1;
    for (const char *at = cbi_store_views_text;
         st == CB_OK && *same && (at = next_view(at, name, &length)) != NULL; at += length) {
        sqlite3_stmt *s;
        const char *sql;
        if ((st = stored_view(store, name, &s, &sql, err)) != CB_OK)
            return st;
        *same = sql != NULL && strlen(sql) == length && memcmp(sql, at, length) == 0;
        sqlite3_reset(s);
    }
    return st;
}

int cbi_store_is_view(const char *name) {
    char own[64];
    size_t length;
    for (const char *at = cbi_store_views_text; (at = next_view(at, own, &length)) != NULL;
         at += length)
        if (sqlite3_stricmp(name, own) == 0)
            return 1;
    return 0;
}

cb_status cbi_store_views_temporary(cb_store *store, cb_err *err) {
    char name[64];
    size_t length;
    cbi_text sql = {0};
    char *text = NULL;
    const size_t create = strlen("CREATE ");
    for (const char *at = cbi_store_views_text; (at = next_view(at, name, &length)) != NULL;
         at += length) {
        cbi_text_add(&sql, "CREATE TEMP ");
        cbi_text_add_n(&sql, at + create, length - create);
        cbi_text_add(&sql, ";\n");
    }
    cb_status st = cbi_text_take(&sql, &text, err);
    if (st == CB_OK)
        st = cbi_store_exec(store, text, err);
    cbi_text_fini(&sql);
    cbi_free(text);
    return st;
}

cb_status cbi_store_views_make(cb_store *store, cb_err *err) {
    char name[64], drop[128];
    size_t length;
    cb_status st = CB_OK;
    for (const char *at = cbi_store_views_text;
         st == CB_OK && (at = next_view(at, name, &length)) != NULL; at += length) {
        snprintf(drop, sizeof drop, "DROP VIEW IF EXISTS %s", name);
        st = cbi_store_exec(store, drop, err);
    }
    return st == CB_OK ? cbi_store_exec(store, cbi_store_views_text, err) : st;
}

/* ---- a study's view ---- */

/* A view that is as it should be stays: each change of the schema makes every open connection
 * prepare its statements again. */
cb_status cbi_store_view_make(cb_store *store, int64_t study_id, cb_err *err) {
    char name[32], drop[64];
    char *sql = NULL;
    const char *old;
    sqlite3_stmt *s;
    int same = 0;
    snprintf(name, sizeof name, "study_%" PRId64, study_id);
    snprintf(drop, sizeof drop, "DROP VIEW IF EXISTS %s", name);
    cb_status st = view_text(store, study_id, &sql, err);
    if (st == CB_OK && (st = stored_view(store, name, &s, &old, err)) == CB_OK) {
        same = old != NULL && strcmp(old, sql) == 0;
        sqlite3_reset(s);
    }
    if (st == CB_OK && !same && (st = cbi_store_exec(store, drop, err)) == CB_OK)
        st = cbi_store_exec(store, sql, err);
    cbi_free(sql);
    return st;
}

/* Names of settings need no escape: add_trials has checked them. */
cb_status cbi_store_view_covers(cb_store *store, int64_t study_id, const cb_trial_info *trials,
                                size_t n, int *covers, cb_err *err) {
    char name[64];
    const char *sql;
    sqlite3_stmt *s;
    snprintf(name, sizeof name, "study_%" PRId64, study_id);
    cb_status st = stored_view(store, name, &s, &sql, err);
    *covers = sql != NULL;
    for (size_t i = 0; *covers && i < n; i++)
        for (size_t k = 0; *covers && k < trials[i].setting_count; k++) {
            snprintf(name, sizeof name, "AND name = '%s')", trials[i].settings[k].name);
            *covers =
                strstr(sql, name) != NULL || strcmp(trials[i].settings[k].name, "hidden") == 0;
        }
    if (st == CB_OK)
        sqlite3_reset(s);
    return st;
}
