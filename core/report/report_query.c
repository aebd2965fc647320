/* SPDX-License-Identifier: MIT */
#include "report/report_query.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

cb_status cbi_report_each(cb_store *store, const char *sql, const cb_value *values, size_t n,
                          cbi_report_take *take, void *context, cb_err *err) {
    cb_query *query = NULL;
    int has_row = 0;
    cb_status st = cb_query_open(&query, store, sql, values, n, err);
    while (st == CB_OK && (st = cb_query_next(query, &has_row, err)) == CB_OK && has_row)
        st = take(context, query, err);
    cb_query_close(query);
    return st;
}

double cbi_report_real(const cb_query *query, size_t column) {
    const cb_value value = cb_query_column(query, column);
    const double real = value.type == CB_VALUE_REAL  ? value.real
                        : value.type == CB_VALUE_INT ? (double)value.integer
                                                     : (double)NAN;
    return isfinite(real) ? real : (double)NAN;
}

int64_t cbi_report_int(const cb_query *query, size_t column) {
    const cb_value value = cb_query_column(query, column);
    return value.type == CB_VALUE_INT ? value.integer : 0;
}

cb_status cbi_report_text(const cb_query *query, size_t column, char **out, cb_err *err) {
    const cb_value value = cb_query_column(query, column);
    *out = value.type == CB_VALUE_TEXT ? cbi_strndup(value.text, value.length) : cbi_strdup("");
    return *out != NULL ? CB_OK : cb_fail(err, CB_ENOMEM, "a text of %zu bytes", value.length);
}

static cb_status take_integer(void *context, const cb_query *query, cb_err *err) {
    (void)err;
    *(int64_t *)context = cbi_report_int(query, 0);
    return CB_OK;
}

cb_status cbi_report_version(cb_store *store, int64_t least, int64_t *version, cb_err *err) {
    *version = 0;
    cb_status st =
        cbi_report_each(store, "pragma user_version", NULL, 0, take_integer, version, err);
    if (st == CB_OK && *version < least)
        st = cb_fail(err, CB_ESTORE,
                     "%s: expected a schema of version %lld or newer, got %lld; 'cellbench run' "
                     "with this database brings it there",
                     cb_store_path(store), (long long)least, (long long)*version);
    return st;
}

typedef struct search {
    const char *name;
    cbi_near near;
    char best[256];
    int64_t found;
} search;

static cb_status take_study(void *context, const cb_query *query, cb_err *err) {
    search *s = context;
    char *name = NULL;
    cb_status st = cbi_report_text(query, 1, &name, err);
    if (st != CB_OK)
        return st;
    if (strcmp(name, s->name) == 0)
        s->found = cbi_report_int(query, 0);
    cbi_near_offer(&s->near, name);
    if (s->near.best == name) { /* the row's text does not outlive the row */
        const size_t n = strnlen(name, sizeof s->best - 1);
        memcpy(s->best, name, n);
        s->best[n] = '\0';
        s->near.best = s->best;
    }
    cbi_free(name);
    return CB_OK;
}

cb_status cbi_report_study(cb_store *store, const char *name, int64_t *study_id, cb_err *err) {
    *study_id = 0;
    if (name == NULL)
        return CB_OK;
    search s = {.name = name};
    cbi_near_init(&s.near, name);
    cb_status st =
        cbi_report_each(store, "select study_id, name from study", NULL, 0, take_study, &s, err);
    if (st == CB_OK && s.found == 0)
        st = cb_fail(err, CB_EARG, "%s: no study '%s'%s", cb_store_path(store), name,
                     cbi_near_text(&s.near));
    *study_id = s.found;
    return st;
}

/* Grows at each call: such lists are short. */
cb_status cbi_report_add(char ***list, size_t *count, char *text, cb_err *err) {
    void *block = *list;
    size_t capacity = *count;
    if (text == NULL || cbi_grow(&block, &capacity, *count + 1, sizeof **list) != CB_OK) {
        cbi_free(text);
        return cb_fail(err, CB_ENOMEM, "a list of %zu texts", *count + 1);
    }
    *list = block;
    (*list)[(*count)++] = text;
    return CB_OK;
}
