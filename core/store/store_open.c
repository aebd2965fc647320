/* SPDX-License-Identifier: MIT */
/*
 * Opening: what the file is is told from its first 100 bytes before anything is opened for writing,
 * so that another program's file stays as it is, with no file put beside it.
 *
 * The header is read through SQLite's own file methods. To open and close the file ourselves would
 * drop the POSIX locks that another connection of this process may hold on it.
 *
 * A database is created with a rollback journal and only then switched to a write-ahead log, so
 * that the header of the main file says from its first commit on whose it is.
 */
#include "store/store_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "stats/sqlite_functions.h"

enum { HEADER_BYTES = 100, VERSION_AT = 60, APPLICATION_AT = 68 };

/* ---- what is this file? ---- */

static uint32_t big_endian_32(const unsigned char *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static cb_status judge_header(const cb_store *store, const unsigned char *header, cb_err *err) {
    if (memcmp(header, "SQLite format 3", 16) != 0)
        return cb_fail(err, CB_ESTORE,
                       "%s: expected a cellbench database, got a file that is no"
                       " SQLite database; it is left as it is",
                       store->path);
    uint32_t application = big_endian_32(header + APPLICATION_AT);
    if (application != (uint32_t)CBI_STORE_APPLICATION_ID)
        return cb_fail(err, CB_ESTORE,
                       "%s: expected a cellbench database (application_id %d), got"
                       " another program's (%ld); it is left as it is",
                       store->path, (int)CBI_STORE_APPLICATION_ID, (long)application);
    uint32_t version = big_endian_32(header + VERSION_AT);
    if (version > CBI_STORE_VERSION)
        return cb_fail(err, CB_ESTORE,
                       "%s: expected a schema of version %d or older, got %lu: made"
                       " by a newer cellbench; it is left as it is",
                       store->path, (int)CBI_STORE_VERSION, (unsigned long)version);
    return CB_OK;
}

/* A creation that a power cut ended: of all pages the first did not get to the disk, and the
 * journal says that there was nothing before. SQLite clears that away when it opens the file to
 * write. */
static int is_unfinished(sqlite3 *db, const unsigned char *header) {
    static const unsigned char nothing[HEADER_BYTES];
    struct stat info;
    char journal[PATH_MAX + 12];
    snprintf(journal, sizeof journal, "%s-journal", sqlite3_db_filename(db, "main"));
    return memcmp(header, nothing, HEADER_BYTES) == 0 && stat(journal, &info) == 0 &&
           info.st_size > 0;
}

static cb_status check_header(const cb_store *store, const char *name, cb_err *err) {
    cb_status st = CB_OK;
    sqlite3 *db = NULL;
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    unsigned char header[HEADER_BYTES] = {0};
    int rc = sqlite3_open_v2(name, &db, SQLITE_OPEN_READONLY, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (rc == SQLITE_OK)
        rc = file->pMethods->xFileSize(file, &size);
    if (rc == SQLITE_OK && size > 0) {
        rc = file->pMethods->xRead(file, header, HEADER_BYTES, 0);
        if (rc == SQLITE_IOERR_SHORT_READ) /* the rest is zeros: judged like any other content */
            rc = SQLITE_OK;
    }
    if (rc != SQLITE_OK)
        st = cbi_store_fail(store, db, rc, "opening", err);
    else if (size > 0 && !(store->mode == CB_STORE_WRITE && is_unfinished(db, header)))
        st = judge_header(store, header, err);
    else if (size == 0 && store->mode == CB_STORE_READ)
        st = cb_fail(err, CB_ESTORE, "%s: expected a cellbench database, got an empty file",
                     store->path);
    sqlite3_close(db);
    return st;
}

static cb_status check_file(const cb_store *store, const char *name, cb_err *err) {
    struct stat info;
    if (stat(name, &info) != 0) {
        if (errno == ENOENT && store->mode == CB_STORE_WRITE)
            return CB_OK;
        return cb_fail(err, CB_EIO, "%s: cannot be opened: %s", store->path, strerror(errno));
    }
    if (!S_ISREG(info.st_mode))
        return cb_fail(err, CB_EIO, "%s: expected a file, got %s", store->path,
                       S_ISDIR(info.st_mode) ? "a folder" : "a device, pipe or socket");
    return check_header(store, name, err);
}

/* ---- connections ---- */

static int note_wal_pages(void *context, sqlite3 *db, const char *name, int pages) {
    (void)db, (void)name;
    ((cb_store *)context)->wal_pages = pages;
    return SQLITE_OK;
}

cb_status cbi_store_configure(cb_store *store, sqlite3 *db, cb_err *err) {
    static const struct {
        int option, value;
    } config[] = {{SQLITE_DBCONFIG_DEFENSIVE, 1},
                  {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                  {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1},
                  {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
                  {SQLITE_DBCONFIG_ENABLE_FKEY, 1}};
    int rc = sqlite3_busy_timeout(db, store->wait_ms);
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof config / sizeof config[0]; i++)
        rc = sqlite3_db_config(db, config[i].option, config[i].value, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0", NULL,
                          NULL, NULL);
    /* A run's memory is not to grow with its study; pages that fall out are in the system's cache.
     * (SQLite's own 2 MB, of each connection, fill up over the first 5,000 trials.) */
    if (rc == SQLITE_OK && store->mode == CB_STORE_WRITE)
        rc = sqlite3_exec(db, "PRAGMA cache_size = -512", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = cbi_sqlite_functions(db);
    return rc == SQLITE_OK ? CB_OK : cbi_store_fail(store, db, rc, "opening", err);
}

/* A URI that opens the file as one that nobody changes: SQLite then needs no files beside it. */
static cb_status immutable_uri(const char *name, char **out, cb_err *err) {
    cbi_text uri = {0};
    cbi_text_add(&uri, "file:");
    for (const char *c = name; *c != '\0'; c++) {
        if (strchr("%?#", *c) != NULL)
            cbi_text_addf(&uri, "%%%02X", (unsigned)(unsigned char)*c);
        else
            cbi_text_add_n(&uri, c, 1);
    }
    cbi_text_add(&uri, "?immutable=1");
    cb_status st = cbi_text_take(&uri, out, err);
    cbi_text_fini(&uri);
    return st;
}

/* The folder of a path, in a buffer of PATH_MAX bytes: a longer path opens nothing anyway. */
static const char *folder_of(const char *path, char *buffer) {
    const char *slash = strrchr(path, '/');
    size_t n = slash != NULL ? (size_t)(slash - path) + 1 : 0;
    if (n == 0 || n >= PATH_MAX)
        return ".";
    memcpy(buffer, path, n);
    buffer[n] = '\0';
    return buffer;
}

int cbi_store_log_is_empty(const char *database) {
    struct stat info;
    char log[PATH_MAX + 8];
    snprintf(log, sizeof log, "%s-wal", database);
    return stat(log, &info) != 0 || info.st_size == 0;
}

/* 1 if the database can only be read, and nothing waits in a log beside it. Otherwise a reader
 * takes part in the log's protocol, which needs two files beside the database for a while. */
static int is_frozen(sqlite3 *db) {
    const char *file = sqlite3_db_filename(db, "main");
    char folder[PATH_MAX];
    int can_write =
        sqlite3_db_readonly(db, "main") == 0 && access(folder_of(file, folder), W_OK) == 0;
    return !can_write && cbi_store_log_is_empty(file);
}

static cb_status connect(cb_store *store, const char *name, cb_err *err) {
    cb_status st = CB_OK;
    char *uri = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE;
    if (store->mode == CB_STORE_WRITE)
        flags |= SQLITE_OPEN_CREATE;
    int rc = sqlite3_open_v2(name, &store->db, flags, NULL);
    if (rc == SQLITE_OK && store->mode == CB_STORE_READ && is_frozen(store->db)) {
        sqlite3_close(store->db);
        store->db = NULL;
        if ((st = immutable_uri(name, &uri, err)) != CB_OK)
            goto out;
        rc = sqlite3_open_v2(uri, &store->db,
                             SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_EXRESCODE, NULL);
    }
    if (rc != SQLITE_OK)
        st = cbi_store_fail(store, store->db, rc, "opening", err);
    else if (store->mode == CB_STORE_WRITE && sqlite3_db_readonly(store->db, "main") != 0)
        st = cb_fail(err, CB_EIO,
                     "%s: expected a file that can be written, got one that can only"
                     " be read",
                     store->path);
out:
    cbi_free(uri);
    return st;
}

/* ---- opening ---- */

/* Where a write-ahead log is possible it is used; the answer of the pragma is the mode that is. */
static cb_status choose_journal(cb_store *store, int is_network, cb_err *err) {
    sqlite3_stmt *statement = NULL;
    const char *sql = is_network ? "PRAGMA journal_mode = DELETE" : "PRAGMA journal_mode = WAL";
    int rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *mode = (const char *)sqlite3_column_text(statement, 0);
        store->is_wal = mode != NULL && strcmp(mode, "wal") == 0;
        rc = SQLITE_OK;
    }
    cb_status st = CB_OK;
    if (rc != SQLITE_OK)
        st = cbi_store_fail(store, store->db, rc, "journal", err);
    else if (is_network && store->is_wal)
        st = cb_fail(err, CB_EBUSY,
                     "%s: is on a network file system, and another process has it"
                     " open",
                     store->path);
    sqlite3_finalize(statement);
    return st;
}

/* The lock file; on a network file system alone. There the other process stays as long as it likes,
 * so it is not waited for. */
static cb_status open_lock(cb_store *store, int is_network, cb_err *err) {
    if (!is_network)
        return cbi_lock_open(&store->lock, store->file, store->wait_ms, err);
    cb_status st = cbi_lock_open(&store->lock, store->file, 0, err);
    if (st == CB_OK)
        st = cbi_lock_take(&store->lock, CBI_LOCK_PRESENCE, CBI_LOCK_EXCLUSIVE, 0, err);
    if (st == CB_EBUSY)
        return cb_fail(err, st,
                       "%s: is on a network file system, where only one process may have it open"
                       " for writing, and another has",
                       store->path);
    return st;
}

static cb_status open_for_write(cb_store *store, int is_network, cb_err *err) {
    cb_status st = open_lock(store, is_network, err);
    if (st != CB_OK)
        return st;
    sqlite3_wal_hook(store->db, note_wal_pages, store);
    if ((st = cbi_store_schema_ready(store, err)) == CB_OK)
        st = choose_journal(store, is_network, err);
    cbi_lock_drop(&store->lock, CBI_LOCK_SCHEMA);
    if (st == CB_OK && !is_network)
        st = cbi_lock_take(&store->lock, CBI_LOCK_PRESENCE, CBI_LOCK_SHARED, 0, err);
    return st;
}

/* ---- the functions of the header ---- */

cb_status cbi_store_open_as(cb_store **out, const char *path, cb_store_mode mode, int is_network,
                            int wait_ms, cb_err *err) {
    cb_status st = CB_OK;
    cb_store *store = NULL;
    char *name = NULL;
    cbi_text text = {0};
    *out = NULL;
    if (path == NULL || path[0] == '\0')
        return cb_fail(err, CB_EARG, "database: expected a path, got an empty one");
    if ((store = cbi_calloc(1, sizeof *store)) == NULL)
        return cb_fail(err, CB_ENOMEM, "store: %zu bytes", sizeof *store);
    store->mode = mode;
    store->wait_ms = wait_ms;
    store->lock.fd = -1;
    store->last = &store->first;
    if ((store->path = cbi_strdup(path)) == NULL) {
        st = cb_fail(err, CB_ENOMEM, "%s: path", path);
        goto out;
    }
    /* SQLite has names with a meaning of their own (":memory:", "file:"): a path is never one. */
    cbi_text_addf(&text, "%s%s", path[0] == '/' ? "" : "./", path);
    if ((st = cbi_text_take(&text, &name, err)) != CB_OK ||
        (st = check_file(store, name, err)) != CB_OK || (st = connect(store, name, err)) != CB_OK)
        goto out;
    if ((store->file = cbi_strdup(sqlite3_db_filename(store->db, "main"))) == NULL) {
        st = cb_fail(err, CB_ENOMEM, "%s: path", path);
        goto out;
    }
    if ((st = cbi_store_configure(store, store->db, err)) == CB_OK)
        st = mode == CB_STORE_WRITE ? open_for_write(store, is_network, err)
                                    : cbi_store_read_ready(store, err);
    if (st != CB_OK)
        goto out;
    *out = store;
    store = NULL;
out:
    cbi_text_fini(&text);
    cbi_free(name);
    cb_store_close(store);
    return st;
}

/* File systems over a network, by the numbers of statfs(2): they have locks at best, and no memory
 * that two machines share. */
static int is_network_path(const char *path) {
    static const unsigned long magic[] = {
        0x6969,     /* nfs */
        0x517b,     /* smb */
        0xff534d42, /* cifs */
        0xfe534d42, /* smb2 */
        0x5346414f, /* afs */
        0x73757245, /* coda */
        0x00c36400, /* ceph */
        0x0bd00bd0, /* lustre */
        0x01021997, /* 9p */
    };
    struct statfs info;
    char folder[PATH_MAX];
    int found = 0;
    if (statfs(folder_of(path, folder), &info) == 0)
        for (size_t i = 0; i < sizeof magic / sizeof magic[0]; i++)
            found |= ((unsigned long)info.f_type & 0xffffffffUL) == magic[i];
    return found;
}

cb_status cb_store_open(cb_store **out, const char *path, cb_store_mode mode, cb_err *err) {
    int is_network = path != NULL && is_network_path(path);
    return cbi_store_open_as(out, path, mode, is_network, CBI_STORE_WAIT_MS, err);
}

const char *cb_store_path(const cb_store *store) {
    return store->path;
}

const char *cb_store_schema(void) {
    return cbi_store_schema_text;
}
