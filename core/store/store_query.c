/* SPDX-License-Identifier: MIT */
/*
 * Reading by SQL from outside. A store that writes gives its readers a connection of their own, so
 * that a query left open never stands in the way of a commit. What a statement may do is guarded
 * three times: the connection is query_only, SQLite must call the statement read-only, and an
 * authorizer lets through reading and nothing else (ATTACH and several pragmas count as read-only).
 *
 * The file may have been made by anybody, so that reading it takes for ever: by a view that
 * recurses, or by pages that refer to each other. A statement is interrupted after a number of
 * steps that is far beyond what a file of its size can ask for; sooner if it reads a view of the
 * file.
 */
#include "store/store_internal.h"

#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"

enum {
    STEPS_A_CALL = 1 << 20, /* between looks at how many are left */
    STEPS_MOST = INT32_MAX, /* 20 s or so; the view of 20,000 trials takes some millions */
    STEPS_A_BYTE = 100000   /* more, for each byte of the file */
};

/* Shared by a store and its queries, which may outlive it. */
struct cbi_guard {
    sqlite3 *db; /* NULL when the store is closed */
    size_t users;
    int reads_unknown;  /* the statement being prepared reads a view of the file */
    int64_t steps_left; /* of the statement that runs, until its next row */
    int64_t steps_view; /* at most, for one that reads such a view */
    int64_t steps_any;  /* and for any */
};

struct cb_query {
    sqlite3 *db; /* borrowed; kept alive by the statement */
    cbi_guard *guard;
    int is_limited;
    sqlite3_stmt *statement;
    char *path;
    char **name; /* copies: SQLite's own go when it prepares the statement anew */
    size_t columns;
};

void cbi_store_bind_value(sqlite3_stmt *statement, int index, const cb_value *value) {
    switch (value->type) {
    case CB_VALUE_INT:
        sqlite3_bind_int64(statement, index, value->integer);
        break;
    case CB_VALUE_REAL:
        cbi_store_bind_number(statement, index, value->real);
        break;
    case CB_VALUE_TEXT:
        sqlite3_bind_text64(statement, index, value->text != NULL ? value->text : "",
                            value->text != NULL ? value->length : 0, SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case CB_VALUE_NULL:
    default:
        sqlite3_bind_null(statement, index);
        break;
    }
}

/* Pragmas that only tell. Those of the second list take an argument that names something. */
static int is_telling_pragma(const char *name, const char *argument) {
    static const char *const plain[] = {"application_id", "user_version",    "journal_mode",
                                        "table_list",     "database_list",   "compile_options",
                                        "function_list",  "integrity_check", "quick_check",
                                        "page_count",     "encoding",        "foreign_key_check"};
    static const char *const named[] = {"table_info", "table_xinfo",      "index_list",
                                        "index_info", "foreign_key_list", "index_xinfo"};
    for (size_t i = 0; argument == NULL && i < sizeof plain / sizeof plain[0]; i++)
        if (sqlite3_stricmp(name, plain[i]) == 0)
            return 1;
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if (sqlite3_stricmp(name, named[i]) == 0)
            return 1;
    return 0;
}

/* The tables, which were checked to be tables, and the views of this program. */
static int is_known(const char *name) {
    static const char *const tables[] = {
        "study",   "cell", "task",    "trial", "specification", "study_trial", "setting",
        "machine", "run",  "attempt", "epoch", "timing",        "json_each",   "json_tree"};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        if (sqlite3_stricmp(name, tables[i]) == 0)
            return 1;
    return sqlite3_strnicmp(name, "sqlite_", 7) == 0 || sqlite3_strnicmp(name, "pragma_", 7) == 0 ||
           cbi_store_is_view(name);
}

static int authorize(void *context, int action, const char *a, const char *b, const char *database,
                     const char *trigger) {
    cbi_guard *guard = context;
    (void)database, (void)trigger;
    switch (action) {
    case SQLITE_READ:
        guard->reads_unknown |= !is_known(a);
        return SQLITE_OK;
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        return b != NULL && sqlite3_stricmp(b, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_UPDATE: /* asked when a table-valued function is first named; it is no writing, and
                         * a statement that did write to this table would be refused all the same */
        return sqlite3_stricmp(a, "sqlite_master") == 0 ? SQLITE_OK : SQLITE_DENY;
    case SQLITE_PRAGMA:
        return is_telling_pragma(a, b) ? SQLITE_OK : SQLITE_DENY;
    default:
        return SQLITE_DENY;
    }
}

static int count_steps(void *context) {
    cbi_guard *guard = context;
    return (guard->steps_left -= STEPS_A_CALL) < 0;
}

/* Steps that no honest statement takes over a file of that size: several times as many as joining
 * each of its rows with thousands. */
static int64_t steps_for(const char *file) {
    struct stat info;
    const int64_t bytes = stat(file, &info) == 0 ? (int64_t)info.st_size : 0;
    return STEPS_MOST + (bytes < INT64_MAX / STEPS_A_BYTE / 2 ? bytes : 0) * STEPS_A_BYTE;
}

cb_status cbi_store_guard_begin(cb_store *store, sqlite3 *db, cb_err *err) {
    cbi_guard *guard = cbi_calloc(1, sizeof *guard);
    if (guard == NULL)
        return cb_fail(err, CB_ENOMEM, "%s: %zu bytes", store->path, sizeof *guard);
    *guard = (cbi_guard){.db = db, .users = 1, .steps_view = STEPS_MOST};
    guard->steps_any = steps_for(store->file);
    store->guard = guard;
    cbi_store_guard_arm(store);
    sqlite3_progress_handler(db, STEPS_A_CALL, count_steps, guard);
    return CB_OK;
}

cb_status cbi_store_guard(cb_store *store, sqlite3 *db, cb_err *err) {
    int rc = sqlite3_exec(db, "PRAGMA query_only = ON", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return cbi_store_fail(store, db, rc, "opening", err);
    sqlite3_set_authorizer(db, authorize, store->guard);
    return CB_OK;
}

void cbi_store_guard_arm(cb_store *store) {
    if (store->guard != NULL)
        store->guard->steps_left = store->guard->steps_any;
}

void cbi_store_limit_steps(cb_store *store, int64_t view, int64_t any) {
    if (store->guard == NULL)
        return;
    store->guard->steps_view = view;
    store->guard->steps_any = any;
}

static void guard_leave(cbi_guard *guard) {
    if (guard != NULL && --guard->users == 0)
        cbi_free(guard);
}

void cbi_store_guard_release(cb_store *store) {
    cbi_guard *guard = store->guard;
    if (guard == NULL)
        return;
    sqlite3_set_authorizer(guard->db, NULL, NULL);
    sqlite3_progress_handler(guard->db, 0, NULL, NULL);
    guard->db = NULL;
    store->guard = NULL;
    guard_leave(guard);
}

/* A store opened for reading is guarded itself, from the start. */
static cb_status get_reader(cb_store *store, sqlite3 **out, cb_err *err) {
    cb_status st = CB_OK;
    *out = store->mode == CB_STORE_READ ? store->db : store->reader;
    if (*out != NULL)
        return CB_OK;
    int rc = sqlite3_open_v2(store->file, &store->reader,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL);
    st = rc == SQLITE_OK ? cbi_store_configure(store, store->reader, err)
                         : cbi_store_fail(store, store->reader, rc, "opening", err);
    if (st == CB_OK && (st = cbi_store_guard_begin(store, store->reader, err)) == CB_OK)
        st = cbi_store_guard(store, store->reader, err);
    if (st != CB_OK) {
        cbi_store_guard_release(store);
        sqlite3_close(store->reader);
        store->reader = NULL;
    }
    *out = store->reader;
    return st;
}

/* 1 if nothing but space, semicolons and comments is left of the text. SQLite tells, by preparing
 * no statement from it. */
static int is_rest_empty(sqlite3 *db, const char *rest) {
    while (*rest != '\0') {
        sqlite3_stmt *statement = NULL;
        const char *next = rest;
        int rc = sqlite3_prepare_v2(db, rest, -1, &statement, &next);
        sqlite3_finalize(statement);
        if (rc != SQLITE_OK || statement != NULL)
            return 0;
        if (next == rest)
            break;
        rest = next;
    }
    return 1;
}

static cb_status prepare(cb_query *query, const char *sql, size_t n, cb_err *err) {
    const char *rest = "";
    int rc = sqlite3_prepare_v2(query->db, sql, -1, &query->statement, &rest);
    if (rc == SQLITE_AUTH)
        return cb_fail(err, CB_EARG, "query: expected a statement that only reads: %s",
                       sqlite3_errmsg(query->db));
    if ((rc & 0xff) == SQLITE_ERROR)
        return cb_fail(err, CB_EARG, "query: %s", sqlite3_errmsg(query->db));
    if (rc == SQLITE_NOMEM)
        return cb_fail(err, CB_ENOMEM, "query: %s", sqlite3_errmsg(query->db));
    if (rc != SQLITE_OK)
        return cb_fail(err, (rc & 0xff) == SQLITE_BUSY ? CB_EBUSY : CB_ESTORE, "%s: %s",
                       query->path, sqlite3_errmsg(query->db));
    if (query->statement == NULL)
        return cb_fail(err, CB_EARG, "query: expected one statement, got none");
    if (!is_rest_empty(query->db, rest))
        return cb_fail(err, CB_EARG, "query: expected one statement, got more: %.200s", rest);
    if (!sqlite3_stmt_readonly(query->statement))
        return cb_fail(err, CB_EARG, "query: expected a statement that only reads");
    int want = sqlite3_bind_parameter_count(query->statement);
    if ((size_t)want != n)
        return cb_fail(err, CB_EARG, "query: expected %d values for its parameters, got %zu", want,
                       n);
    return CB_OK;
}

static cb_status keep_names(cb_query *query, cb_err *err) {
    const size_t n = (size_t)sqlite3_column_count(query->statement);
    if ((query->name = cbi_calloc(n + 1, sizeof *query->name)) == NULL)
        return cb_fail(err, CB_ENOMEM, "query: %zu columns", n);
    for (; query->columns < n; query->columns++) {
        const char *name = sqlite3_column_name(query->statement, (int)query->columns);
        if (name == NULL || (query->name[query->columns] = cbi_strdup(name)) == NULL)
            return cb_fail(err, CB_ENOMEM, "query: the names of %zu columns", n);
    }
    return CB_OK;
}

cb_status cb_query_open(cb_query **out, cb_store *store, const char *sql, const cb_value *values,
                        size_t n, cb_err *err) {
    cb_status st = CB_OK;
    *out = NULL;
    cb_query *query = cbi_calloc(1, sizeof *query);
    if (query == NULL || (query->path = cbi_strdup(store->path)) == NULL) {
        st = cb_fail(err, CB_ENOMEM, "query: %zu bytes", sizeof *query);
        goto out;
    }
    if ((st = get_reader(store, &query->db, err)) != CB_OK)
        goto out;
    query->guard = store->guard;
    query->guard->users++;
    query->guard->reads_unknown = 0;
    if ((st = prepare(query, sql, n, err)) != CB_OK || (st = keep_names(query, err)) != CB_OK)
        goto out;
    query->is_limited = query->guard->reads_unknown;
    for (size_t i = 0; i < n; i++)
        cbi_store_bind_value(query->statement, (int)i + 1, &values[i]);
    *out = query;
    query = NULL;
out:
    cb_query_close(query);
    return st;
}

cb_status cb_query_next(cb_query *query, int *has_row, cb_err *err) {
    query->guard->steps_left =
        query->is_limited ? query->guard->steps_view : query->guard->steps_any;
    int rc = sqlite3_step(query->statement);
    *has_row = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW)
        return CB_OK;
    cb_status st = CB_OK;
    if (rc == SQLITE_INTERRUPT)
        st = cb_fail(err, CB_ESTORE, "%s: query: takes too long for what is in the file",
                     query->path);
    else if (rc != SQLITE_DONE)
        st = cb_fail(err,
                     (rc & 0xff) == SQLITE_NOMEM  ? CB_ENOMEM
                     : (rc & 0xff) == SQLITE_BUSY ? CB_EBUSY
                                                  : CB_ESTORE,
                     "%s: query: %s", query->path, sqlite3_errmsg(query->db));
    sqlite3_reset(query->statement);
    return st;
}

size_t cb_query_column_count(const cb_query *query) {
    return query->columns;
}

const char *cb_query_column_name(const cb_query *query, size_t column) {
    return column < query->columns ? query->name[column] : "";
}

cb_value cb_query_column(const cb_query *query, size_t column) {
    cb_value value = {.type = CB_VALUE_NULL};
    int i = (int)column;
    if (column >= cb_query_column_count(query))
        return value;
    switch (sqlite3_column_type(query->statement, i)) {
    case SQLITE_INTEGER:
        value.type = CB_VALUE_INT;
        value.integer = sqlite3_column_int64(query->statement, i);
        break;
    case SQLITE_FLOAT:
        value.type = CB_VALUE_REAL;
        value.real = sqlite3_column_double(query->statement, i);
        break;
    case SQLITE_TEXT:
        value.text = (const char *)sqlite3_column_text(query->statement, i);
        break;
    case SQLITE_BLOB:
        value.text = (const char *)sqlite3_column_blob(query->statement, i);
        break;
    default:
        break;
    }
    if (value.text != NULL) {
        value.type = CB_VALUE_TEXT;
        value.length = (size_t)sqlite3_column_bytes(query->statement, i);
    }
    return value;
}

void cb_query_close(cb_query *query) {
    if (query == NULL)
        return;
    sqlite3_finalize(query->statement);
    guard_leave(query->guard);
    for (size_t i = 0; i < query->columns; i++)
        cbi_free(query->name[i]);
    cbi_free(query->name);
    cbi_free(query->path);
    cbi_free(query);
}
