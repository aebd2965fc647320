/* SPDX-License-Identifier: MIT */
/*
 * Adding trials to a study: a window of its list, or confirmations behind it. Trials that are there
 * already are only linked; links are renewed by the edition that they were last given in.
 */
#include "store/store_internal.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"

/* ---- what is given ---- */

static int is_key(const char *key) {
    return key != NULL && strlen(key) == 64 && strspn(key, "0123456789abcdef") == 64;
}

static int is_setting_name(const char *name) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    size_t n = name != NULL ? strlen(name) : 0;
    return n >= 1 && n <= 32 && strchr(letters, name[0]) != NULL &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

static cb_status check_trial(const cb_trial_info *trial, cb_err *err) {
    if (!is_key(trial->key))
        return cb_fail(err, CB_EARG, "trial key: expected 64 hex digits, got '%s'",
                       trial->key != NULL ? trial->key : "");
    if (trial->cell == NULL || trial->cell[0] == '\0')
        return cb_fail(err, CB_EARG, "trial %s: expected a cell's name, got none", trial->key);
    if (trial->task == NULL || trial->task[0] == '\0')
        return cb_fail(err, CB_EARG, "trial %s: expected a task's name, got none", trial->key);
    for (size_t i = 0; i < trial->setting_count; i++)
        if (!is_setting_name(trial->settings[i].name))
            return cb_fail(err, CB_EARG,
                           "setting '%s': expected a name of 1 to 32 lower-case letters, digits"
                           " and '_' that starts with a letter",
                           trial->settings[i].name != NULL ? trial->settings[i].name : "");
    return CB_OK;
}

/* The id of the row that the statement `find` finds by texts 1..n; else of the row that `put`
 * inserts, whose first n parameters are the same. */
static cb_status find_or_put(cb_store *store, cbi_statement_id find, cbi_statement_id put,
                             const char *const *texts, int find_count, int put_count, int64_t *id,
                             cb_err *err) {
    sqlite3_stmt *s;
    int has_row = 0;
    cb_status st = cbi_store_statement(store, find, &s, err);
    if (st != CB_OK)
        return st;
    for (int i = 0; i < find_count; i++)
        cbi_store_bind_text(s, 1 + i, texts[i]);
    if ((st = cbi_store_step(store, s, &has_row, err)) != CB_OK)
        return st;
    if (has_row) {
        *id = sqlite3_column_int64(s, 0);
        sqlite3_reset(s);
        return CB_OK;
    }
    if ((st = cbi_store_statement(store, put, &s, err)) != CB_OK)
        return st;
    for (int i = 0; i < put_count; i++)
        cbi_store_bind_text(s, 1 + i, texts[i]);
    st = cbi_store_step(store, s, NULL, err);
    *id = sqlite3_last_insert_rowid(store->db);
    return st;
}

cb_status cbi_store_cell(cb_store *store, const char *name, const char *text, const char *source,
                         int64_t *id, cb_err *err) {
    char hash[CBI_SHA256_HEX];
    text = cbi_store_text(text);
    cbi_sha256_hex(text, strlen(text), hash);
    const char *texts[] = {name, hash, text, source};
    return find_or_put(store, CBI_SQL_CELL_GET, CBI_SQL_CELL_PUT, texts, 2, 4, id, err);
}

static cb_status get_task(cb_store *store, const cb_trial_info *trial, int64_t *id, cb_err *err) {
    char hash[CBI_SHA256_HEX];
    const char *identity = cbi_store_text(trial->task_identity);
    cbi_sha256_hex(identity, strlen(identity), hash);
    const char *texts[] = {trial->task, hash, trial->data_sha256, identity};
    return find_or_put(store, CBI_SQL_TASK_GET, CBI_SQL_TASK_PUT, texts, 3, 4, id, err);
}

static void bind_prediction(sqlite3_stmt *s, int index, const cb_trial_info *trial) {
    sqlite3_bind_double(s, index, isfinite(trial->cost_flop) ? trial->cost_flop : 0);
    sqlite3_bind_int64(s, index + 1, trial->epochs_most);
    sqlite3_bind_int64(s, index + 2, trial->memory_bytes);
}

static cb_status put_trial(cb_store *store, const cb_trial_info *trial, int64_t cell_id,
                           int64_t *id, cb_err *err) {
    sqlite3_stmt *s;
    int64_t task_id = 0;
    cb_status st = get_task(store, trial, &task_id, err);
    if (st != CB_OK || (st = cbi_store_statement(store, CBI_SQL_TRIAL_PUT, &s, err)) != CB_OK)
        return st;
    cbi_store_bind_text(s, 1, trial->key);
    sqlite3_bind_int64(s, 2, cell_id);
    sqlite3_bind_int64(s, 3, task_id);
    cbi_store_bind_text(s, 4, trial->metric);
    sqlite3_bind_int64(s, 5, trial->seed);
    sqlite3_bind_int64(s, 6, trial->hidden);
    sqlite3_bind_int64(s, 7, trial->param_count);
    bind_prediction(s, 8, trial);
    if ((st = cbi_store_step(store, s, NULL, err)) != CB_OK)
        return st;
    *id = sqlite3_last_insert_rowid(store->db);
    if ((st = cbi_store_statement(store, CBI_SQL_TRIAL_SPEC, &s, err)) != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, *id);
    cbi_store_bind_text(s, 2, trial->spec);
    cbi_store_bind_text(s, 3, trial->task_open);
    return cbi_store_step(store, s, NULL, err);
}

/* The trial by its key. What is known keeps its row, but for the paths by which its data is
 * found, and what is predicted: they are not part of what it is, and the last ones given are the
 * ones that work. */
static cb_status get_trial(cb_store *store, const cb_trial_info *trial, int64_t cell_id,
                           int64_t *id, int *known, cb_err *err) {
    sqlite3_stmt *s;
    cb_status st = cbi_store_statement(store, CBI_SQL_TRIAL_GET, &s, err);
    if (st != CB_OK)
        return st;
    cbi_store_bind_text(s, 1, trial->key);
    if ((st = cbi_store_step(store, s, known, err)) != CB_OK)
        return st;
    if (!*known)
        return put_trial(store, trial, cell_id, id, err);
    *id = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    if ((st = cbi_store_statement(store, CBI_SQL_TRIAL_TASK_OPEN, &s, err)) != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, *id);
    cbi_store_bind_text(s, 2, trial->task_open);
    if ((st = cbi_store_step(store, s, NULL, err)) != CB_OK ||
        (st = cbi_store_statement(store, CBI_SQL_TRIAL_PREDICT, &s, err)) != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, *id);
    bind_prediction(s, 2, trial);
    return cbi_store_step(store, s, NULL, err);
}

static void bind_setting(sqlite3_stmt *s, const cb_value *value) {
    static const char *const types[] = {"null", "integer", "real", "text"};
    cb_value_type type = value->type;
    if (type == CB_VALUE_REAL && !isfinite(value->real))
        type = CB_VALUE_NULL;
    cbi_store_bind_text(s, 4, types[type]);
    if (type != CB_VALUE_NULL)
        cbi_store_bind_value(s, 4 + (int)type, value);
}

/* What trials are added to, and as what. */
typedef struct listing {
    int64_t study_id, edition;
    const char *role;
    cb_again again;
    cb_added *tally;
} listing;

static cb_status put_settings(cb_store *store, int64_t study_id, int64_t trial_id,
                              const cb_trial_info *trial, cb_err *err) {
    cb_status st = CB_OK;
    for (size_t i = 0; st == CB_OK && i < trial->setting_count; i++) {
        sqlite3_stmt *s;
        if ((st = cbi_store_statement(store, CBI_SQL_SETTING_PUT, &s, err)) != CB_OK)
            return st;
        sqlite3_bind_int64(s, 1, study_id);
        sqlite3_bind_int64(s, 2, trial_id);
        cbi_store_bind_text(s, 3, trial->settings[i].name);
        bind_setting(s, &trial->settings[i].value);
        st = cbi_store_step(store, s, NULL, err);
    }
    return st;
}

/* Settings of an earlier edition that are no longer given must go: seldom, so that counting finds
 * it out and all are then put again. */
static cb_status replace_settings(cb_store *store, int64_t study_id, int64_t trial_id,
                                  const cb_trial_info *trial, cb_err *err) {
    sqlite3_stmt *count, *clear;
    int has_row = 0;
    cb_status st = put_settings(store, study_id, trial_id, trial, err);
    if (st != CB_OK ||
        (st = cbi_store_statement(store, CBI_SQL_SETTING_COUNT, &count, err)) != CB_OK ||
        (st = cbi_store_statement(store, CBI_SQL_SETTING_CLEAR, &clear, err)) != CB_OK)
        return st;
    sqlite3_bind_int64(count, 1, study_id);
    sqlite3_bind_int64(count, 2, trial_id);
    if ((st = cbi_store_step(store, count, &has_row, err)) != CB_OK)
        return st;
    int is_same = has_row && (size_t)sqlite3_column_int64(count, 0) == trial->setting_count;
    sqlite3_reset(count);
    if (is_same)
        return CB_OK;
    sqlite3_bind_int64(clear, 1, study_id);
    sqlite3_bind_int64(clear, 2, trial_id);
    st = cbi_store_step(store, clear, NULL, err);
    return st == CB_OK ? put_settings(store, study_id, trial_id, trial, err) : st;
}

/* The link that is there in this edition already: of the same cell, for the list may name a trial
 * twice (a random search that draws the same setting again). In the store a trial of a study
 * belongs to one cell. */
static cb_status check_link(cb_store *store, const listing *to, const cb_trial_info *trial,
                            int64_t trial_id, int64_t cell_id, int64_t position, cb_err *err) {
    sqlite3_stmt *s;
    int has_row = 0;
    cb_status st = cbi_store_statement(store, CBI_SQL_LINK_CELL, &s, err);
    if (st != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, to->study_id);
    sqlite3_bind_int64(s, 2, trial_id);
    st = cbi_store_step(store, s, &has_row, err);
    if (st == CB_OK && has_row && sqlite3_column_int64(s, 0) != cell_id)
        st = cb_fail(err, CB_EARG,
                     "the cells '%.80s' and '%.80s' have the same equations and the same settings"
                     " in trials %ld and %ld: one result cannot stand for two cells; leave one of"
                     " them out, or let their settings differ",
                     (const char *)sqlite3_column_text(s, 2), trial->cell,
                     (long)sqlite3_column_int64(s, 1) + 1, (long)position + 1);
    sqlite3_reset(s);
    return st;
}

/* What came with the link: a trial that is known may have an end already. */
static cb_status tally_link(cb_store *store, const listing *to, int64_t trial_id, cb_err *err) {
    sqlite3_stmt *s;
    int has_row = 0;
    to->tally->linked++;
    cb_status st =
        cbi_store_requeue(store, to->study_id, trial_id, to->again, &to->tally->requeued, err);
    if (st != CB_OK || store->run_id == 0 ||
        (st = cbi_store_statement(store, CBI_SQL_TRIAL_OTHER, &s, err)) != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, trial_id);
    sqlite3_bind_int64(s, 2, store->run_numerics);
    cbi_store_bind_text(s, 3, store->run_instruction_set);
    if ((st = cbi_store_step(store, s, &has_row, err)) == CB_OK && has_row)
        to->tally->other_numerics += sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return st;
}

static cb_status add_trial(cb_store *store, const listing *to, const cb_trial_info *trial,
                           int64_t position, cb_err *err) {
    sqlite3_stmt *s;
    int64_t cell_id = 0, trial_id = 0;
    int known = 0;
    cb_status st = check_trial(trial, err);
    if (st != CB_OK ||
        (st = cbi_store_cell(store, trial->cell, trial->cell_text, trial->cell_source, &cell_id,
                             err)) != CB_OK ||
        (st = get_trial(store, trial, cell_id, &trial_id, &known, err)) != CB_OK ||
        (st = cbi_store_statement(store, CBI_SQL_LINK_PUT, &s, err)) != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, to->study_id);
    sqlite3_bind_int64(s, 2, trial_id);
    sqlite3_bind_int64(s, 3, position);
    sqlite3_bind_int64(s, 4, trial->config);
    sqlite3_bind_int64(s, 5, cell_id);
    sqlite3_bind_int64(s, 6, to->edition);
    cbi_store_bind_text(s, 7, to->role);
    if ((st = cbi_store_step(store, s, NULL, err)) != CB_OK)
        return st;
    if (sqlite3_changes(store->db) == 0)
        return check_link(store, to, trial, trial_id, cell_id, position, err);
    if (!known) {
        to->tally->linked++;
        return put_settings(store, to->study_id, trial_id, trial, err);
    }
    st = replace_settings(store, to->study_id, trial_id, trial, err);
    return st == CB_OK ? tally_link(store, to, trial_id, err) : st;
}

/* ---- windows and confirmations ---- */

/* Within a transaction. *open = 0: the study has got another list since, and nothing is to be done.
 */
static cb_status open_edition(cb_store *store, int64_t study_id, cbi_study_row *row, int *open,
                              cb_err *err) {
    *open = 0;
    if (study_id == 0 || store->study_id != study_id)
        return cb_fail(err, CB_EARG, "study %ld: expected cb_store_study_begin before its trials",
                       (long)study_id);
    cb_status st = cbi_store_study_row(store, study_id, row, err);
    *open = st == CB_OK && row->edition == store->edition;
    return st;
}

static cb_status add_trials(cb_store *store, const listing *to, int64_t position,
                            const cb_trial_info *trials, size_t n, cb_err *err) {
    cb_status st = CB_OK;
    for (size_t i = 0; st == CB_OK && i < n; i++)
        st = add_trial(store, to, &trials[i], position + (int64_t)i, err);
    return st;
}

static cb_status check_window(const cbi_study_row *row, int64_t study_id, int64_t position,
                              size_t n, cb_err *err) {
    if (position < 0 || position > row->registered)
        return cb_fail(err, CB_EARG,
                       "study %ld: expected trials from position %ld on, got them from %ld on",
                       (long)study_id, (long)row->registered, (long)position);
    if (n > (size_t)(row->trial_count - position))
        return cb_fail(err, CB_EARG, "study %ld: expected %ld trials, got one at position %ld",
                       (long)study_id, (long)row->trial_count, (long)row->trial_count);
    return CB_OK;
}

/* Adds what of the window is not registered yet. */
static cb_status add_window(cb_store *store, const listing *to, const cbi_study_row *row,
                            int64_t position, const cb_trial_info *trials, size_t n, cb_err *err) {
    sqlite3_stmt *s;
    int covers = 0;
    const size_t known = (size_t)(row->registered - position);
    cb_status st = check_window(row, to->study_id, position, n, err);
    if (st != CB_OK || n <= known)
        return st;
    st = add_trials(store, to, row->registered, trials + known, n - known, err);
    if (st != CB_OK ||
        (st = cbi_store_statement(store, CBI_SQL_STUDY_REGISTERED, &s, err)) != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, to->study_id);
    sqlite3_bind_int64(s, 2, position + (int64_t)n);
    if ((st = cbi_store_step(store, s, NULL, err)) != CB_OK)
        return st;
    if (position + (int64_t)n == row->trial_count)
        return cbi_store_study_complete(store, to->study_id, to->edition, err);
    st = cbi_store_view_covers(store, to->study_id, trials, n, &covers, err);
    return st == CB_OK && !covers ? cbi_store_view_make(store, to->study_id, err) : st;
}

cb_status cb_store_study_add(cb_store *store, int64_t study_id, int64_t position,
                             const cb_trial_info *trials, size_t n, cb_again again, cb_added *added,
                             cb_err *err) {
    cb_added tally = {0};
    cbi_study_row row;
    int open;
    if (added != NULL)
        *added = tally;
    cb_status st = cbi_store_begin(store, err);
    if (st != CB_OK)
        return st;
    st = open_edition(store, study_id, &row, &open, err);
    const listing to = {study_id, row.edition, "first", again, &tally};
    if (st == CB_OK && open)
        st = add_window(store, &to, &row, position, trials, n, err);
    if ((st = cbi_store_end(store, st, err)) == CB_OK && added != NULL)
        *added = tally;
    return st;
}

cb_status cb_store_study_confirm(cb_store *store, int64_t study_id, int64_t position,
                                 const cb_trial_info *trials, size_t n, cb_again again,
                                 cb_added *added, cb_err *err) {
    cb_added tally = {0};
    cbi_study_row row;
    int open;
    if (added != NULL)
        *added = tally;
    cb_status st = cbi_store_begin(store, err);
    if (st != CB_OK)
        return st;
    st = open_edition(store, study_id, &row, &open, err);
    const listing to = {study_id, row.edition, "confirm", again, &tally};
    if (st == CB_OK && open && position < row.trial_count)
        st = cb_fail(err, CB_EARG, "study %ld: expected confirmations behind position %ld, got %ld",
                     (long)study_id, (long)row.trial_count - 1, (long)position);
    if (st == CB_OK && open)
        st = add_trials(store, &to, position, trials, n, err);
    if ((st = cbi_store_end(store, st, err)) != CB_OK)
        return st;
    store->claim_position = 0;
    if (added != NULL)
        *added = tally;
    return CB_OK;
}
