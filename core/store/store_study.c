/* SPDX-License-Identifier: MIT */
/*
 * Studies: beginning an edition of the list of trials, or joining it; completing it; counting; and
 * putting trials back to pending.
 */
#include "store/store_internal.h"

#include <string.h>

/* ---- editions ---- */

cb_status cbi_store_study_row(cb_store *store, int64_t study_id, cbi_study_row *out, cb_err *err) {
    sqlite3_stmt *s;
    int has_row = 0;
    *out = (cbi_study_row){0};
    cb_status st = cbi_store_statement(store, CBI_SQL_STUDY_GET, &s, err);
    if (st != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, study_id);
    if ((st = cbi_store_step(store, s, &has_row, err)) != CB_OK || !has_row)
        return st;
    out->edition = sqlite3_column_int64(s, 0);
    out->trial_count = sqlite3_column_int64(s, 1);
    out->registered = sqlite3_column_int64(s, 2);
    sqlite3_reset(s);
    return CB_OK;
}

cb_status cbi_store_study_complete(cb_store *store, int64_t study_id, int64_t edition,
                                   cb_err *err) {
    sqlite3_stmt *s;
    cb_status st = cbi_store_statement(store, CBI_SQL_STUDY_RETIRE, &s, err);
    if (st != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, study_id);
    sqlite3_bind_int64(s, 2, edition);
    st = cbi_store_step(store, s, NULL, err);
    return st == CB_OK ? cbi_store_view_make(store, study_id, err) : st;
}

/* *edition: the present one, if another run that lives works on this very list; else 0. */
static cb_status find_edition(cb_store *store, const cb_study_info *info, int64_t *study_id,
                              int64_t *edition, cb_err *err) {
    sqlite3_stmt *s;
    int has_row = 0, same = 0, alive = 0;
    *edition = 0;
    cb_status st = cbi_store_statement(store, CBI_SQL_STUDY_FIND, &s, err);
    if (st != CB_OK)
        return st;
    cbi_store_bind_text(s, 1, info->name);
    cbi_store_bind_text(s, 2, info->script);
    sqlite3_bind_int64(s, 3, info->trial_count);
    cbi_store_bind_text(s, 4, info->first_key);
    if ((st = cbi_store_step(store, s, &has_row, err)) != CB_OK || !has_row)
        return st;
    *study_id = sqlite3_column_int64(s, 0);
    same = sqlite3_column_int(s, 2);
    int64_t present = sqlite3_column_int64(s, 1);
    sqlite3_reset(s);
    if (same)
        st = cbi_store_study_alive(store, *study_id, &alive, err);
    if (alive)
        *edition = present;
    return st;
}

static cb_status new_edition(cb_store *store, const cb_study_info *info, int64_t *study_id,
                             int64_t *edition, cb_err *err) {
    sqlite3_stmt *s;
    int has_row = 0;
    cb_status st = cbi_store_statement(store, CBI_SQL_STUDY_PUT, &s, err);
    if (st != CB_OK)
        return st;
    cbi_store_bind_text(s, 1, info->name);
    cbi_store_bind_text(s, 2, info->script_path);
    cbi_store_bind_text(s, 3, info->script);
    cbi_store_bind_text(s, 4, info->git_commit);
    sqlite3_bind_int64(s, 5, info->trial_count);
    cbi_store_bind_text(s, 6, info->first_key);
    cbi_store_bind_text(s, 7, info->reproduces);
    if ((st = cbi_store_step(store, s, &has_row, err)) == CB_OK && has_row) {
        *study_id = sqlite3_column_int64(s, 0);
        *edition = sqlite3_column_int64(s, 1);
    }
    sqlite3_reset(s);
    if (st == CB_OK && info->trial_count == 0)
        st = cbi_store_study_complete(store, *study_id, *edition, err);
    return st;
}

cb_status cb_store_study_begin(cb_store *store, const cb_study_info *info, int64_t *study_id,
                               cb_err *err) {
    int64_t id = 0, edition = 0;
    *study_id = 0;
    if (info->name == NULL || info->name[0] == '\0')
        return cb_fail(err, CB_EARG, "study: expected a name, got an empty one");
    if (info->trial_count < 0)
        return cb_fail(err, CB_EARG, "study '%s': expected a count of trials >= 0, got %ld",
                       info->name, (long)info->trial_count);
    cb_status st = cbi_store_begin(store, err);
    if (st != CB_OK)
        return st;
    st = find_edition(store, info, &id, &edition, err);
    if (st == CB_OK && edition == 0)
        st = new_edition(store, info, &id, &edition, err);
    if (st == CB_OK)
        st = cbi_store_run_study(store, id, err);
    if ((st = cbi_store_end(store, st, err)) != CB_OK)
        return st;
    store->study_id = *study_id = id;
    store->edition = edition;
    store->claim_position = 0;
    return CB_OK;
}

cb_status cb_store_study_next(cb_store *store, int64_t study_id, int64_t *position, cb_err *err) {
    cbi_study_row row;
    *position = -1;
    cb_status st = cbi_store_study_row(store, study_id, &row, err);
    if (st == CB_OK && store->study_id == study_id && store->edition == row.edition)
        *position = row.registered;
    return st;
}

/* ---- counting ---- */

cb_status cb_store_study_count(cb_store *store, int64_t study_id, cb_study_counts *out,
                               cb_err *err) {
    sqlite3_stmt *s;
    int has_row = 0;
    memset(out, 0, sizeof *out);
    cb_status st = cbi_store_statement(store, CBI_SQL_STUDY_COUNT, &s, err);
    if (st != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, study_id);
    if ((st = cbi_store_step(store, s, &has_row, err)) != CB_OK || !has_row)
        return st;
    int64_t *const fields[] = {&out->total,       &out->pending,     &out->running,
                               &out->done,        &out->diverged,    &out->failed,
                               &out->trial_count, &out->unregistered};
    for (int i = 0; i < 8; i++)
        *fields[i] = sqlite3_column_int64(s, i);
    out->left_flop = sqlite3_column_double(s, 8);
    sqlite3_reset(s);
    /* Without a run there is nothing to differ from. */
    if (store->run_id == 0 ||
        (st = cbi_store_statement(store, CBI_SQL_STUDY_OTHER, &s, err)) != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, study_id);
    sqlite3_bind_int64(s, 2, store->run_numerics);
    cbi_store_bind_text(s, 3, store->run_instruction_set);
    if ((st = cbi_store_step(store, s, &has_row, err)) == CB_OK && has_row)
        out->other_numerics = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return st;
}

/* ---- requeueing ---- */

cb_status cbi_store_requeue(cb_store *store, int64_t study_id, int64_t trial_id, cb_again again,
                            int64_t *count, cb_err *err) {
    sqlite3_stmt *s;
    if (again == CB_AGAIN_NONE)
        return CB_OK;
    if (again == CB_AGAIN_OTHER && store->run_id == 0)
        return cb_fail(err, CB_EARG,
                       "%s: requeue: expected a run to compare with, but none has begun",
                       store->path);
    cb_status st = cbi_store_statement(
        store, trial_id == 0 ? CBI_SQL_REQUEUE_STUDY : CBI_SQL_REQUEUE_TRIAL, &s, err);
    if (st != CB_OK)
        return st;
    sqlite3_bind_int(s, 1, (int)again);
    sqlite3_bind_int64(s, 2, store->run_numerics);
    cbi_store_bind_text(s, 3, store->run_instruction_set);
    sqlite3_bind_int64(s, 4, trial_id == 0 ? study_id : trial_id);
    if ((st = cbi_store_step(store, s, NULL, err)) == CB_OK)
        *count += sqlite3_changes(store->db);
    return st;
}

cb_status cb_store_study_requeue(cb_store *store, int64_t study_id, cb_again again, int64_t *count,
                                 cb_err *err) {
    int64_t changed = 0;
    *count = 0;
    cb_status st = cbi_store_begin(store, err);
    if (st != CB_OK)
        return st;
    st = cbi_store_requeue(store, study_id, 0, again, &changed, err);
    if ((st = cbi_store_end(store, st, err)) != CB_OK)
        return st;
    store->claim_position = 0;
    *count = changed;
    return CB_OK;
}
