/* SPDX-License-Identifier: MIT */
/* Safetensors files: the header is built and taken apart here, whole; data are passed through. */
#include "train/safetensors.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are written as they lie in memory: little-endian machines only"
#endif

/* Of a header; ours have 100 bytes a tensor. */
#define MOST_HEADER ((uint64_t)16 << 20)

static const char metadata_key[] = "__metadata__";
static const char hash_mark[] = "\"" CBI_TENSORS_HASH "\":\"";
enum { HASH_DIGITS = CBI_SHA256_HEX - 1, COPY_BYTES = 1 << 16 };

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {[CBI_F32] = {"F32", 4}, [CBI_F64] = {"F64", 8}};

size_t cbi_dtype_size(cbi_dtype dtype) {
    return dtypes[dtype].size;
}

const char *cbi_dtype_name(cbi_dtype dtype) {
    return dtypes[dtype].name;
}

static cb_status tensor_bytes(const cbi_tensor *t, size_t *bytes) {
    cb_status st = CB_OK;
    *bytes = dtypes[t->dtype].size;
    for (size_t i = 0; i < t->rank && st == CB_OK; i++)
        st = cb_size_mul(*bytes, t->shape[i], bytes);
    return st;
}

/* The 64 digits of the hash within a header; NULL if it has none. A quote within a text is escaped,
 * so the mark can only be the key. */
static char *hash_place(char *header) {
    char *at = strstr(header, hash_mark);
    if (at == NULL)
        return NULL;
    at += sizeof hash_mark - 1;
    return strspn(at, "0123456789abcdef") == HASH_DIGITS && at[HASH_DIGITS] == '"' ? at : NULL;
}

/* ---- writing ---- */

/* Names are plain: they need no escaping. */
static cb_status make_header(char **out, const json_t *metadata, const cbi_tensor *tensors,
                             size_t n, cb_err *err) {
    cbi_text header = {0};
    char *texts;
    size_t at = 0;
    *out = NULL;
    cb_status st = cbi_json_canonical(&texts, metadata, err);
    if (st != CB_OK)
        return st;
    cbi_text_addf(&header, "{\"%s\":", metadata_key);
    cbi_text_add(&header, texts);
    cbi_free(texts);
    for (size_t i = 0; i < n; i++) {
        const cbi_tensor *t = &tensors[i];
        size_t bytes;
        assert(at % dtypes[t->dtype].size == 0);
        cbi_text_addf(&header, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", t->name,
                      dtypes[t->dtype].name);
        for (size_t k = 0; k < t->rank; k++)
            cbi_text_addf(&header, k ? ",%zu" : "%zu", t->shape[k]);
        if (tensor_bytes(t, &bytes) != CB_OK) {
            cbi_text_fini(&header);
            return cb_fail(err, CB_ESHAPE, "tensor '%s': too large", t->name);
        }
        cbi_text_addf(&header, "],\"data_offsets\":[%zu,%zu]}", at, at + bytes);
        at += bytes;
    }
    cbi_text_add(&header, "}");
    while (header.length % 8 != 0 && !header.failed)
        cbi_text_add(&header, " ");
    return cbi_text_take(&header, out, err);
}

/* Hash of the file as it is to be written. */
static void hash_all(const char *header, const cbi_tensor *tensors, size_t n, char *hex) {
    cbi_sha256_state state;
    const uint64_t length = strlen(header);
    cbi_sha256_begin(&state);
    cbi_sha256_add(&state, &length, sizeof length);
    cbi_sha256_add(&state, header, (size_t)length);
    for (size_t i = 0; i < n; i++) {
        size_t bytes = 0;
        (void)tensor_bytes(&tensors[i], &bytes);
        cbi_sha256_add(&state, tensors[i].data, bytes);
    }
    cbi_sha256_end_hex(&state, hex);
}

static cb_status put_all(cbi_new_file *file, const char *header, const cbi_tensor *tensors,
                         size_t n, cb_err *err) {
    const uint64_t length = strlen(header);
    cb_status st = cbi_file_add(file, &length, sizeof length, err);
    if (st == CB_OK)
        st = cbi_file_add(file, header, (size_t)length, err);
    for (size_t i = 0; i < n && st == CB_OK; i++) {
        size_t bytes = 0;
        (void)tensor_bytes(&tensors[i], &bytes);
        st = cbi_file_add(file, tensors[i].data, bytes, err);
    }
    return st;
}

cb_status cbi_tensors_write(const char *path, json_t *metadata, const cbi_tensor *tensors, size_t n,
                            char *sha256, cb_err *err) {
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    const int hashed = json_object_get(metadata, CBI_TENSORS_HASH) != NULL;
    cbi_new_file file;
    char *header = NULL, hex[CBI_SHA256_HEX];
    if (sha256)
        sha256[0] = '\0';
    if (hashed && json_object_set_new(metadata, CBI_TENSORS_HASH, json_string(zeros)) != 0)
        return cb_fail(err, CB_ENOMEM, "%s: no memory for its header", path);
    cb_status st = make_header(&header, metadata, tensors, n, err);
    if (st != CB_OK)
        return st;
    if (hashed) {
        hash_all(header, tensors, n, hex);
        memcpy(hash_place(header), hex, HASH_DIGITS);
    }
    if ((st = cbi_file_begin(&file, path, err)) != CB_OK)
        goto out;
    if ((st = put_all(&file, header, tensors, n, err)) == CB_OK)
        st = cbi_file_end(&file, err);
    else
        cbi_file_drop(&file);
    if (st == CB_OK && sha256)
        hash_all(header, tensors, n, sha256);
out:
    cbi_free(header);
    return st;
}

/* ---- reading ---- */

struct cbi_tensor_file {
    int fd;
    char *path;
    uint64_t header_length, data_length;
    char *header; /* as it stands in the file, terminated */
    json_t *json; /* the tensors' names lie in it */
    cbi_tensor *tensors;
    size_t count;
};

static cb_status wrong(const cbi_tensor_file *f, cb_err *err, const char *what) {
    return cb_fail(err, CB_EDATA, "%s: not a safetensors file: %s", f->path, what);
}

/* Exactly `length` bytes from `at` on. */
static cb_status read_at(const cbi_tensor_file *f, void *into, size_t length, uint64_t at,
                         cb_err *err) {
    char *to = into;
    while (length > 0) {
        const ssize_t n = pread(f->fd, to, length, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cb_fail(err, CB_EIO, "%s: cannot read: %s", f->path, strerror(errno));
        if (n == 0)
            return cb_fail(err, CB_EDATA, "%s: it ends too early", f->path);
        to += n;
        length -= (size_t)n;
        at += (uint64_t)n;
    }
    return CB_OK;
}

static cb_status open_file(cbi_tensor_file *f, cb_err *err) {
    struct stat info;
    uint64_t length;
    cb_status st;
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0 || fstat(f->fd, &info) != 0)
        return cb_fail(err, CB_EIO, "%s: cannot open: %s", f->path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return cb_fail(err, CB_EIO, "%s: expected a regular file", f->path);
    const uint64_t size = (uint64_t)info.st_size;
    if (size < sizeof length)
        return wrong(f, err, "shorter than the length of a header");
    if ((st = read_at(f, &length, sizeof length, 0, err)) != CB_OK)
        return st;
    if (length > MOST_HEADER || length > size - sizeof length)
        return cb_fail(err, CB_EDATA,
                       "%s: not a safetensors file: a header of %llu bytes in a file of %llu",
                       f->path, (unsigned long long)length, (unsigned long long)size);
    f->header_length = length;
    f->data_length = size - sizeof length - length;
    if ((f->header = cbi_calloc((size_t)length + 1, 1)) == NULL)
        return cb_fail(err, CB_ENOMEM, "%s: a header of %zu bytes", f->path, (size_t)length);
    if ((st = read_at(f, f->header, (size_t)length, sizeof length, err)) != CB_OK)
        return st;
    if (f->header[0] != '{')
        return wrong(f, err, "its header is not an object");
    cb_err why;
    st = cbi_json_parse(&f->json, f->header, (size_t)length, "its header", &why);
    return st == CB_OK       ? st
           : st == CB_ENOMEM ? cb_fail(err, st, "%s: %s", f->path, why.text)
                             : wrong(f, err, why.text);
}

/* What is wrong with an entry; the texts of errors say where. */
static cb_status wrong_tensor(const cbi_tensor_file *f, const char *name, cb_err *err,
                              const char *what) {
    return cb_fail(err, CB_EDATA, "%s: tensor '%.100s': %s", f->path, name, what);
}

/* A list of whole numbers that are not negative. */
static int read_sizes(const json_t *list, size_t most, size_t *out, size_t *n) {
    *n = json_array_size(list);
    if (!json_is_array(list) || *n > most)
        return 0;
    for (size_t i = 0; i < *n; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return 0;
        out[i] = (size_t)json_integer_value(v);
    }
    return 1;
}

static cb_status read_dtype(const cbi_tensor_file *f, cbi_tensor *t, const json_t *entry,
                            cb_err *err) {
    const char *text = json_string_value(json_object_get(entry, "dtype"));
    for (size_t i = 0; text && i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, text) == 0) {
            t->dtype = (cbi_dtype)i;
            return CB_OK;
        }
    return cb_fail(err, CB_EDATA, "%s: tensor '%.100s': dtype: expected F32 or F64, got %.20s",
                   f->path, t->name, text ? text : "none");
}

static cb_status read_tensor(const cbi_tensor_file *f, cbi_tensor *t, const char *name,
                             const json_t *entry, cb_err *err) {
    size_t bytes, n, offsets[2];
    *t = (cbi_tensor){.name = name};
    if (!json_is_object(entry) || json_object_size(entry) != 3)
        return wrong_tensor(f, name, err, "expected dtype, shape and data_offsets");
    cb_status st = read_dtype(f, t, entry, err);
    if (st != CB_OK)
        return st;
    if (!read_sizes(json_object_get(entry, "shape"), CBI_TENSOR_RANK, t->shape, &t->rank))
        return wrong_tensor(f, name, err, "shape: expected a list of at most 8 sizes");
    if (!read_sizes(json_object_get(entry, "data_offsets"), 2, offsets, &n) || n != 2 ||
        offsets[0] > offsets[1] || offsets[1] > f->data_length)
        return cb_fail(err, CB_EDATA,
                       "%s: tensor '%.100s': data_offsets: expected two within %llu bytes of data",
                       f->path, name, (unsigned long long)f->data_length);
    if (tensor_bytes(t, &bytes) != CB_OK || bytes != offsets[1] - offsets[0])
        return cb_fail(err, CB_EDATA,
                       "%s: tensor '%.100s': its shape does not fill the %zu bytes it has", f->path,
                       name, offsets[1] - offsets[0]);
    if (offsets[0] % dtypes[t->dtype].size != 0)
        return wrong_tensor(f, name, err, "data_offsets: not aligned to its type");
    t->offset = offsets[0];
    return CB_OK;
}

static int by_offset(const void *a, const void *b) {
    const cbi_tensor *x = a, *y = b;
    size_t m = 0, n = 0;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    (void)tensor_bytes(x, &m); /* an empty one lies before what begins in its place */
    (void)tensor_bytes(y, &n);
    return m != n ? (m < n ? -1 : 1) : strcmp(x->name, y->name);
}

/* One after the other, without gaps, to the end of the file. */
static cb_status check_layout(const cbi_tensor_file *f, cb_err *err) {
    size_t at = 0;
    for (size_t i = 0; i < f->count; i++) {
        const cbi_tensor *t = &f->tensors[i];
        size_t bytes = 0;
        (void)tensor_bytes(t, &bytes);
        if (t->offset != at)
            return wrong_tensor(f, t->name, err,
                                t->offset < at ? "its data overlap with another's"
                                               : "there is a gap before its data");
        at += bytes;
    }
    if (at != f->data_length)
        return cb_fail(err, CB_EDATA, "%s: %llu bytes behind its last tensor", f->path,
                       (unsigned long long)f->data_length - at);
    return CB_OK;
}

static cb_status read_tensors(cbi_tensor_file *f, cb_err *err) {
    const char *name;
    json_t *entry;
    f->tensors = cbi_calloc(json_object_size(f->json) + 1, sizeof *f->tensors);
    if (f->tensors == NULL)
        return cb_fail(err, CB_ENOMEM, "%s: %zu tensors", f->path, json_object_size(f->json));
    json_object_foreach(f->json, name, entry) {
        if (strcmp(name, metadata_key) == 0) {
            const char *key;
            json_t *text;
            json_object_foreach(entry, key, text) {
                (void)key;
                if (!json_is_string(text))
                    return wrong(f, err, "its metadata are not texts");
            }
            if (!json_is_object(entry))
                return wrong(f, err, "its metadata are not an object");
            continue;
        }
        cb_status st = read_tensor(f, &f->tensors[f->count], name, entry, err);
        if (st != CB_OK)
            return st;
        f->count++;
    }
    qsort(f->tensors, f->count, sizeof *f->tensors, by_offset);
    return check_layout(f, err);
}

cb_status cbi_tensors_open(cbi_tensor_file **out, const char *path, cb_err *err) {
    cb_status st;
    *out = NULL;
    cbi_tensor_file *f = cbi_calloc(1, sizeof *f);
    if (f == NULL)
        return cb_fail(err, CB_ENOMEM, "%s: no memory for its header", path);
    f->fd = -1;
    if ((f->path = cbi_strdup(path)) == NULL) {
        st = cb_fail(err, CB_ENOMEM, "%s: no memory for its name", path);
        goto out;
    }
    if ((st = open_file(f, err)) != CB_OK || (st = read_tensors(f, err)) != CB_OK)
        goto out;
    *out = f;
    f = NULL;
out:
    cbi_tensors_close(f);
    return st;
}

void cbi_tensors_close(cbi_tensor_file *f) {
    if (f == NULL)
        return;
    if (f->fd >= 0)
        (void)close(f->fd);
    json_decref(f->json);
    cbi_free(f->tensors);
    cbi_free(f->header);
    cbi_free(f->path);
    cbi_free(f);
}

const cbi_tensor *cbi_tensors_list(const cbi_tensor_file *f, size_t *n) {
    *n = f->count;
    return f->tensors;
}

const char *cbi_tensors_text(const cbi_tensor_file *f, const char *name) {
    return json_string_value(json_object_get(json_object_get(f->json, metadata_key), name));
}

cb_status cbi_tensors_check_hash(cbi_tensor_file *f, cb_err *err) {
    cb_status st = CB_OK;
    cbi_sha256_state state;
    char stored[CBI_SHA256_HEX] = "", now[CBI_SHA256_HEX];
    char *place = hash_place(f->header), *bytes = cbi_malloc(COPY_BYTES);
    if (bytes == NULL)
        return cb_fail(err, CB_ENOMEM, "%s: no memory to read it", f->path);
    if (place == NULL) {
        cbi_free(bytes);
        return cb_fail(err, CB_EDATA, "%s: its metadata have no %s", f->path, CBI_TENSORS_HASH);
    }
    memcpy(stored, place, HASH_DIGITS);
    memset(place, '0', HASH_DIGITS);
    cbi_sha256_begin(&state);
    cbi_sha256_add(&state, &f->header_length, sizeof f->header_length);
    cbi_sha256_add(&state, f->header, (size_t)f->header_length);
    memcpy(place, stored, HASH_DIGITS);
    for (uint64_t at = 0; at < f->data_length && st == CB_OK; at += COPY_BYTES) {
        const uint64_t left = f->data_length - at;
        const size_t n = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        st = read_at(f, bytes, n, sizeof(uint64_t) + f->header_length + at, err);
        cbi_sha256_add(&state, bytes, n);
    }
    cbi_sha256_end_hex(&state, now);
    cbi_free(bytes);
    if (st == CB_OK && strcmp(stored, now) != 0)
        st = cb_fail(err, CB_EDATA, "%s: damaged: its content has another SHA-256 than it says",
                     f->path);
    return st;
}

/* ---- tensors by name ---- */

static int by_name(const void *a, const void *b) {
    const cbi_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* "[3, 4]" */
static void shape_text(char *out, size_t size, const cbi_tensor *t) {
    size_t at = (size_t)snprintf(out, size, "%s [", dtypes[t->dtype].name);
    for (size_t i = 0; i < t->rank && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, i ? ", %zu" : "%zu", t->shape[i]);
    if (at < size)
        (void)snprintf(out + at, size - at, "]");
}

static cb_status check_place(const cbi_tensor_file *f, const cbi_tensor *wanted,
                             const cbi_tensor *found, cb_err *err) {
    char a[200], b[200];
    if (found == NULL)
        return cb_fail(err, CB_EDATA, "%s: tensor '%.100s' is missing", f->path, wanted->name);
    if (found->dtype == wanted->dtype && found->rank == wanted->rank &&
        memcmp(found->shape, wanted->shape, wanted->rank * sizeof *wanted->shape) == 0)
        return CB_OK;
    shape_text(a, sizeof a, wanted);
    shape_text(b, sizeof b, found);
    return cb_fail(err, CB_EDATA, "%s: tensor '%.100s': expected %s, got %s", f->path, wanted->name,
                   a, b);
}

/* The first tensor of the file that none of the places is for. */
static cb_status unknown_tensor(const cbi_tensor_file *f, const cbi_tensor_place *places, size_t n,
                                cb_err *err) {
    for (size_t i = 0; i < f->count; i++) {
        size_t k = 0;
        cbi_near near;
        cbi_near_init(&near, f->tensors[i].name);
        for (; k < n && strcmp(places[k].tensor.name, f->tensors[i].name) != 0; k++)
            cbi_near_offer(&near, places[k].tensor.name);
        if (k == n)
            return cb_fail(err, CB_EDATA, "%s: unknown tensor '%.100s'%s", f->path,
                           f->tensors[i].name, cbi_near_text(&near));
    }
    return CB_OK;
}

cb_status cbi_tensors_read(cbi_tensor_file *f, const cbi_tensor_place *places, size_t n,
                           cb_err *err) {
    cb_status st = CB_OK;
    const uint64_t data = sizeof(uint64_t) + f->header_length;
    const cbi_tensor **sorted = cbi_calloc(f->count + 1, sizeof *sorted), **found = NULL;
    if (sorted == NULL || (found = cbi_calloc(n + 1, sizeof *found)) == NULL) {
        cbi_free(sorted);
        return cb_fail(err, CB_ENOMEM, "%s: %zu tensors", f->path, n);
    }
    for (size_t i = 0; i < f->count; i++)
        sorted[i] = &f->tensors[i];
    qsort(sorted, f->count, sizeof *sorted, by_name);
    for (size_t i = 0; i < n && st == CB_OK; i++) {
        const cbi_tensor *wanted = &places[i].tensor;
        const cbi_tensor *const *at = bsearch(&wanted, sorted, f->count, sizeof *sorted, by_name);
        found[i] = at ? *at : NULL;
        st = check_place(f, wanted, found[i], err);
    }
    if (st == CB_OK && n != f->count)
        st = unknown_tensor(f, places, n, err);
    for (size_t i = 0; i < n && st == CB_OK; i++) {
        size_t bytes = 0;
        (void)tensor_bytes(found[i], &bytes);
        if (places[i].into)
            st = read_at(f, places[i].into, bytes, data + found[i]->offset, err);
    }
    cbi_free(found);
    cbi_free(sorted);
    return st;
}
