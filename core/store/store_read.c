/* SPDX-License-Identifier: MIT */
/*
 * A database opened for reading. Whoever made the file, with whatever version and intent: it is not
 * changed, and what is read goes by this program's own definitions.
 *
 * A database of an earlier version is copied into a temporary one, which is then migrated. The
 * views of views.sql are made as temporary ones, which hide those of the file. The tables must be
 * tables. What is left of the file's own schema to be run is the view of each study: see
 * store_query.c.
 */
#include "store/store_internal.h"

#include "base/alloc.h"
#include "base/text.h"

enum { TEXT_MOST_BYTES = 1 << 28 }; /* of one value: longer ones are made to exhaust memory */

static cb_status copy_into(cb_store *store, sqlite3 *copy, cb_err *err) {
    sqlite3_backup *backup = sqlite3_backup_init(copy, "main", store->db, "main");
    if (backup == NULL)
        return cbi_store_fail(store, copy, sqlite3_errcode(copy), "copying", err);
    int rc = sqlite3_backup_step(backup, -1);
    sqlite3_backup_finish(backup);
    return rc == SQLITE_DONE ? CB_OK : cbi_store_fail(store, NULL, rc, "copying", err);
}

/* The store goes on with a temporary copy of the present version; SQLite removes it at the end. */
static cb_status work_on_copy(cb_store *store, int64_t version, cb_err *err) {
    sqlite3 *copy = NULL;
    cb_status st = CB_OK;
    int rc = sqlite3_open_v2(
        "", &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc != SQLITE_OK)
        st = cbi_store_fail(store, copy, rc, "copying", err);
    if (st == CB_OK && (st = copy_into(store, copy, err)) == CB_OK)
        st = cbi_store_configure(store, copy, err);
    if (st != CB_OK) {
        sqlite3_close(copy);
        return st;
    }
    cbi_store_guard_release(store);
    cbi_store_disconnect(store);
    store->db = copy;
    if ((st = cbi_store_guard_begin(store, copy, err)) != CB_OK ||
        (st = cbi_store_exec(store, "BEGIN", err)) != CB_OK ||
        (st = cbi_store_migrate_copy(store, version, err)) != CB_OK)
        return st;
    return cbi_store_exec(store, "COMMIT", err);
}

cb_status cbi_store_read_ready(cb_store *store, cb_err *err) {
    int64_t version = 0;
    cb_status st = cbi_store_guard_begin(store, store->db, err);
    if (st == CB_OK)
        st = cbi_store_integer(store, store->db, "PRAGMA user_version", &version, err);
    if (st == CB_OK && (version < 1 || version > CBI_STORE_VERSION))
        st = cb_fail(err, CB_ESTORE, "%s: expected a schema of version 1 to %d, got %ld",
                     store->path, (int)CBI_STORE_VERSION, (long)version);
    if (st == CB_OK && version < CBI_STORE_VERSION)
        st = work_on_copy(store, version, err);
    if (st != CB_OK || (st = cbi_store_check_tables(store, err)) != CB_OK ||
        (st = cbi_store_exec(store, "PRAGMA temp_store = MEMORY", err)) != CB_OK ||
        (st = cbi_store_views_temporary(store, err)) != CB_OK)
        return st;
    sqlite3_limit(store->db, SQLITE_LIMIT_LENGTH, TEXT_MOST_BYTES);
    return cbi_store_guard(store, store->db, err);
}
