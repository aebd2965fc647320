/* SPDX-License-Identifier: MIT */
/*
 * A library to be preloaded (LD_PRELOAD) that lets one call of the C library go wrong: the k-th of
 * those that are named, in the coordinator or in a worker. So every step of a commit, of a schema's
 * creation, of a close can be the one at which the process dies or the disk is full.
 *
 *   FAULT_CALLS  which calls count, e.g. "pwrite,fsync": pwrite (and write), fsync (and fdatasync),
 *                rename, unlink, truncate, mkdir, create (open that may create a file), open (any),
 *                alloc (malloc and its kin). Of writes only those into regular files, stdout and
 *                stderr excluded.
 *   FAULT_AT     k, from 1; 0 (the default): nothing goes wrong, the calls are counted only
 *   FAULT_DO     kill (SIGKILL before the call), tear (a write does half its work first, then
 *                SIGKILL), power (the power fails: of what was written since a file's last fsync,
 *                every second write is undone, then SIGKILL), or the error that the call returns:
 *                ENOSPC, EIO, EMFILE, ENOMEM; a write does half its work before that error
 *   FAULT_MORE   1: all later calls fail as well, like on a disk that stays full
 *   FAULT_ROLE   run (the default) or worker: the first argument of the process that is meant
 *   FAULT_LOG    a file. It is created when the fault happens, with the number of the call and what
 *                it was; where it exists already nothing happens, so that one fault comes to one
 *                process only. Without a fault it gets "N calls" at the end of the process.
 *
 * Calls are counted from the moment the program is loaded, over all threads.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of glibc: what malloc and its kin are besides the names that are taken here. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

enum kind { PWRITE, FSYNC, RENAME, UNLINK, TRUNCATE, MKDIR, CREATE, OPEN, ALLOC, KINDS };

static const char *const kind_names[KINDS] = {"pwrite", "fsync",  "rename", "unlink", "truncate",
                                              "mkdir",  "create", "open",   "alloc"};

static const struct {
    const char *name;
    int number;
} errors[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO}, {"EMFILE", EMFILE}, {"ENOMEM", ENOMEM}};

static struct {
    int active, counts[KINDS];
    int error, tears, power, more;
    long at;
    const char *log;
    atomic_long calls;
    atomic_int failing;
} plan;

/* The library's own calls must not come back to it. */
static int own_open(const char *path, int flags) {
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0666);
}

static void say(const char *text) {
    int fd = own_open(plan.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        return;
    if (syscall(SYS_write, fd, text, strlen(text)) < 0)
        _exit(99);
    syscall(SYS_close, fd);
}

__attribute__((constructor)) static void begin(int argc, char **argv) {
    const char *calls = getenv("FAULT_CALLS"), *role = getenv("FAULT_ROLE");
    const char *at = getenv("FAULT_AT"), *action = getenv("FAULT_DO");
    plan.log = getenv("FAULT_LOG");
    if (calls == NULL || plan.log == NULL || argc < 2 ||
        strcmp(argv[1], role != NULL ? role : "run") != 0)
        return;
    for (int k = 0; k < KINDS; k++)
        plan.counts[k] = strstr(calls, kind_names[k]) != NULL;
    plan.at = at != NULL ? atol(at) : 0;
    plan.more = getenv("FAULT_MORE") != NULL;
    plan.tears = action != NULL && strcmp(action, "tear") == 0;
    plan.power = action != NULL && strcmp(action, "power") == 0;
    for (size_t i = 0; action != NULL && i < sizeof errors / sizeof *errors; i++)
        if (strcmp(action, errors[i].name) == 0)
            plan.error = errors[i].number;
    plan.active = 1;
}

__attribute__((destructor)) static void end(void) {
    char text[64];
    if (!plan.active || atomic_load(&plan.failing))
        return;
    plan.active = 0;
    snprintf(text, sizeof text, "%ld calls\n", atomic_load(&plan.calls));
    say(text);
}

/* 1: this call is the one. Whoever creates the log file has the fault to itself. */
static int is_hit(enum kind kind) {
    if (!plan.active || !plan.counts[kind])
        return 0;
    if (atomic_load(&plan.failing))
        return plan.more;
    long call = atomic_fetch_add(&plan.calls, 1) + 1;
    if (call != plan.at)
        return 0;
    int fd = own_open(plan.log, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC);
    if (fd < 0)
        return 0;
    syscall(SYS_close, fd);
    atomic_store(&plan.failing, 1);
    char text[64];
    snprintf(text, sizeof text, "call %ld: %s\n", call, kind_names[kind]);
    say(text);
    return 1;
}

static void cut_power(void);

static int fail(void) {
    if (plan.power)
        cut_power();
    if (plan.error == 0)
        kill(getpid(), SIGKILL);
    errno = plan.error;
    return -1;
}

static int is_file(int fd) {
    struct stat info;
    return plan.active && fd > 2 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

/* The function of that name that would have been called. */
#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))

/* ---- what is not on the disk yet ---- */

/* A part of a file as it was before a write or a truncation. The descriptor is our own and is never
 * closed: that would drop SQLite's locks on the file. */
typedef struct undo undo;
struct undo {
    undo *before;
    dev_t dev;
    ino_t ino;
    int fd;
    off64_t size, at;
    size_t n, had; /* bytes that were changed; of those that were there before, the first */
    char bytes[];
};

static undo *undos;

static int descriptor_for(const struct stat *info, int fd) {
    for (const undo *u = undos; u != NULL; u = u->before)
        if (u->dev == info->st_dev && u->ino == info->st_ino)
            return u->fd;
    return fcntl(fd, F_DUPFD_CLOEXEC, 100);
}

/* The writers of this library's victims are single-threaded. */
static void remember(int fd, off64_t at, size_t n) {
    struct stat info;
    if (!plan.power || fstat(fd, &info) != 0)
        return;
    undo *u = __libc_calloc(1, sizeof *u + n); /* what was not there reads as zeros */
    if (u == NULL)
        return;
    ssize_t got = syscall(SYS_pread64, fd, u->bytes, n, at);
    *u = (undo){.before = undos,
                .dev = info.st_dev,
                .ino = info.st_ino,
                .fd = descriptor_for(&info, fd),
                .size = info.st_size,
                .at = at,
                .n = n,
                .had = got > 0 ? (size_t)got : 0};
    undos = u;
}

static void forget(int fd) {
    struct stat info;
    if (!plan.power || fstat(fd, &info) != 0)
        return;
    for (undo **u = &undos; *u != NULL;) {
        if ((*u)->dev == info.st_dev && (*u)->ino == info.st_ino)
            *u = (*u)->before; /* its descriptor and memory stay until the end */
        else
            u = &(*u)->before;
    }
}

/* The last writes first. A disk may have taken any of them: here every second one. A file keeps its
 * length if something behind was kept, with zeros in the gap. */
static void cut_power(void) {
    int number = 0;
    for (const undo *u = undos; u != NULL; u = u->before) {
        if (number++ % 2 != 0)
            continue;
        size_t n = number > 1 ? u->n : u->had;
        if (n > 0 && syscall(SYS_pwrite64, u->fd, u->bytes, n, u->at) < 0)
            _exit(99);
        if (number == 1 && syscall(SYS_ftruncate, u->fd, u->size) != 0)
            _exit(99);
    }
}

/* ---- writes ---- */

/* How much of a write is still done before it goes wrong. */
static size_t torn(size_t n) {
    return plan.tears || plan.error != 0 ? n / 2 : 0;
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
    if (is_file(fd) && is_hit(PWRITE)) {
        if (torn(n) > 0)
            syscall(SYS_pwrite64, fd, data, torn(n), at);
        return fail();
    }
    if (is_file(fd))
        remember(fd, at, n);
    return syscall(SYS_pwrite64, fd, data, n, at);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at) {
    return pwrite64(fd, data, n, at);
}

ssize_t write(int fd, const void *data, size_t n) {
    if (is_file(fd) && is_hit(PWRITE)) {
        if (torn(n) > 0)
            syscall(SYS_write, fd, data, torn(n));
        return fail();
    }
    return syscall(SYS_write, fd, data, n);
}

static int sync_by(long number, int fd) {
    if (is_hit(FSYNC))
        return fail();
    forget(fd);
    return (int)syscall(number, fd);
}

int fsync(int fd) {
    return sync_by(SYS_fsync, fd);
}

int fdatasync(int fd) {
    return sync_by(SYS_fdatasync, fd);
}

int ftruncate64(int fd, off64_t size) {
    struct stat info;
    if (is_hit(TRUNCATE))
        return fail();
    if (is_file(fd) && fstat(fd, &info) == 0 && info.st_size > size)
        remember(fd, size, (size_t)(info.st_size - size));
    return (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate(int fd, off_t size) {
    return ftruncate64(fd, size);
}

/* ---- names ---- */

int rename(const char *from, const char *to) {
    return is_hit(RENAME) ? fail() : (int)syscall(SYS_rename, from, to);
}

int unlink(const char *path) {
    return is_hit(UNLINK) ? fail() : (int)syscall(SYS_unlink, path);
}

int mkdir(const char *path, mode_t mode) {
    return is_hit(MKDIR) ? fail() : (int)syscall(SYS_mkdir, path, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, unsigned) : 0;
    va_end(rest);
    if (is_hit(OPEN) || ((flags & O_CREAT) && is_hit(CREATE)))
        return fail();
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, unsigned) : 0;
    va_end(rest);
    return open64(path, flags, mode);
}

FILE *fopen64(const char *path, const char *mode) {
    if (is_hit(OPEN)) {
        fail();
        return NULL;
    }
    return NEXT(FILE * (*)(const char *, const char *), "fopen64")(path, mode);
}

FILE *fopen(const char *path, const char *mode) {
    return fopen64(path, mode);
}

/* ---- memory ---- */

static int no_memory(void) {
    if (!is_hit(ALLOC))
        return 0;
    fail();
    return 1;
}

void *malloc(size_t size) {
    return no_memory() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
    return no_memory() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *block, size_t size) {
    return no_memory() ? NULL : __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return no_memory() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    if (no_memory())
        return ENOMEM;
    *out = __libc_memalign(alignment, size);
    return *out == NULL ? ENOMEM : 0;
}
