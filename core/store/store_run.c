/* SPDX-License-Identifier: MIT */
/*
 * Runs: registering one, ending it, and taking over what a dead one had claimed. The byte of a run
 * in the lock file is locked before its row is committed: a row in state 'running' whose byte
 * nobody holds is the row of a run that died.
 */
#include "store/store_internal.h"

#include "base/alloc.h"

static cb_status machine_get(cb_store *store, const cb_run_info *info, int64_t *id, cb_err *err) {
    static const cbi_statement_id order[] = {CBI_SQL_MACHINE_GET, CBI_SQL_MACHINE_PUT};
    cb_status st = CB_OK;
    int has_row = 0;
    for (int i = 0; st == CB_OK && !has_row && i < 2; i++) {
        sqlite3_stmt *s;
        if ((st = cbi_store_statement(store, order[i], &s, err)) != CB_OK)
            return st;
        cbi_store_bind_text(s, 1, info->host);
        cbi_store_bind_text(s, 2, info->cpu);
        cbi_store_bind_text(s, 3, info->instruction_set);
        sqlite3_bind_int64(s, 4, info->cores);
        sqlite3_bind_int64(s, 5, info->memory_bytes);
        cbi_store_bind_text(s, 6, info->system);
        st = cbi_store_step(store, s, &has_row, err);
        *id = has_row ? sqlite3_column_int64(s, 0) : sqlite3_last_insert_rowid(store->db);
        sqlite3_reset(s);
    }
    return st;
}

static cb_status run_put(cb_store *store, const cb_run_info *info, int64_t machine_id, int64_t *id,
                         cb_err *err) {
    sqlite3_stmt *s;
    cb_status st = cbi_store_statement(store, CBI_SQL_RUN_PUT, &s, err);
    if (st != CB_OK)
        return st;
    const char *texts[] = {info->command, info->version,      info->git_commit, info->compiler,
                           info->flags,   info->blis_version, info->kernel};
    sqlite3_bind_int64(s, 1, machine_id);
    for (int i = 0; i < 7; i++)
        cbi_store_bind_text(s, 2 + i, texts[i]);
    sqlite3_bind_int64(s, 9, info->numerics);
    sqlite3_bind_int64(s, 10, info->jobs);
    sqlite3_bind_int(s, 11, info->denormals_flushed != 0);
    st = cbi_store_step(store, s, NULL, err);
    *id = sqlite3_last_insert_rowid(store->db);
    return st;
}

cb_status cb_store_run_begin(cb_store *store, const cb_run_info *info, cb_err *err) {
    int64_t machine_id = 0, run_id = 0;
    char *instruction_set = NULL;
    cb_status st = cbi_store_need_write(store, err);
    if (st == CB_OK && store->run_id != 0)
        st = cb_fail(err, CB_EARG, "%s: this store has begun a run already", store->path);
    if (st != CB_OK)
        return st;
    instruction_set = cbi_strdup(info->instruction_set != NULL ? info->instruction_set : "");
    if (instruction_set == NULL)
        return cb_fail(err, CB_ENOMEM, "run: instruction set");
    if ((st = cbi_store_begin(store, err)) != CB_OK)
        goto out;
    if ((st = cbi_store_take_over(store, err)) == CB_OK &&
        (st = machine_get(store, info, &machine_id, err)) == CB_OK &&
        (st = run_put(store, info, machine_id, &run_id, err)) == CB_OK)
        st = cbi_lock_take(&store->lock, CBI_LOCK_RUN + run_id, CBI_LOCK_EXCLUSIVE, 0, err);
    if ((st = cbi_store_end(store, st, err)) != CB_OK) {
        if (run_id != 0)
            cbi_lock_drop(&store->lock, CBI_LOCK_RUN + run_id);
        goto out;
    }
    store->run_id = run_id;
    store->run_numerics = info->numerics;
    store->run_instruction_set = instruction_set;
    instruction_set = NULL;
out:
    cbi_free(instruction_set);
    return st;
}

/* Within a transaction: a run is over. Its open attempts end as `attempt_state`, their trials are
 * pending again. */
static cb_status run_free(cb_store *store, int64_t run_id, const char *run_state,
                          const char *attempt_state, cb_err *err) {
    const struct {
        cbi_statement_id id;
        const char *state;
    } steps[] = {{CBI_SQL_RUN_FREE_TRIALS, NULL},
                 {CBI_SQL_RUN_FREE_ATTEMPTS, attempt_state},
                 {CBI_SQL_RUN_END, run_state}};
    cb_status st = CB_OK;
    for (size_t i = 0; st == CB_OK && i < sizeof steps / sizeof steps[0]; i++) {
        sqlite3_stmt *s;
        if ((st = cbi_store_statement(store, steps[i].id, &s, err)) != CB_OK)
            return st;
        sqlite3_bind_int64(s, 1, run_id);
        if (steps[i].state != NULL)
            cbi_store_bind_text(s, 2, steps[i].state);
        st = cbi_store_step(store, s, NULL, err);
    }
    return st;
}

cb_status cbi_store_run_study(cb_store *store, int64_t study_id, cb_err *err) {
    sqlite3_stmt *s;
    if (store->run_id == 0)
        return CB_OK;
    cb_status st = cbi_store_statement(store, CBI_SQL_RUN_STUDY, &s, err);
    if (st != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, store->run_id);
    sqlite3_bind_int64(s, 2, study_id);
    return cbi_store_step(store, s, NULL, err);
}

cb_status cbi_store_study_alive(cb_store *store, int64_t study_id, int *alive, cb_err *err) {
    sqlite3_stmt *s;
    int has_row = 1;
    *alive = 0;
    cb_status st = cbi_store_statement(store, CBI_SQL_RUN_OF_STUDY, &s, err);
    if (st != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, study_id);
    sqlite3_bind_int64(s, 2, store->run_id);
    while (!*alive && (st = cbi_store_step(store, s, &has_row, err)) == CB_OK && has_row)
        *alive = cbi_lock_is_held(&store->lock, CBI_LOCK_RUN + sqlite3_column_int64(s, 0));
    sqlite3_reset(s);
    return st;
}

cb_status cbi_store_take_over(cb_store *store, cb_err *err) {
    cb_status st = CB_OK;
    int64_t after = 0;
    for (;;) {
        sqlite3_stmt *s;
        int has_row = 0;
        if ((st = cbi_store_statement(store, CBI_SQL_RUN_OTHERS, &s, err)) != CB_OK)
            return st;
        sqlite3_bind_int64(s, 1, after);
        sqlite3_bind_int64(s, 2, store->run_id);
        if ((st = cbi_store_step(store, s, &has_row, err)) != CB_OK || !has_row)
            return st;
        after = sqlite3_column_int64(s, 0);
        sqlite3_reset(s);
        if (cbi_lock_is_held(&store->lock, CBI_LOCK_RUN + after))
            continue;
        if ((st = run_free(store, after, "lost", "lost", err)) != CB_OK)
            return st;
        store->claim_position = 0; /* what is pending again may stand anywhere in the list */
    }
}

void cbi_store_run_end(cb_store *store) {
    if (store->run_id != 0 && cbi_store_begin(store, NULL) == CB_OK) {
        cb_status st = run_free(store, store->run_id, "ended", "returned", NULL);
        st = cbi_store_end(store, st, NULL);
        (void)st; /* if it failed, the next run finds the byte free and does the same */
    }
    cb_store_run_pause(store, 0);
    if (store->run_id != 0)
        cbi_lock_drop(&store->lock, CBI_LOCK_RUN + store->run_id);
    store->run_id = 0;
}

cb_status cb_store_run_alive(const cb_store *store, int64_t run_id, int *alive, cb_err *err) {
    return cbi_lock_look(store->file, CBI_LOCK_RUN + run_id, alive, err);
}

void cb_store_run_pause(cb_store *store, int paused) {
    if (store->run_id == 0)
        return;
    /* Only for readers to see: where it cannot be told the run is shown as at work. */
    const int64_t byte = CBI_LOCK_PAUSED + store->run_id;
    if (!paused)
        cbi_lock_drop(&store->lock, byte);
    else if (cbi_lock_take(&store->lock, byte, CBI_LOCK_EXCLUSIVE, 0, NULL) != CB_OK)
        return;
}

cb_status cb_store_run_paused(const cb_store *store, int64_t run_id, int *paused, cb_err *err) {
    return cbi_lock_look(store->file, CBI_LOCK_PAUSED + run_id, paused, err);
}
