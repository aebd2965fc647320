/* SPDX-License-Identifier: MIT */
/*
 * Open-file-description locks on the bytes of the lock file. Waiting is done by trying again:
 * F_OFD_SETLKW has no time limit, and a wait without end is worse than an error.
 */
#include "store/store_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"

static void pause_ms(int ms) {
    struct timespec t = {.tv_sec = 0, .tv_nsec = (long)ms * 1000000L};
    nanosleep(&t, NULL);
}

static struct flock byte_lock(short type, int64_t byte) {
    /* l_pid must be 0 for these locks. */
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
}

cb_status cbi_lock_take(cbi_lock *lock, int64_t byte, cbi_lock_kind kind, int wait_ms,
                        cb_err *err) {
    enum { STEP_MS = 2 };
    short type = kind == CBI_LOCK_EXCLUSIVE ? F_WRLCK : F_RDLCK;
    for (int waited = 0;; waited += STEP_MS) {
        struct flock want = byte_lock(type, byte);
        if (fcntl(lock->fd, F_OFD_SETLK, &want) == 0)
            return CB_OK;
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return cb_fail(err, CB_EIO, "%s: cannot lock: %s", lock->path, strerror(errno));
        if (waited >= wait_ms)
            return cb_fail(err, CB_EBUSY, "%s: held by another process for %d ms", lock->path,
                           wait_ms);
        pause_ms(STEP_MS);
    }
}

void cbi_lock_drop(cbi_lock *lock, int64_t byte) {
    struct flock want = byte_lock(F_UNLCK, byte);
    (void)fcntl(lock->fd, F_OFD_SETLK, &want);
}

int cbi_lock_is_held(const cbi_lock *lock, int64_t byte) {
    struct flock want = byte_lock(F_WRLCK, byte);
    return fcntl(lock->fd, F_OFD_GETLK, &want) != 0 || want.l_type != F_UNLCK;
}

/* The last store removes the file under the exclusive lock of presence. Who opened it just before
 * gets its lock on a file without a name, sees that here, and opens again. */
static int is_current(const cbi_lock *lock) {
    struct stat mine, named;
    return fstat(lock->fd, &mine) == 0 && stat(lock->path, &named) == 0 &&
           mine.st_ino == named.st_ino && mine.st_dev == named.st_dev;
}

cb_status cbi_lock_open(cbi_lock *lock, const char *database, int wait_ms, cb_err *err) {
    cb_status st;
    cbi_text path = {0};
    lock->fd = -1;
    lock->path = NULL;
    cbi_text_add(&path, database);
    cbi_text_add(&path, ".lock");
    if ((st = cbi_text_take(&path, &lock->path, err)) != CB_OK)
        goto out;
    for (;;) {
        lock->fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
        if (lock->fd < 0) {
            st = cb_fail(err, CB_EIO, "%s: cannot be opened: %s", lock->path, strerror(errno));
            goto out;
        }
        st = cbi_lock_take(lock, CBI_LOCK_PRESENCE, CBI_LOCK_SHARED, wait_ms, err);
        if (st != CB_OK || is_current(lock))
            goto out;
        close(lock->fd);
        lock->fd = -1;
    }
out:
    cbi_text_fini(&path);
    if (st != CB_OK) {
        if (lock->fd >= 0)
            close(lock->fd);
        lock->fd = -1;
        cbi_free(lock->path);
        lock->path = NULL;
    }
    return st;
}

void cbi_lock_close(cbi_lock *lock) {
    if (lock->fd >= 0) {
        if (cbi_lock_take(lock, CBI_LOCK_PRESENCE, CBI_LOCK_EXCLUSIVE, 0, NULL) == CB_OK &&
            is_current(lock))
            (void)unlink(lock->path);
        close(lock->fd);
        lock->fd = -1;
    }
    cbi_free(lock->path);
    lock->path = NULL;
}

cb_status cbi_lock_look(const char *database, int64_t byte, int *held, cb_err *err) {
    cbi_lock lock = {.fd = -1};
    cbi_text path = {0};
    *held = 0;
    cbi_text_addf(&path, "%s.lock", database);
    cb_status st = cbi_text_take(&path, &lock.path, err);
    if (st == CB_OK && (lock.fd = open(lock.path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) >= 0) {
        *held = cbi_lock_is_held(&lock, byte);
        close(lock.fd);
    } else if (st == CB_OK && errno != ENOENT) {
        st = cb_fail(err, CB_EIO, "%s: cannot be opened: %s", lock.path, strerror(errno));
    }
    cbi_free(lock.path);
    cbi_text_fini(&path);
    return st;
}
