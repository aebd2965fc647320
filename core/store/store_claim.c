/* SPDX-License-Identifier: MIT */
/*
 * Claims. A claim is a short BEGIN IMMEDIATE transaction; that only one process gets a trial rests
 * on the unique index attempt_open, whatever else happens.
 *
 * A claim is not forced to the disk: it must outlive this process, not the machine, since at a loss
 * of power the run that holds it dies too. The log keeps the order, so a result never gets to the
 * disk before its claim.
 */
#include "store/store_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

void cb_claim_fini(cb_claim *claim) {
    cbi_free(claim->spec);
    cbi_free(claim->task_open);
    cbi_free(claim->cell);
    claim->spec = claim->task_open = claim->cell = NULL;
}

static char *column_copy(sqlite3_stmt *s, int column) {
    const char *text = (const char *)sqlite3_column_text(s, column);
    return text != NULL ? cbi_strndup(text, (size_t)sqlite3_column_bytes(s, column)) : NULL;
}

/* The next pending trial from store->claim_position on; or of all, once that has found none. Places
 * before claim_position had nothing pending when they were looked at, but others may have put
 * something back since. */
static cb_status find_pending(cb_store *store, int64_t study_id, cb_claim *claim, int *got,
                              cb_err *err) {
    static const cbi_statement_id ways[] = {CBI_SQL_CLAIM_NEXT, CBI_SQL_CLAIM_BACK};
    cb_status st = CB_OK;
    *got = 0;
    for (int i = 0; st == CB_OK && !*got && i < 2; i++) {
        sqlite3_stmt *s;
        if ((st = cbi_store_statement(store, ways[i], &s, err)) != CB_OK)
            return st;
        sqlite3_bind_int64(s, 1, study_id);
        if (ways[i] == CBI_SQL_CLAIM_NEXT)
            sqlite3_bind_int64(s, 2, store->claim_position);
        if ((st = cbi_store_step(store, s, got, err)) == CB_OK && *got) {
            claim->position = sqlite3_column_int64(s, 0);
            claim->trial_id = sqlite3_column_int64(s, 1);
            if (ways[i] == CBI_SQL_CLAIM_NEXT)
                store->claim_position = claim->position;
        }
        sqlite3_reset(s);
    }
    return st;
}

static cb_status load_claim(cb_store *store, int64_t study_id, cb_claim *claim, int64_t *number,
                            cb_err *err) {
    sqlite3_stmt *s;
    int has_row = 0;
    cb_status st = cbi_store_statement(store, CBI_SQL_CLAIM_LOAD, &s, err);
    if (st != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, claim->trial_id);
    sqlite3_bind_int64(s, 2, study_id);
    sqlite3_bind_int64(s, 3, store->run_id);
    if ((st = cbi_store_step(store, s, &has_row, err)) != CB_OK)
        return st;
    if (!has_row)
        return cb_fail(err, CB_ESTORE, "%s: trial %ld has no specification", store->path,
                       (long)claim->trial_id);
    *number = sqlite3_column_int64(s, 0);
    claim->config = sqlite3_column_int64(s, 1);
    claim->epochs_most = sqlite3_column_int64(s, 2);
    claim->memory_bytes = sqlite3_column_int64(s, 3);
    claim->cost_flop = sqlite3_column_double(s, 4);
    claim->worker_crashes = sqlite3_column_int64(s, 5);
    claim->machine_failures = sqlite3_column_int64(s, 6);
    snprintf(claim->key, sizeof claim->key, "%s", (const char *)sqlite3_column_text(s, 7));
    claim->spec = column_copy(s, 8);
    claim->task_open = column_copy(s, 9);
    claim->cell = column_copy(s, 10);
    sqlite3_reset(s);
    if (claim->spec == NULL || claim->task_open == NULL || claim->cell == NULL)
        st = cb_fail(err, CB_ENOMEM, "%s: claim", store->path);
    return st;
}

/* A pending trial may have been finished before with the numerics and instruction set of this run
 * (by an earlier run, before others asked for it again): that result then counts, and nothing is
 * computed twice. */
static cb_status adopt_finished(cb_store *store, int64_t trial_id, int *adopted, cb_err *err) {
    sqlite3_stmt *find, *adopt;
    cb_status st = cbi_store_statement(store, CBI_SQL_CLAIM_FINISHED, &find, err);
    *adopted = 0;
    if (st != CB_OK || (st = cbi_store_statement(store, CBI_SQL_CLAIM_ADOPT, &adopt, err)) != CB_OK)
        return st;
    sqlite3_bind_int64(find, 1, trial_id);
    sqlite3_bind_int64(find, 2, store->run_numerics);
    cbi_store_bind_text(find, 3, store->run_instruction_set);
    if ((st = cbi_store_step(store, find, adopted, err)) != CB_OK || !*adopted)
        return st;
    sqlite3_bind_int64(adopt, 1, trial_id);
    sqlite3_bind_value(adopt, 2, sqlite3_column_value(find, 1));
    sqlite3_bind_int64(adopt, 3, sqlite3_column_int64(find, 0));
    st = cbi_store_step(store, adopt, NULL, err);
    sqlite3_reset(find);
    return st;
}

static cb_status put_attempt(cb_store *store, cb_claim *claim, int64_t number, cb_err *err) {
    sqlite3_stmt *s;
    cb_status st = cbi_store_statement(store, CBI_SQL_CLAIM_ATTEMPT, &s, err);
    if (st != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, claim->trial_id);
    sqlite3_bind_int64(s, 2, store->run_id);
    sqlite3_bind_int64(s, 3, number);
    sqlite3_bind_int64(s, 4, store->run_numerics);
    cbi_store_bind_text(s, 5, store->run_instruction_set);
    if ((st = cbi_store_step(store, s, NULL, err)) != CB_OK)
        return st;
    claim->attempt_id = sqlite3_last_insert_rowid(store->db);
    if ((st = cbi_store_statement(store, CBI_SQL_CLAIM_TRIAL, &s, err)) != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, claim->trial_id);
    sqlite3_bind_int64(s, 2, number);
    return cbi_store_step(store, s, NULL, err);
}

/* Within the transaction. */
static cb_status claim_one(cb_store *store, int64_t study_id, cb_claim *claim, int *got,
                           cb_err *err) {
    int64_t number = 0;
    cb_status st = cbi_store_take_over(store, err);
    if (st == CB_OK)
        st = cbi_store_run_study(store, study_id, err);
    if (store->claim_study_id != study_id)
        store->claim_position = 0;
    store->claim_study_id = study_id;
    while (st == CB_OK) {
        int adopted = 0;
        if ((st = find_pending(store, study_id, claim, got, err)) != CB_OK || !*got ||
            (st = adopt_finished(store, claim->trial_id, &adopted, err)) != CB_OK)
            return st;
        if (adopted)
            continue;
        st = load_claim(store, study_id, claim, &number, err);
        return st == CB_OK ? put_attempt(store, claim, number, err) : st;
    }
    return st;
}

cb_status cb_store_claim(cb_store *store, int64_t study_id, cb_claim *out, int *got, cb_err *err) {
    cb_status st;
    memset(out, 0, sizeof *out);
    *got = 0;
    if (store->run_id == 0)
        return cb_fail(err, CB_EARG, "%s: claim: expected a run, but none has begun", store->path);
    if (store->is_wal && (st = cbi_store_exec(store, "PRAGMA synchronous = NORMAL", err)) != CB_OK)
        return st;
    if ((st = cbi_store_begin(store, err)) == CB_OK) {
        st = claim_one(store, study_id, out, got, err);
        st = cbi_store_end(store, st, err);
    }
    if (store->is_wal) {
        cb_status full =
            cbi_store_exec(store, "PRAGMA synchronous = FULL", st == CB_OK ? err : NULL);
        if (st == CB_OK)
            st = full;
    }
    if (st != CB_OK || !*got) {
        cb_claim_fini(out);
        *got = 0;
    }
    return st;
}
