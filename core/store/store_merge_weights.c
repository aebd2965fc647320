/* SPDX-License-Identifier: MIT */
/*
 * Copying files of weights. The name in the records of the other database is not trusted: it must
 * lie in a folder beside that database, and what it is called here follows from the trial's key.
 */
#include "store/store_merge.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"

/* 1 if the path stays in the folder it is taken from. */
static int stays_inside(const char *path) {
    if (path[0] == '/')
        return 0;
    for (const char *part = path; part != NULL; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
            return 0;
    }
    return 1;
}

/* The whole of a regular file, if it has that hash; else *data is NULL. */
static cb_status read_checked(const char *path, const char *sha256, char **data, size_t *length,
                              cb_err *err) {
    char hex[CBI_SHA256_HEX];
    struct stat info;
    cb_status st = CB_OK;
    size_t at = 0;
    ssize_t got = 1;
    *data = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return CB_OK;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        goto out;
    *length = (size_t)info.st_size;
    if ((*data = cbi_malloc(*length + 1)) == NULL) {
        st = cb_fail(err, CB_ENOMEM, "%s: %zu bytes", path, *length);
        goto out;
    }
    while (at < *length && (got = read(fd, *data + at, *length - at)) > 0)
        at += (size_t)got;
    cbi_sha256_hex(*data, at, hex);
    if (at != *length || strcmp(hex, sha256) != 0) {
        cbi_free(*data);
        *data = NULL;
    }
out:
    close(fd);
    return st;
}

/* "results/all.db" -> "results/all.weights". */
static cb_status weights_folder(const cb_store *store, char **out, cb_err *err) {
    cbi_text text = {0};
    size_t length = strlen(store->path);
    if (length > 3 && strcmp(store->path + length - 3, ".db") == 0)
        length -= 3;
    cbi_text_add_n(&text, store->path, length);
    cbi_text_add(&text, ".weights");
    cb_status st = cbi_text_take(&text, out, err);
    cbi_text_fini(&text);
    if (st == CB_OK && mkdir(*out, 0777) != 0 && errno != EEXIST)
        st = cb_fail(err, CB_EIO, "%s: cannot be made: %s", *out, strerror(errno));
    return st;
}

/* Puts the data under the trial's key; or, if other weights have that name, with their hash. */
static cb_status write_weights(const char *folder, const char *key, const char *sha256,
                               const char *data, size_t length, char **name, cb_err *err) {
    cb_status st = CB_OK;
    for (int i = 0; i < 2; i++) {
        cbi_text text = {0};
        char *path = NULL, *there = NULL;
        size_t there_length = 0;
        cbi_text_addf(&text, "%s/%s%s%.*s.safetensors", folder, key, i > 0 ? "-" : "",
                      i > 0 ? 8 : 0, sha256);
        st = cbi_text_take(&text, &path, err);
        cbi_text_fini(&text);
        if (st == CB_OK)
            st = read_checked(path, sha256, &there, &there_length, err);
        const int is_there = there != NULL;
        cbi_free(there);
        const int is_free = st == CB_OK && !is_there && (i > 0 || access(path, F_OK) != 0);
        if (is_free)
            st = cbi_file_write(path, data, length, err);
        if (st == CB_OK && (is_there || is_free)) {
            const char *slash = strrchr(folder, '/');
            *name = cbi_strdup(path + (slash != NULL ? slash + 1 - folder : 0));
            st = *name != NULL ? CB_OK : cb_fail(err, CB_ENOMEM, "%s", path);
        }
        cbi_free(path);
        if (st != CB_OK || *name != NULL)
            break;
    }
    return st;
}

cb_status cbi_merge_weights(cbi_merge *m, const char *key, const char *file, const char *sha256,
                            char **name, cb_err *err) {
    char *data = NULL, *path = NULL, *folder = NULL;
    size_t length = 0;
    cb_status st = CB_OK;
    *name = NULL;
    if (file[0] != '\0' && strlen(sha256) == CBI_SHA256_HEX - 1 && stays_inside(file)) {
        cbi_text text = {0};
        const char *slash = strrchr(m->from->path, '/');
        cbi_text_add_n(&text, m->from->path,
                       slash != NULL ? (size_t)(slash + 1 - m->from->path) : 0);
        cbi_text_add(&text, file);
        st = cbi_text_take(&text, &path, err);
        cbi_text_fini(&text);
        if (st == CB_OK)
            st = read_checked(path, sha256, &data, &length, err);
    }
    if (st == CB_OK && data != NULL && (st = weights_folder(m->to, &folder, err)) == CB_OK &&
        (st = write_weights(folder, key, sha256, data, length, name, err)) == CB_OK)
        m->counts->weights++;
    if (st == CB_OK && data == NULL && file[0] != '\0')
        m->counts->weights_missing++;
    if (st == CB_OK && *name == NULL && (*name = cbi_strdup("")) == NULL)
        st = cb_fail(err, CB_ENOMEM, "merging");
    cbi_free(data);
    cbi_free(path);
    cbi_free(folder);
    return st;
}
