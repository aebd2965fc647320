/* SPDX-License-Identifier: MIT */
/*
 * Writing files so that a reader sees the old one or the new one, never a part: a temporary file
 * beside it, fsync, rename, fsync of the folder.
 *
 * A writer that is killed leaves its temporary file behind. Its name is always the same, and its
 * writer holds a lock on it, which the kernel drops with the process: so the next writer of that
 * path removes the leftover, and nothing piles up. Only where the lock is held, by a writer of the
 * same path that is alive, the next name is tried.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"

static cb_status fail_errno(cb_err *err, const char *path, const char *verb) {
    int number = errno;
    return cb_fail(err, CB_EIO, "%s: cannot %s: %s", path, verb, strerror(number));
}

/* Whether the file that was opened is still the one of that name. */
static int is_named(int fd, const char *name) {
    struct stat opened, named;
    return fstat(fd, &opened) == 0 && lstat(name, &named) == 0 && S_ISREG(opened.st_mode) &&
           opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

/* Locks a file that was just opened, until it is closed; 0 if a living process has it, or if it
 * lost its name meanwhile. A file system without locks has nobody to lock out. */
static int lock_named(int fd, const char *name) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &whole) != 0 && (errno == EAGAIN || errno == EACCES))
        return 0;
    return is_named(fd, name);
}

/* Whatever has that name is not written to: it may be a link. */
void cbi_file_remove_leftover(const char *name) {
    int fd = open(name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return;
    if (lock_named(fd, name))
        (void)unlink(name);
    (void)close(fd);
}

/* A new file, locked; -1 with errno = EEXIST if somebody has that name. */
static int create_locked(const char *name) {
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST) {
        cbi_file_remove_leftover(name);
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    if (fd < 0 || lock_named(fd, name))
        return fd;
    (void)close(fd); /* another one took it for a leftover */
    errno = EEXIST;
    return -1;
}

cb_status cbi_file_begin(cbi_new_file *file, const char *path, cb_err *err) {
    enum { TRIES = 1000 }; /* each name in use belongs to a process that writes the same file */
    *file = (cbi_new_file){.fd = -1};
    if ((file->path = cbi_strdup(path)) == NULL)
        return cb_fail(err, CB_ENOMEM, "%s: no memory for its name", path);
    for (int i = 0; i < TRIES; i++) {
        cbi_text text = {0};
        cbi_text_addf(&text, "%s.tmp-%d", path, i);
        cb_status st = cbi_text_take(&text, &file->name, err);
        if (st != CB_OK) {
            cbi_file_drop(file);
            return st;
        }
        file->fd = create_locked(file->name);
        if (file->fd >= 0)
            return CB_OK;
        if (errno != EEXIST) {
            st = fail_errno(err, path, "create");
            cbi_file_drop(file);
            return st;
        }
        cbi_free(file->name);
        file->name = NULL;
    }
    cbi_file_drop(file);
    return cb_fail(err, CB_EIO, "%s: cannot create: %d others write it", path, TRIES);
}

cb_status cbi_file_add(cbi_new_file *file, const void *data, size_t length, cb_err *err) {
    const char *at = data;
    while (length > 0) {
        ssize_t n = write(file->fd, at, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, file->path, "write");
        at += n;
        length -= (size_t)n;
    }
    return CB_OK;
}

/* The name is on disk only when its folder is. File systems that cannot do this say EINVAL. */
static cb_status sync_folder(const char *path, cb_err *err) {
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    char *folder = n == 0 ? cbi_strdup(".") : cbi_strndup(path, n);
    if (folder == NULL)
        return cb_fail(err, CB_ENOMEM, "%s: no memory for its folder's name", path);
    cb_status st = CB_OK;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        st = fail_errno(err, folder, "write to disk");
    if (fd >= 0)
        (void)close(fd);
    cbi_free(folder);
    return st;
}

cb_status cbi_file_end(cbi_new_file *file, cb_err *err) {
    cb_status st = CB_OK;
    /* Renamed before it is closed: as long as the lock is held nobody takes the name over. */
    if (fsync(file->fd) != 0)
        st = fail_errno(err, file->path, "write to disk");
    else if (rename(file->name, file->path) != 0)
        st = fail_errno(err, file->path, "put in place");
    else {
        cbi_free(file->name);
        file->name = NULL;
        st = sync_folder(file->path, err);
    }
    cbi_file_drop(file);
    return st;
}

void cbi_file_drop(cbi_new_file *file) {
    if (file->name != NULL && file->fd >= 0)
        (void)unlink(file->name);
    if (file->fd >= 0)
        (void)close(file->fd);
    cbi_free(file->name);
    cbi_free(file->path);
    *file = (cbi_new_file){.fd = -1};
}

cb_status cbi_file_write(const char *path, const void *data, size_t length, cb_err *err) {
    cbi_new_file file;
    cb_status st = cbi_file_begin(&file, path, err);
    if (st != CB_OK)
        return st;
    if ((st = cbi_file_add(&file, data, length, err)) == CB_OK)
        return cbi_file_end(&file, err);
    cbi_file_drop(&file);
    return st;
}
