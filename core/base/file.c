/* SPDX-License-Identifier: MIT */
/* Reading whole files, unpacking gzip, whose memory comes from our table too. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "base/alloc.h"
#include "base/hash.h"

typedef struct bytes {
    unsigned char *data;
    size_t length, capacity;
} bytes;

static cb_status fail_errno(cb_err *err, const char *path, const char *verb) {
    int number = errno;
    return cb_fail(err, CB_EIO, "%s: cannot %s: %s", path, verb, strerror(number));
}

static cb_status grow(bytes *into, size_t need, const char *path, cb_err *err) {
    if (cbi_grow((void **)&into->data, &into->capacity, need, 1) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "%s: no memory for %zu bytes", path, need);
    return CB_OK;
}

static cb_status too_large(cb_err *err, const char *path, size_t most) {
    return cb_fail(err, CB_EDATA, "%s: expected at most %zu bytes, got more", path, most);
}

/* Reads up to `most` + 1 bytes, so that the caller sees whether there were more than `most`. */
static cb_status read_all(bytes *into, int fd, size_t hint, size_t most, const char *path,
                          cb_err *err) {
    cb_status st = grow(into, (hint < most ? hint : most) + 2, path, err);
    while (st == CB_OK && into->length <= most) {
        size_t room = into->capacity - into->length - 1;
        size_t rest = most + 1 - into->length;
        ssize_t n = read(fd, into->data + into->length, room < rest ? room : rest);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, path, "read");
        into->length += (size_t)n;
        st = grow(into, into->length + 2, path, err);
    }
    return st;
}

static void *zlib_allocate(void *context, unsigned n, unsigned size) {
    (void)context;
    return cbi_calloc(n, size);
}

static void zlib_release(void *context, void *block) {
    (void)context;
    cbi_free(block);
}

static cb_status damaged(cb_err *err, const char *path, const char *how) {
    return cb_fail(err, CB_EDATA, "%s: damaged gzip data (%s)", path, how);
}

/* Unpacks all members of a gzip stream: a concatenation of gzip files is one, too. */
static cb_status inflate_members(z_stream *stream, const bytes *from, bytes *into, size_t most,
                                 const char *path, cb_err *err) {
    enum { CHUNK = 1 << 20 };
    size_t used = 0;
    for (;;) {
        cb_status st = grow(into, into->length + (CHUNK / 16) + 1, path, err);
        if (st != CB_OK)
            return st;
        size_t room = into->capacity - into->length - 1, left = from->length - used;
        stream->next_in = from->data + used;
        stream->avail_in = (unsigned)(left < CHUNK ? left : CHUNK);
        stream->next_out = into->data + into->length;
        stream->avail_out = (unsigned)(room < CHUNK ? room : CHUNK);
        unsigned before_in = stream->avail_in, before_out = stream->avail_out;
        int result = inflate(stream, Z_NO_FLUSH);
        unsigned taken = before_in - stream->avail_in, made = before_out - stream->avail_out;
        used += taken;
        into->length += made;
        if (into->length > most)
            return too_large(err, path, most);
        if (result == Z_MEM_ERROR)
            return cb_fail(err, CB_ENOMEM, "%s: no memory to unpack it", path);
        if (result == Z_STREAM_END) {
            if (used == from->length)
                return CB_OK;
            if (inflateReset(stream) != Z_OK)
                return damaged(err, path, "cannot start its next part");
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            return damaged(err, path, stream->msg != NULL ? stream->msg : "not decodable");
        } else if (taken == 0 && made == 0) {
            return damaged(err, path, "it ends too early");
        }
    }
}

static cb_status unpack(const bytes *from, bytes *into, size_t most, const char *path,
                        cb_err *err) {
    z_stream stream = {.zalloc = zlib_allocate, .zfree = zlib_release};
    if (inflateInit2(&stream, 15 + 16) != Z_OK) /* 15: largest window; 16: gzip's wrapping only */
        return cb_fail(err, CB_ENOMEM, "%s: no memory to unpack it", path);
    cb_status st = inflate_members(&stream, from, into, most, path, err);
    (void)inflateEnd(&stream);
    return st;
}

cb_status cbi_file_read(char **data, size_t *length, const char *path, size_t most, cb_err *err) {
    cb_status st;
    struct stat info;
    bytes raw = {0}, plain = {0}, *result = &raw;
    *data = NULL;
    *length = 0;
    if (most > PTRDIFF_MAX / 2)
        most = PTRDIFF_MAX / 2;
    /* Not blocking: opening a pipe without a writer would wait for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_errno(err, path, "open");
    if (fstat(fd, &info) != 0) {
        st = fail_errno(err, path, "read");
        goto out;
    }
    if (!S_ISREG(info.st_mode)) {
        st = cb_fail(err, CB_EIO, "%s: expected a regular file, got a %s", path,
                     S_ISDIR(info.st_mode) ? "folder" : "device, pipe or socket");
        goto out;
    }
    /* gzip makes data that it cannot pack a little larger, by less than this. */
    size_t most_packed = most + most / 1024 + 1024;
    if ((st = read_all(&raw, fd, (size_t)info.st_size, most_packed, path, err)) != CB_OK)
        goto out;
    if (raw.length >= 2 && raw.data[0] == 0x1f && raw.data[1] == 0x8b) {
        result = &plain;
        if (raw.length > most_packed)
            st = too_large(err, path, most);
        else
            st = unpack(&raw, &plain, most, path, err);
    } else if (raw.length > most) {
        st = too_large(err, path, most);
    }
    if (st != CB_OK)
        goto out;
    result->data[result->length] = '\0';
    *data = (char *)result->data;
    *length = result->length;
    result->data = NULL;
out:
    cbi_free(plain.data);
    cbi_free(raw.data);
    (void)close(fd);
    return st;
}

cb_status cbi_file_hash(const char *path, char *hex, cb_err *err) {
    cb_status st = CB_OK;
    struct stat info;
    cbi_sha256_state state;
    unsigned char piece[16384];
    ssize_t n;
    hex[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_errno(err, path, "open");
    cbi_sha256_begin(&state);
    if (fstat(fd, &info) != 0)
        st = fail_errno(err, path, "read");
    else if (!S_ISREG(info.st_mode))
        st = cb_fail(err, CB_EIO, "%s: expected a regular file", path);
    while (st == CB_OK && (n = read(fd, piece, sizeof piece)) != 0) {
        if (n < 0 && errno != EINTR)
            st = fail_errno(err, path, "read");
        cbi_sha256_add(&state, piece, n > 0 ? (size_t)n : 0);
    }
    (void)close(fd);
    if (st == CB_OK)
        cbi_sha256_end_hex(&state, hex);
    return st;
}
