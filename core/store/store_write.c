/* SPDX-License-Identifier: MIT */
/*
 * The queue of finished attempts and its group commit. An entry is one block of memory: the record,
 * its epoch rows, and all texts behind them. A commit writes the whole queue in one transaction;
 * when that fails the queue is as it was, and the next commit tries again.
 */
#include "store/store_internal.h"

#include <string.h>
#include <time.h>

#include "base/alloc.h"

struct cbi_finish {
    cbi_finish *next;
    int64_t trial_id, attempt_id;
    cb_attempt_result result; /* texts point into this block */
    size_t epoch_count;
    cb_epoch_record epochs[]; /* likewise */
};

/* Row of the table: how an end is written for the attempt and for its trial. */
static const struct {
    const char *attempt_state, *trial_state;
} ends[] = {
    [CB_ATTEMPT_DONE] = {"done", "done"},
    [CB_ATTEMPT_DIVERGED] = {"diverged", "diverged"},
    [CB_ATTEMPT_FAILED] = {"failed", "failed"},
    [CB_ATTEMPT_RETURNED] = {"returned", "pending"},
};

static const char *const causes[] = {
    [CB_CAUSE_NONE] = "",
    [CB_CAUSE_TRIAL] = "trial",
    [CB_CAUSE_WORKER] = "worker",
    [CB_CAUSE_MACHINE] = "machine",
};

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- queueing ---- */

/* What the schema would refuse is refused here, where the caller can still be told: in the queue it
 * would make every commit fail. */
static cb_status check_result(const cb_attempt_result *result, const cb_epoch_record *epochs,
                              size_t n, cb_err *err) {
    if ((size_t)result->end >= sizeof ends / sizeof ends[0])
        return cb_fail(err, CB_EARG, "finish: expected an end of 0 to 3, got %d", (int)result->end);
    if ((size_t)result->cause >= sizeof causes / sizeof causes[0])
        return cb_fail(err, CB_EARG, "finish: expected a cause of 0 to 3, got %d",
                       (int)result->cause);
    for (size_t i = 0; i < n; i++) {
        const char *split = cbi_store_text(epochs[i].split);
        if (strcmp(split, "train") != 0 && strcmp(split, "valid") != 0 &&
            strcmp(split, "test") != 0)
            return cb_fail(err, CB_EARG,
                           "finish: epoch row %zu: expected train, valid or test, got '%s'", i,
                           split);
        if (epochs[i].epoch < 0)
            return cb_fail(err, CB_EARG, "finish: epoch row %zu: expected an epoch >= 0, got %ld",
                           i, (long)epochs[i].epoch);
    }
    return CB_OK;
}

static cb_status add_text_size(size_t *total, const char *text, cb_err *err) {
    cb_status st = cb_size_add(*total, strlen(cbi_store_text(text)) + 1, total);
    return st == CB_OK ? CB_OK : cb_fail(err, st, "finish: size of its texts");
}

static cb_status entry_size(const cb_attempt_result *result, const cb_epoch_record *epochs,
                            size_t n, size_t *total, cb_err *err) {
    const char *texts[] = {result->weights_file, result->weights_sha256, result->error_text};
    cb_status st = cb_size_mul(n, sizeof epochs[0], total);
    if (st == CB_OK)
        st = cb_size_add(*total, sizeof(cbi_finish), total);
    if (st != CB_OK)
        return cb_fail(err, st, "finish: size of %zu epoch rows", n);
    for (size_t i = 0; st == CB_OK && i < 3; i++)
        st = add_text_size(total, texts[i], err);
    for (size_t i = 0; st == CB_OK && i < n; i++)
        if ((st = add_text_size(total, epochs[i].split, err)) == CB_OK)
            st = add_text_size(total, epochs[i].metric, err);
    return st;
}

static void copy_text(const char **text, char **to) {
    const char *from = cbi_store_text(*text);
    size_t n = strlen(from) + 1;
    memcpy(*to, from, n);
    *text = *to;
    *to += n;
}

cb_status cb_store_finish(cb_store *store, const cb_claim *claim, const cb_attempt_result *result,
                          const cb_epoch_record *epochs, size_t epoch_count, cb_err *err) {
    size_t size = 0;
    cb_status st;
    if (store->run_id == 0)
        return cb_fail(err, CB_EARG, "%s: finish: expected a run, but none has begun", store->path);
    if ((st = check_result(result, epochs, epoch_count, err)) != CB_OK ||
        (st = entry_size(result, epochs, epoch_count, &size, err)) != CB_OK)
        return st;
    cbi_finish *entry = cbi_malloc(size);
    if (entry == NULL)
        return cb_fail(err, CB_ENOMEM, "finish: %zu bytes", size);
    *entry = (cbi_finish){.trial_id = claim->trial_id,
                          .attempt_id = claim->attempt_id,
                          .result = *result,
                          .epoch_count = epoch_count};
    if (epoch_count > 0)
        memcpy(entry->epochs, epochs, epoch_count * sizeof epochs[0]);
    char *to = (char *)&entry->epochs[epoch_count];
    copy_text(&entry->result.weights_file, &to);
    copy_text(&entry->result.weights_sha256, &to);
    copy_text(&entry->result.error_text, &to);
    for (size_t i = 0; i < epoch_count; i++) {
        copy_text(&entry->epochs[i].split, &to);
        copy_text(&entry->epochs[i].metric, &to);
    }
    if (store->first == NULL)
        store->oldest_ns = now_ns();
    *store->last = entry;
    store->last = &entry->next;
    return CB_OK;
}

void cbi_store_queue_clear(cb_store *store) {
    while (store->first != NULL) {
        cbi_finish *next = store->first->next;
        cbi_free(store->first);
        store->first = next;
    }
    store->last = &store->first;
}

/* ---- writing ---- */

static cb_status write_epochs(cb_store *store, const cbi_finish *entry, cb_err *err) {
    cb_status st = CB_OK;
    for (size_t i = 0; st == CB_OK && i < entry->epoch_count; i++) {
        const cb_epoch_record *row = &entry->epochs[i];
        sqlite3_stmt *s;
        if ((st = cbi_store_statement(store, CBI_SQL_EPOCH_PUT, &s, err)) != CB_OK)
            return st;
        sqlite3_bind_int64(s, 1, entry->attempt_id);
        sqlite3_bind_int64(s, 2, row->epoch);
        cbi_store_bind_text(s, 3, row->split);
        cbi_store_bind_text(s, 4, row->metric);
        cbi_store_bind_number(s, 5, row->value);
        cbi_store_bind_number(s, 6, row->seconds);
        st = cbi_store_step(store, s, NULL, err);
    }
    return st;
}

/* *is_ours = 0 if the attempt is not open any more in this run. */
static cb_status write_attempt(cb_store *store, const cbi_finish *entry, int *is_ours,
                               cb_err *err) {
    sqlite3_stmt *s;
    const cb_attempt_result *r = &entry->result;
    cb_status st = cbi_store_statement(store, CBI_SQL_FINISH_ATTEMPT, &s, err);
    if (st != CB_OK)
        return st;
    const int64_t integers[] = {r->epochs, r->best_epoch, r->updates};
    const double numbers[] = {r->train,      r->valid,        r->test,        r->valid_error,
                              r->test_error, r->wall_seconds, r->cpu_seconds, r->flop};
    sqlite3_bind_int64(s, 1, entry->attempt_id);
    sqlite3_bind_int64(s, 2, entry->trial_id);
    sqlite3_bind_int64(s, 3, store->run_id);
    cbi_store_bind_text(s, 4, ends[r->end].attempt_state);
    for (int i = 0; i < 3; i++)
        sqlite3_bind_int64(s, 5 + i, integers[i]);
    for (int i = 0; i < 8; i++)
        cbi_store_bind_number(s, 8 + i, numbers[i]);
    cbi_store_bind_text(s, 16, r->weights_file);
    cbi_store_bind_text(s, 17, r->weights_sha256);
    cbi_store_bind_text(s, 18, r->error_text);
    cbi_store_bind_text(s, 19, causes[r->cause]);
    sqlite3_bind_int64(s, 20, r->resumed_epochs);
    st = cbi_store_step(store, s, NULL, err);
    *is_ours = st == CB_OK && sqlite3_changes(store->db) == 1;
    return st;
}

static cb_status write_trial(cb_store *store, const cbi_finish *entry, cb_err *err) {
    sqlite3_stmt *s;
    cb_status st = cbi_store_statement(store, CBI_SQL_FINISH_TRIAL, &s, err);
    if (st != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, entry->trial_id);
    cbi_store_bind_text(s, 2, ends[entry->result.end].trial_state);
    if (entry->result.end != CB_ATTEMPT_RETURNED)
        sqlite3_bind_int64(s, 3, entry->attempt_id);
    return cbi_store_step(store, s, NULL, err);
}

/* An attempt that this run has ended the same way already was given twice: nothing is wrong. */
static cb_status was_written(cb_store *store, const cbi_finish *entry, int *same, cb_err *err) {
    sqlite3_stmt *s;
    int has_row = 0;
    *same = 0;
    cb_status st = cbi_store_statement(store, CBI_SQL_FINISH_STATE, &s, err);
    if (st != CB_OK)
        return st;
    sqlite3_bind_int64(s, 1, entry->attempt_id);
    sqlite3_bind_int64(s, 2, entry->trial_id);
    sqlite3_bind_int64(s, 3, store->run_id);
    if ((st = cbi_store_step(store, s, &has_row, err)) == CB_OK && has_row) {
        const char *state = (const char *)sqlite3_column_text(s, 0);
        *same = state != NULL && strcmp(state, ends[entry->result.end].attempt_state) == 0;
    }
    sqlite3_reset(s);
    return st;
}

static cb_status write_entry(cb_store *store, const cbi_finish *entry, int *is_dropped,
                             cb_err *err) {
    int is_ours = 0, same = 0;
    cb_status st = write_attempt(store, entry, &is_ours, err);
    *is_dropped = 0;
    if (st != CB_OK)
        return st;
    if (!is_ours) {
        st = was_written(store, entry, &same, err);
        *is_dropped = st == CB_OK && !same;
        return st;
    }
    st = write_trial(store, entry, err);
    return st == CB_OK ? write_epochs(store, entry, err) : st;
}

int cb_store_commit_due_ms(const cb_store *store) {
    if (store->first == NULL)
        return -1;
    int64_t age_ms = (now_ns() - store->oldest_ns) / 1000000;
    return age_ms >= CBI_STORE_COMMIT_MS ? 0 : (int)(CBI_STORE_COMMIT_MS - age_ms);
}

cb_status cb_store_commit(cb_store *store, int force, cb_err *err) {
    int64_t dropped = 0, dropped_trial = 0;
    int returned = 0;
    if (store->first == NULL || (!force && cb_store_commit_due_ms(store) > 0))
        return CB_OK;
    cb_status st = cbi_store_begin(store, err);
    if (st != CB_OK)
        return st;
    for (const cbi_finish *e = store->first; st == CB_OK && e != NULL; e = e->next) {
        int is_dropped;
        st = write_entry(store, e, &is_dropped, err);
        if (is_dropped && dropped++ == 0)
            dropped_trial = e->trial_id;
        returned |= e->result.end == CB_ATTEMPT_RETURNED;
    }
    if ((st = cbi_store_end(store, st, err)) != CB_OK)
        return st;
    cbi_store_queue_clear(store);
    if (returned) /* their places in the list are behind the claims again */
        store->claim_position = 0;
    if (dropped > 0)
        return cb_fail(err, CB_EBUSY,
                       "%s: trial %ld (and %ld more): its attempt was no longer open"
                       " in this run; the result was dropped, the others are written",
                       store->path, (long)dropped_trial, (long)dropped - 1);
    return CB_OK;
}
