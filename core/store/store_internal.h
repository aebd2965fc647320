/* SPDX-License-Identifier: MIT */
/*
 * What the files of the store share: the open store, its prepared statements, transactions, and
 * the way SQLite's errors become ours.
 *
 * A function that writes follows one pattern: cbi_store_begin, statements, cbi_store_end. The
 * statements are listed in store_statement.c; each is prepared once per store.
 */
#ifndef CB_STORE_INTERNAL_H
#define CB_STORE_INTERNAL_H

#include <sqlite3.h>

#include "cellbench/store.h"
#include "store/store_lock.h"

enum {
    CBI_STORE_APPLICATION_ID = 0x43424e43, /* "CBNC" */
    CBI_STORE_VERSION = 5,
    CBI_STORE_WAIT_MS = 30000, /* how long a lock of another process is waited for */
    CBI_STORE_COMMIT_MS = 50,  /* age of the oldest queued result that makes a commit due */
    /* 64 MiB of write-ahead log before a checkpoint is tried. Who copies database and log by hand
     * gets a whole copy, unless a checkpoint comes between the two: they are rare. */
    CBI_STORE_WAL_PAGES = 16384
};

/* In the order of store_statement.c's table. */
typedef enum cbi_statement_id {
    CBI_SQL_STUDY_FIND,
    CBI_SQL_STUDY_PUT,
    CBI_SQL_STUDY_GET,
    CBI_SQL_STUDY_REGISTERED,
    CBI_SQL_CELL_GET,
    CBI_SQL_CELL_PUT,
    CBI_SQL_TASK_GET,
    CBI_SQL_TASK_PUT,
    CBI_SQL_TRIAL_GET,
    CBI_SQL_TRIAL_PUT,
    CBI_SQL_TRIAL_SPEC,
    CBI_SQL_TRIAL_TASK_OPEN,
    CBI_SQL_TRIAL_PREDICT,
    CBI_SQL_LINK_PUT,
    CBI_SQL_LINK_CELL,
    CBI_SQL_SETTING_PUT,
    CBI_SQL_SETTING_COUNT,
    CBI_SQL_SETTING_CLEAR,
    CBI_SQL_STUDY_RETIRE,
    CBI_SQL_STUDY_COUNT,
    CBI_SQL_STUDY_OTHER,
    CBI_SQL_TRIAL_OTHER,
    CBI_SQL_REQUEUE_STUDY,
    CBI_SQL_REQUEUE_TRIAL,
    CBI_SQL_VIEW_SETTINGS,
    CBI_SQL_VIEW_GET,
    CBI_SQL_MACHINE_GET,
    CBI_SQL_MACHINE_PUT,
    CBI_SQL_RUN_PUT,
    CBI_SQL_RUN_OTHERS,
    CBI_SQL_RUN_OF_STUDY,
    CBI_SQL_RUN_STUDY,
    CBI_SQL_RUN_END,
    CBI_SQL_RUN_FREE_TRIALS,
    CBI_SQL_RUN_FREE_ATTEMPTS,
    CBI_SQL_CLAIM_NEXT,
    CBI_SQL_CLAIM_BACK,
    CBI_SQL_CLAIM_LOAD,
    CBI_SQL_CLAIM_FINISHED,
    CBI_SQL_CLAIM_ADOPT,
    CBI_SQL_CLAIM_ATTEMPT,
    CBI_SQL_CLAIM_TRIAL,
    CBI_SQL_FINISH_ATTEMPT,
    CBI_SQL_FINISH_TRIAL,
    CBI_SQL_FINISH_STATE,
    CBI_SQL_EPOCH_PUT,
    CBI_SQL_TIMING_PUT,
    CBI_SQL_COUNT
} cbi_statement_id;

typedef struct cbi_finish cbi_finish; /* a queued result: store_write.c */

typedef struct cbi_guard cbi_guard; /* what queries may do: store_query.c */

struct cb_store {
    sqlite3 *db;     /* the store's own connection */
    sqlite3 *reader; /* for cb_query_*, with its guard; made when first needed */
    sqlite3_stmt *statement[CBI_SQL_COUNT];
    char *path; /* as given */
    char *file; /* the real file, without symbolic links: locks and logs are beside it */
    cb_store_mode mode;
    int is_wal;
    int wait_ms;
    int wal_pages;    /* size of the log after the last commit */
    int wal_tried;    /* its size at the last checkpoint, if readers kept it from being whole */
    cbi_guard *guard; /* of the connection that queries use; made with it */

    cbi_lock lock; /* closed in read mode */

    int64_t run_id; /* 0: no run */
    int64_t run_numerics;
    char *run_instruction_set;

    int64_t study_id; /* the study that was begun; 0: none */
    int64_t edition;  /* of its list, begun or joined */

    int64_t claim_study_id; /* where the last claim was found: earlier places had nothing pending */
    int64_t claim_position;

    cbi_finish *first, **last; /* the queue */
    int64_t oldest_ns;         /* when its first entry came */
};

extern const char *const cbi_store_schema_text; /* schema.sql, then views.sql */
extern const char *const cbi_store_views_text;  /* views.sql */

/* cb_store_open with the kind of file system and the waiting time given. On a network file system
 * there is no shared memory for a write-ahead log and only one process may write. */
CB_MUST_USE cb_status cbi_store_open_as(cb_store **out, const char *path, cb_store_mode mode,
                                        int is_network, int wait_ms, cb_err *err);
/* Within a transaction, and with the lock of the schema: runs steps[from] ... steps[to - 1], of
 * which steps[v] brings version v to v + 1. CB_EBUSY if another store has the database open. */
CB_MUST_USE cb_status cbi_store_migrate(cb_store *store, const char *const *steps, int64_t from,
                                        int64_t to, cb_err *err);
/* Within a transaction: from that version to the present, of a database that nobody else has. */
CB_MUST_USE cb_status cbi_store_migrate_copy(cb_store *store, int64_t from, cb_err *err);
/* Gives the connection the SQL function cellbench_sha256(text). */
CB_MUST_USE cb_status cbi_store_hash_function(cb_store *store, cb_err *err);
/* Creates or migrates what needs it. */
CB_MUST_USE cb_status cbi_store_schema_ready(cb_store *store, cb_err *err);
/* CB_ESTORE unless all tables of the schema are there, and are tables. */
CB_MUST_USE cb_status cbi_store_check_tables(cb_store *store, cb_err *err);
/* What is left to do when a database is opened for reading. */
CB_MUST_USE cb_status cbi_store_read_ready(cb_store *store, cb_err *err);
/* Settings of a connection. */
CB_MUST_USE cb_status cbi_store_configure(cb_store *store, sqlite3 *db, cb_err *err);
/* Closes the store's connection, leaving no files beside the database where possible. */
void cbi_store_disconnect(cb_store *store);

/* 1 if no write-ahead log is beside the database, or one without content. */
int cbi_store_log_is_empty(const char *database);
/* From now on the connection only prepares statements that read; until it is released, which is
 * before it is closed. Releasing what is not guarded is allowed. */
CB_MUST_USE cb_status cbi_store_guard(cb_store *store, sqlite3 *db, cb_err *err);
/* Before that: what it runs has an end. */
CB_MUST_USE cb_status cbi_store_guard_begin(cb_store *store, sqlite3 *db, cb_err *err);
/* Another statement begins, which may take its time. Without a guard nothing happens. */
void cbi_store_guard_arm(cb_store *store);
void cbi_store_guard_release(cb_store *store);
/* Other limits: for statements that read a view of the file, and for any. */
void cbi_store_limit_steps(cb_store *store, int64_t view, int64_t any);

/* Turns SQLite's code and message into ours: "<path>: <what>: <message>". */
CB_MUST_USE cb_status cbi_store_fail(const cb_store *store, sqlite3 *db, int rc, const char *what,
                                     cb_err *err);
/* CB_EARG unless the store was opened for writing. */
CB_MUST_USE cb_status cbi_store_need_write(const cb_store *store, cb_err *err);
/* Runs SQL text without results. */
CB_MUST_USE cb_status cbi_store_exec(cb_store *store, const char *sql, cb_err *err);
/* One integer, of a statement that gives one row. */
CB_MUST_USE cb_status cbi_store_integer(cb_store *store, sqlite3 *db, const char *sql, int64_t *out,
                                        cb_err *err);

/* The prepared statement, reset and with no bindings. */
CB_MUST_USE cb_status cbi_store_statement(cb_store *store, cbi_statement_id id, sqlite3_stmt **out,
                                          cb_err *err);
/* One step: *has_row = 1 leaves the row to be read; 0 resets the statement. has_row NULL: the
 * statement gives no rows. */
CB_MUST_USE cb_status cbi_store_step(cb_store *store, sqlite3_stmt *statement, int *has_row,
                                     cb_err *err);
const char *cbi_store_text(const char *text); /* "" for NULL */
void cbi_store_bind_text(sqlite3_stmt *statement, int index, const char *text);
void cbi_store_bind_number(sqlite3_stmt *statement, int index, double value); /* not finite: NULL */
void cbi_store_bind_value(sqlite3_stmt *statement, int index, const cb_value *value);
void cbi_store_finalize(cb_store *store); /* every prepared statement */

/* A write transaction: the shared checkpoint lock, then BEGIN IMMEDIATE. End commits if st is
 * CB_OK, else rolls back; it returns st, or why the commit failed. */
CB_MUST_USE cb_status cbi_store_begin(cb_store *store, cb_err *err);
CB_MUST_USE cb_status cbi_store_end(cb_store *store, cb_status st, cb_err *err);
/* Checkpoints if the log is longer than `pages` and nobody is committing right now. */
void cbi_store_checkpoint(cb_store *store, int pages);

/* Within a transaction: ends the claims of runs that died. */
CB_MUST_USE cb_status cbi_store_take_over(cb_store *store, cb_err *err);
/* Ends the store's run: open claims are returned, the lock is dropped. */
void cbi_store_run_end(cb_store *store);
/* Within a transaction: the run's row names the study it works on. */
CB_MUST_USE cb_status cbi_store_run_study(cb_store *store, int64_t study_id, cb_err *err);
/* *alive = 1 if a run of another store lives and works on the study. */
CB_MUST_USE cb_status cbi_store_study_alive(cb_store *store, int64_t study_id, int *alive,
                                            cb_err *err);

/* Within a transaction: the cell's row, made if there is none. text is the expanded one. */
CB_MUST_USE cb_status cbi_store_cell(cb_store *store, const char *name, const char *text,
                                     const char *source, int64_t *id, cb_err *err);

/* A study as its row says. */
typedef struct cbi_study_row {
    int64_t edition, trial_count, registered;
} cbi_study_row;
CB_MUST_USE cb_status cbi_store_study_row(cb_store *store, int64_t study_id, cbi_study_row *out,
                                          cb_err *err);
/* Within a transaction: all positions are registered; what is not in the edition is retired, and
 * the study's view made. */
CB_MUST_USE cb_status cbi_store_study_complete(cb_store *store, int64_t study_id, int64_t edition,
                                               cb_err *err);
/* Within a transaction; trial_id 0: all of the study's. Adds to *count. */
CB_MUST_USE cb_status cbi_store_requeue(cb_store *store, int64_t study_id, int64_t trial_id,
                                        cb_again again, int64_t *count, cb_err *err);

/* 1 if the name is that of a view of views.sql. */
int cbi_store_is_view(const char *name);
/* Makes them as temporary views of the connection, which hide those of the file. */
CB_MUST_USE cb_status cbi_store_views_temporary(cb_store *store, cb_err *err);
/* The views of views.sql: *same = 1 if they are in the database as this program has them. */
CB_MUST_USE cb_status cbi_store_views_same(cb_store *store, int *same, cb_err *err);
/* Within a transaction: makes them anew. */
CB_MUST_USE cb_status cbi_store_views_make(cb_store *store, cb_err *err);
/* Within a transaction: makes the study's wide view, if it is not as it should be. */
CB_MUST_USE cb_status cbi_store_view_make(cb_store *store, int64_t study_id, cb_err *err);
/* 1 if the study's wide view has columns for all settings of these trials. */
CB_MUST_USE cb_status cbi_store_view_covers(cb_store *store, int64_t study_id,
                                            const cb_trial_info *trials, size_t n, int *covers,
                                            cb_err *err);
void cbi_store_queue_clear(cb_store *store);

#endif
