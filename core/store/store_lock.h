/* SPDX-License-Identifier: MIT */
/*
 * The lock file "<database>.lock": an empty file whose bytes are locked, never read or written.
 *
 * Open-file-description locks belong to an open file, not to a process: two stores in one process
 * are told apart, closing some other descriptor drops nothing (as it would with POSIX locks), and
 * the kernel drops them at any end of the process, kill -9 included. The descriptor is closed on
 * exec, so that a worker never keeps its coordinator's locks.
 *
 * The file appears when a database is opened for writing, and goes with the last store that closes.
 */
#ifndef CB_STORE_LOCK_H
#define CB_STORE_LOCK_H

#include <stdint.h>

#include "cellbench/status.h"

enum {
    CBI_LOCK_SCHEMA = 0,     /* exclusive: while the database is created or migrated */
    CBI_LOCK_CHECKPOINT = 1, /* shared: while committing; exclusive: while checkpointing */
    CBI_LOCK_PRESENCE = 2,   /* shared: by every store open for writing; exclusive: it is alone */
    CBI_LOCK_RUN = 1024      /* + run_id, exclusive: the run is alive */
};
/* + run_id, exclusive: the run is paused. Far behind those of the runs. */
#define CBI_LOCK_PAUSED ((int64_t)1 << 40)

typedef enum cbi_lock_kind { CBI_LOCK_SHARED = 0, CBI_LOCK_EXCLUSIVE = 1 } cbi_lock_kind;

typedef struct cbi_lock {
    int fd; /* -1: closed */
    char *path;
} cbi_lock;

/* Opens (creates) the file and takes the shared lock of presence. */
CB_MUST_USE cb_status cbi_lock_open(cbi_lock *lock, const char *database, int wait_ms, cb_err *err);
/* Drops every lock; removes the file if nobody else has it. Does nothing if it is not open. */
void cbi_lock_close(cbi_lock *lock);

/* Takes or converts the lock of one byte, trying for wait_ms (0: once). CB_EBUSY if another holds
 * it; a lock held before on that byte is then kept. */
CB_MUST_USE cb_status cbi_lock_take(cbi_lock *lock, int64_t byte, cbi_lock_kind kind, int wait_ms,
                                    cb_err *err);
void cbi_lock_drop(cbi_lock *lock, int64_t byte);
/* 1 if another open file holds a lock on that byte, 0 if none; on an error of the system 1, for
 * nobody's claims may be taken over by mistake. */
int cbi_lock_is_held(const cbi_lock *lock, int64_t byte);
/* The same for a database of which this process may have no lock open: makes no file, takes none.
 */
CB_MUST_USE cb_status cbi_lock_look(const char *database, int64_t byte, int *held, cb_err *err);

#endif
