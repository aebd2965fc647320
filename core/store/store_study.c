/* SPDX-License-Identifier: MIT */
/*
 * Studies: registering the list of trials, counting them, and putting them back to pending. The
 * list is given anew at each run: trials that are there already are only linked, and what has not
 * been given again is retired at the end.
 */
#include "store/store_internal.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"

cb_status cb_store_study_begin(cb_store *store, const cb_study_info *info, int64_t *study_id,
                               cb_err *err) {
    sqlite3_stmt *s;
    int has_row = 0;
    int64_t id = 0, edition = 0;
    *study_id = 0;
    if (info->name == NULL || info->name[0] == '\0')
        return cb_fail(err, CB_EARG, "study: expected a name, got an empty one");
    cb_status st = cbi_store_begin(store, err);
    if (st != CB_OK)
        return st;
    if ((st = cbi_store_statement(store, CBI_SQL_STUDY_PUT, &s, err)) == CB_OK) {
        cbi_store_bind_text(s, 1, info->name);
        cbi_store_bind_text(s, 2, info->script_path);
        cbi_store_bind_text(s, 3, info->script);
        cbi_store_bind_text(s, 4, info->git_commit);
        if ((st = cbi_store_step(store, s, &has_row, err)) == CB_OK && has_row) {
            id = sqlite3_column_int64(s, 0);
            edition = sqlite3_column_int64(s, 1);
        }
        sqlite3_reset(s);
    }
    if ((st = cbi_store_end(store, st, err)) != CB_OK)
        return st;
    store->adding_study_id = *study_id = id;
    store->adding_edition = edition;
    store->adding_position = 0;
    return CB_OK;
}

static cb_status need_begun(const cb_store *store, int64_t study_id, cb_err *err) {
    if (store->adding_study_id == study_id && study_id != 0)
        return CB_OK;
    return cb_fail(err, CB_EARG, "study %ld: expected cb_store_study_begin before its trials",
                   (long)study_id);
}

/* ---- adding trials ---- */

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

static cb_status get_cell(cb_store *store, const cb_trial_info *trial, int64_t *id, cb_err *err) {
    char hash[CBI_SHA256_HEX];
    const char *text = cbi_store_text(trial->cell_text);
    cbi_sha256_hex(text, strlen(text), hash);
    const char *texts[] = {trial->cell, hash, text, trial->cell_source};
    return find_or_put(store, CBI_SQL_CELL_GET, CBI_SQL_CELL_PUT, texts, 2, 4, id, err);
}

static cb_status get_task(cb_store *store, const cb_trial_info *trial, int64_t *id, cb_err *err) {
    char hash[CBI_SHA256_HEX];
    const char *identity = cbi_store_text(trial->task_identity);
    cbi_sha256_hex(identity, strlen(identity), hash);
    const char *texts[] = {trial->task, hash, trial->data_sha256, identity};
    return find_or_put(store, CBI_SQL_TASK_GET, CBI_SQL_TASK_PUT, texts, 3, 4, id, err);
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
 * found: they are not part of what it is, and the last ones given are the ones that work. */
static cb_status get_trial(cb_store *store, const cb_trial_info *trial, int64_t cell_id,
                           int64_t *id, cb_err *err) {
    sqlite3_stmt *s;
    int has_row = 0;
    cb_status st = cbi_store_statement(store, CBI_SQL_TRIAL_GET, &s, err);
    if (st != CB_OK)
        return st;
    cbi_store_bind_text(s, 1, trial->key);
    if ((st = cbi_store_step(store, s, &has_row, err)) != CB_OK)
        return st;
    if (!has_row)
        return put_trial(store, trial, cell_id, id, err);
    *id = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    if ((st = cbi_store_statement(store, CBI_SQL_TRIAL_TASK_OPEN, &s, err)) != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, *id);
    cbi_store_bind_text(s, 2, trial->task_open);
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

/* *linked: the trial, if its link is new or was renewed; else 0. */
static cb_status add_trial(cb_store *store, const listing *to, const cb_trial_info *trial,
                           int64_t position, int64_t *linked, cb_err *err) {
    sqlite3_stmt *s;
    int64_t cell_id = 0, trial_id = 0;
    *linked = 0;
    cb_status st = check_trial(trial, err);
    if (st != CB_OK || (st = get_cell(store, trial, &cell_id, err)) != CB_OK ||
        (st = get_trial(store, trial, cell_id, &trial_id, err)) != CB_OK ||
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
        return CB_OK;
    *linked = trial_id;
    return replace_settings(store, to->study_id, trial_id, trial, err);
}

cb_status cb_store_study_add(cb_store *store, int64_t study_id, const cb_trial_info *trials,
                             size_t n, cb_err *err) {
    cb_status st = need_begun(store, study_id, err);
    if (st != CB_OK || (st = cbi_store_begin(store, err)) != CB_OK)
        return st;
    const listing to = {study_id, store->adding_edition, "first"};
    int64_t linked;
    for (size_t i = 0; st == CB_OK && i < n; i++)
        st = add_trial(store, &to, &trials[i], store->adding_position + (int64_t)i, &linked, err);
    if ((st = cbi_store_end(store, st, err)) == CB_OK)
        store->adding_position += (int64_t)n;
    return st;
}

cb_status cb_store_study_end(cb_store *store, int64_t study_id, cb_err *err) {
    sqlite3_stmt *s;
    cb_status st = need_begun(store, study_id, err);
    if (st != CB_OK || (st = cbi_store_begin(store, err)) != CB_OK)
        return st;
    if ((st = cbi_store_statement(store, CBI_SQL_STUDY_RETIRE, &s, err)) == CB_OK) {
        sqlite3_bind_int64(s, 1, study_id);
        sqlite3_bind_int64(s, 2, store->adding_edition);
        st = cbi_store_step(store, s, NULL, err);
    }
    if (st == CB_OK)
        st = cbi_store_view_make(store, study_id, err);
    if ((st = cbi_store_end(store, st, err)) != CB_OK)
        return st;
    store->adding_study_id = 0;
    store->claim_position = 0;
    return CB_OK;
}

/* ---- counting and requeueing ---- */

cb_status cb_store_study_count(cb_store *store, int64_t study_id, cb_study_counts *out,
                               cb_err *err) {
    sqlite3_stmt *s;
    int has_row = 0;
    memset(out, 0, sizeof *out);
    cb_status st = cbi_store_statement(store, CBI_SQL_STUDY_COUNT, &s, err);
    if (st != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, study_id);
    if (store->run_id !=
        0) { /* without a run there is nothing to differ from: NULL, which sums to 0 */
        sqlite3_bind_int64(s, 2, store->run_numerics);
        cbi_store_bind_text(s, 3, store->run_instruction_set);
    }
    if ((st = cbi_store_step(store, s, &has_row, err)) != CB_OK || !has_row)
        return st;
    int64_t *const fields[] = {&out->total,    &out->pending, &out->running,       &out->done,
                               &out->diverged, &out->failed,  &out->other_numerics};
    for (int i = 0; i < 7; i++)
        *fields[i] = sqlite3_column_int64(s, i);
    sqlite3_reset(s);
    return CB_OK;
}

/* Within a transaction; trial_id 0: all of the study's. */
static cb_status requeue(cb_store *store, int64_t study_id, int64_t trial_id, int all,
                         int64_t *count, cb_err *err) {
    static const cbi_statement_id kinds[] = {CBI_SQL_REQUEUE_FAILED, CBI_SQL_REQUEUE_OTHER};
    cb_status st = CB_OK;
    for (int i = 0; st == CB_OK && i < (all ? 2 : 1); i++) {
        sqlite3_stmt *s;
        if ((st = cbi_store_statement(store, kinds[i], &s, err)) != CB_OK)
            break;
        sqlite3_bind_int64(s, 1, study_id);
        if (kinds[i] == CBI_SQL_REQUEUE_OTHER) {
            sqlite3_bind_int64(s, 2, store->run_numerics);
            cbi_store_bind_text(s, 3, store->run_instruction_set);
        }
        if (trial_id != 0)
            sqlite3_bind_int64(s, 4, trial_id);
        if ((st = cbi_store_step(store, s, NULL, err)) == CB_OK)
            *count += sqlite3_changes(store->db);
    }
    return st;
}

cb_status cb_store_study_requeue(cb_store *store, int64_t study_id, int all, int64_t *count,
                                 cb_err *err) {
    int64_t changed = 0;
    *count = 0;
    if (all && store->run_id == 0)
        return cb_fail(err, CB_EARG,
                       "%s: requeue: expected a run to compare with, but none has"
                       " begun",
                       store->path);
    cb_status st = cbi_store_begin(store, err);
    if (st != CB_OK)
        return st;
    st = requeue(store, study_id, 0, all, &changed, err);
    if ((st = cbi_store_end(store, st, err)) != CB_OK)
        return st;
    store->claim_position = 0;
    *count = changed;
    return CB_OK;
}

/* ---- confirmation trials ---- */

/* The study's edition; 0 if it has been registered with another script meanwhile. */
static cb_status current_edition(cb_store *store, int64_t study_id, const char *script,
                                 int64_t *edition, cb_err *err) {
    sqlite3_stmt *s;
    int has_row = 0;
    *edition = 0;
    cb_status st = cbi_store_statement(store, CBI_SQL_CONFIRM_EDITION, &s, err);
    if (st != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, study_id);
    cbi_store_bind_text(s, 2, script);
    if ((st = cbi_store_step(store, s, &has_row, err)) == CB_OK && has_row)
        *edition = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return st;
}

cb_status cb_store_study_confirm(cb_store *store, int64_t study_id, const char *script,
                                 cb_again again, int64_t position, const cb_trial_info *trials,
                                 size_t n, int64_t *added, cb_err *err) {
    listing to = {study_id, 0, "confirm"};
    int64_t linked = 0, count = 0, requeued = 0;
    *added = 0;
    if (again == CB_AGAIN_OTHER && store->run_id == 0)
        return cb_fail(err, CB_EARG, "%s: expected a run to compare with, but none has begun",
                       store->path);
    cb_status st = cbi_store_begin(store, err);
    if (st != CB_OK)
        return st;
    st = current_edition(store, study_id, script, &to.edition, err);
    for (size_t i = 0; st == CB_OK && to.edition != 0 && i < n; i++) {
        st = add_trial(store, &to, &trials[i], position + (int64_t)i, &linked, err);
        if (st != CB_OK || linked == 0)
            continue;
        count++;
        if (again != CB_AGAIN_NONE)
            st = requeue(store, study_id, linked, again == CB_AGAIN_OTHER, &requeued, err);
    }
    if ((st = cbi_store_end(store, st, err)) != CB_OK)
        return st;
    store->claim_position = 0;
    *added = count;
    return CB_OK;
}
