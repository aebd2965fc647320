/* SPDX-License-Identifier: MIT */
/*
 * Closing: what is queued is written, the run ends, and the log goes into the database under the
 * exclusive checkpoint lock. The lock is held until SQLite has closed its files: of two stores that
 * close at once the second then finds itself alone, and it is the one that removes the log.
 */
#include "store/store_internal.h"

#include "base/alloc.h"

enum { CLOSE_WAIT_MS = 2000 };

void cbi_store_disconnect(cb_store *store) {
    if (store->db == NULL)
        return;
    int is_ours =
        store->lock.fd >= 0 && cbi_lock_take(&store->lock, CBI_LOCK_CHECKPOINT, CBI_LOCK_EXCLUSIVE,
                                             CLOSE_WAIT_MS, NULL) == CB_OK;
    if (is_ours) {
        sqlite3_busy_timeout(store->db, 0);
        (void)sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    /* SQLite removes an empty log only if it may checkpoint at close, which it does only when no
     * other connection is left: then there is nothing to copy and nobody to race with. A store
     * without the lock, which is one that reads, leaves a log with content to the next writer. */
    if (is_ours ||
        (store->lock.fd < 0 && store->file != NULL && cbi_store_log_is_empty(store->file)))
        (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    sqlite3_close_v2(store->db);
    store->db = NULL;
}

void cb_store_close(cb_store *store) {
    if (store == NULL)
        return;
    if (store->run_id != 0) {
        /* Nobody is left to be told. What cannot be written now counts as lost, and is done again
         * by the next run. */
        cb_status written = cb_store_commit(store, 1, NULL);
        (void)written;
        cbi_store_run_end(store);
    }
    cbi_store_queue_clear(store);
    cbi_store_finalize(store);
    cbi_store_guard_release(store);
    sqlite3_close_v2(store->reader); /* lives on while a query is open */
    cbi_store_disconnect(store);
    cbi_lock_close(&store->lock);
    cbi_free(store->run_instruction_set);
    cbi_free(store->path);
    cbi_free(store->file);
    cbi_free(store);
}
