/* SPDX-License-Identifier: MIT */
/* Whole files: plain and gzip'd, damaged, missing, too large; written whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/file.h"

static char folder[] = "/tmp/cellbench-file-XXXXXX";
static char path[sizeof folder + 64];

static const char *in_folder(const char *name) {
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    static const char *const names[] = {"a", "b.gz"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlink(in_folder(names[i]));
    return rmdir(folder); /* fails if a temporary file was left behind */
}

static void put(const char *name, const void *data, size_t length) {
    cb_err err = {0};
    if (cbi_file_write(in_folder(name), data, length, &err) != CB_OK)
        fail_msg("%s", err.text);
}

static void expect_content(const char *name, size_t most, const void *data, size_t length) {
    cb_err err = {0};
    char *got = NULL;
    size_t n = 0;
    if (cbi_file_read(&got, &n, in_folder(name), most, &err) != CB_OK)
        fail_msg("%s", err.text);
    assert_int_equal(n, length);
    assert_memory_equal(got, data, length);
    assert_int_equal(got[n], 0);
    cbi_free(got);
}

static void expect_error(const char *name, size_t most, cb_status status, const char *piece) {
    cb_err err = {0};
    char *got = (char *)&err;
    size_t n = 1;
    assert_int_equal(cbi_file_read(&got, &n, in_folder(name), most, &err), status);
    assert_null(got);
    assert_int_equal(n, 0);
    if (strstr(err.text, path) == NULL || strstr(err.text, piece) == NULL)
        fail_msg("expected '%s' and '%s' in: %s", path, piece, err.text);
}

static void plain_files(void **state) {
    static const char data[] = "one\0two";
    (void)state;
    put("a", data, sizeof data - 1);
    expect_content("a", 100, data, sizeof data - 1);
    expect_content("a", 7, data, 7);
    expect_error("a", 6, CB_EDATA, "at most 6 bytes");
    expect_error("a", 0, CB_EDATA, "at most 0 bytes");
    put("a", NULL, 0);
    expect_content("a", 0, "", 0);
    expect_content("a", SIZE_MAX, "", 0);
    put("a", "\x1f", 1);
    expect_content("a", 100, "\x1f", 1);
}

enum { LARGE = 3000000 };

static unsigned char *large_data(void) {
    unsigned char *data = malloc(LARGE);
    uint32_t random = 1;
    assert_non_null(data);
    for (size_t i = 0; i < LARGE; i++) {
        random = random * 1664525u + 1013904223u;
        data[i] = i < LARGE / 2 ? (unsigned char)(random >> 28) : 'x';
    }
    return data;
}

/* gzip's wrapping, as `gzip` makes it. */
static size_t pack(const unsigned char *data, size_t length, unsigned char *out, size_t room) {
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (unsigned char *)(uintptr_t)data;
    stream.avail_in = (unsigned)length;
    stream.next_out = out;
    stream.avail_out = (unsigned)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t n = room - stream.avail_out;
    assert_int_equal(deflateEnd(&stream), Z_OK);
    return n;
}

static void large_files(void **state) {
    unsigned char *data = large_data(), *packed = malloc(LARGE);
    (void)state;
    assert_non_null(packed);
    put("a", data, LARGE);
    expect_content("a", LARGE, data, LARGE);
    size_t n = pack(data, LARGE, packed, LARGE);
    put("b.gz", packed, n);
    expect_content("b.gz", LARGE, data, LARGE);
    expect_error("b.gz", LARGE - 1, CB_EDATA, "at most 2999999 bytes");
    free(packed);
    free(data);
}

static void gzip_is_told_by_content(void **state) {
    unsigned char packed[200];
    (void)state;
    size_t n = pack((const unsigned char *)"text", 4, packed, sizeof packed);
    put("a", packed, n);
    expect_content("a", 100, "text", 4);
    n += pack((const unsigned char *)" more", 5, packed + n, sizeof packed - n);
    put("a", packed, n);
    expect_content("a", 100, "text more", 9);
    n = pack(NULL, 0, packed, sizeof packed);
    put("a", packed, n);
    expect_content("a", 0, "", 0);
    put("b.gz", "plain", 5);
    expect_content("b.gz", 100, "plain", 5);
}

/* Every cut and every flipped bit of a small stream is an error; none is taken for data. */
static void damage_is_found(void **state) {
    static const char text[] = "a text that is long enough to be packed, packed, packed";
    unsigned char packed[200];
    (void)state;
    size_t n = pack((const unsigned char *)text, sizeof text - 1, packed, sizeof packed);
    for (size_t cut = 2; cut < n; cut++) {
        put("b.gz", packed, cut);
        expect_error("b.gz", 1000, CB_EDATA, "damaged gzip data");
    }
    for (size_t at = 10; at < n; at += 3) { /* behind the header, some of which means nothing */
        packed[at] ^= 4;
        put("b.gz", packed, n);
        expect_error("b.gz", 1000, CB_EDATA, "");
        packed[at] ^= 4;
    }
    packed[n] = 'x';
    put("b.gz", packed, n + 1);
    expect_error("b.gz", 1000, CB_EDATA, "damaged gzip data");
}

/* A few bytes that unpack to much more than is allowed are given up early. */
static void bombs_are_stopped(void **state) {
    unsigned char *zeros = calloc(LARGE, 1), packed[10000];
    (void)state;
    assert_non_null(zeros);
    put("b.gz", packed, pack(zeros, LARGE, packed, sizeof packed));
    free(zeros);
    expect_error("b.gz", 100000, CB_EDATA, "at most 100000 bytes");
}

static void what_is_no_file(void **state) {
    (void)state;
    expect_error("missing", 100, CB_EIO, "No such file");
    expect_error("", 100, CB_EIO, "expected a regular file, got a folder");
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    expect_error("pipe", 100, CB_EIO, "expected a regular file");
    assert_int_equal(unlink(in_folder("pipe")), 0);
}

static void writing_replaces_or_leaves(void **state) {
    cb_err err = {0};
    struct stat info;
    (void)state;
    put("a", "old", 3);
    put("a", "new!", 4);
    expect_content("a", 100, "new!", 4);
    assert_int_equal(stat(in_folder("a"), &info), 0);
    mode_t mask = umask(0);
    (void)umask(mask);
    assert_int_equal(info.st_mode & 0777u, 0666u & ~mask);
    assert_int_equal(cbi_file_write(in_folder("no/such"), "x", 1, &err), CB_EIO);
    assert_non_null(strstr(err.text, "no/such: cannot create: No such file"));
    assert_int_equal(mkdir(in_folder("sub"), 0700), 0);
    assert_int_equal(cbi_file_write(in_folder("sub"), "x", 1, &err), CB_EIO);
    assert_int_equal(rmdir(in_folder("sub")), 0);
}

static int is_there(const char *name) {
    struct stat info;
    return lstat(in_folder(name), &info) == 0;
}

/* What a killed process left is used up; what a living one writes, or is no file, is left alone. */
static void temporary_names(void **state) {
    (void)state;
    int fd = open(in_folder("a.tmp-0"), O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    assert_true(fd >= 0 && write(fd, "longer than the data", 20) == 20);
    (void)close(fd);
    put("a", "data", 4);
    expect_content("a", 100, "data", 4);
    assert_false(is_there("a.tmp-0"));

    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    fd = open(in_folder("a.tmp-0"), O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    assert_true(fd >= 0 && fcntl(fd, F_OFD_SETLK, &whole) == 0);
    assert_int_equal(symlink("elsewhere", in_folder("a.tmp-1")), 0);
    assert_int_equal(mkdir(in_folder("a.tmp-2"), 0777), 0);
    put("a", "other", 5);
    expect_content("a", 100, "other", 5);
    assert_true(is_there("a.tmp-0") && is_there("a.tmp-1") && is_there("a.tmp-2"));
    assert_false(is_there("elsewhere") || is_there("a.tmp-3"));
    (void)close(fd);
    assert_int_equal(unlink(in_folder("a.tmp-0")), 0);
    assert_int_equal(unlink(in_folder("a.tmp-1")), 0);
    assert_int_equal(rmdir(in_folder("a.tmp-2")), 0);
}

/* ---- disks that are full or fail ---- */

/* These stand before the C library's: what they are told to refuse fails, with this error. */
static int fsync_error, rename_error;

int fsync(int fd) {
    if (fsync_error == 0)
        return (int)syscall(SYS_fsync, fd);
    errno = fsync_error;
    return -1;
}

int rename(const char *from, const char *to) {
    if (rename_error == 0)
        return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    errno = rename_error;
    return -1;
}

static void refuse_write(const char *piece) {
    cb_err err = {0};
    static const char data[3000] = "new";
    assert_int_equal(cbi_file_write(in_folder("a"), data, sizeof data, &err), CB_EIO);
    if (strstr(err.text, path) == NULL || strstr(err.text, piece) == NULL)
        fail_msg("expected '%s' and '%s' in: %s", path, piece, err.text);
    expect_content("a", 100, "old", 3);
    assert_false(is_there("a.tmp-0"));
}

static void failures_leave_the_old_file(void **state) {
    (void)state;
    struct rlimit all, few;
    put("a", "old", 3);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
    few = (struct rlimit){1000, all.rlim_max};
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0); /* a part is written, then no more */
    refuse_write("cannot write: File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
    (void)signal(SIGXFSZ, before);
    fsync_error = ENOSPC;
    refuse_write("cannot write to disk: No space left on device");
    fsync_error = EIO;
    refuse_write("cannot write to disk: Input/output error");
    fsync_error = 0;
    rename_error = EROFS;
    refuse_write("cannot put in place: Read-only file system");
    rename_error = 0;
    put("a", "well", 4);
    expect_content("a", 100, "well", 4);
}

/* A leftover may be a name of another file: it is removed, not written to. */
static void leftovers_are_not_written_to(void **state) {
    char other[sizeof path];
    (void)state;
    put("b.gz", "precious", 8);
    snprintf(other, sizeof other, "%s", in_folder("b.gz"));
    assert_int_equal(link(other, in_folder("a.tmp-0")), 0);
    put("a", "data", 4);
    expect_content("b.gz", 100, "precious", 8);
    expect_content("a", 100, "data", 4);
    assert_false(is_there("a.tmp-0"));
}

static void hashes_of_files(void **state) {
    char hex[65];
    cb_err err = {0};
    (void)state;
    put("a", "abc", 3);
    assert_int_equal(cbi_file_hash(in_folder("a"), hex, &err), CB_OK);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(cbi_file_hash(in_folder("missing"), hex, &err), CB_EIO);
    assert_int_equal(cbi_file_hash(folder, hex, &err), CB_EIO);
    assert_string_equal(hex, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_leave_the_old_file),
        cmocka_unit_test(leftovers_are_not_written_to),
        cmocka_unit_test(hashes_of_files),
        cmocka_unit_test(plain_files),
        cmocka_unit_test(large_files),
        cmocka_unit_test(gzip_is_told_by_content),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(bombs_are_stopped),
        cmocka_unit_test(what_is_no_file),
        cmocka_unit_test(writing_replaces_or_leaves),
        cmocka_unit_test(temporary_names),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
