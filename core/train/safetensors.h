/* SPDX-License-Identifier: MIT */
/*
 * Safetensors files: the length of the header (8 bytes, little-endian), the header, then the data
 * of the tensors without gaps. The header is JSON, filled up with spaces to a multiple of 8:
 *
 *   {"__metadata__": {name: text, ...},
 *    name: {"dtype": "F32", "shape": [rows, cols], "data_offsets": [begin, end]}, ...}
 *
 * Both kinds of files that are written here, weights and checkpoints, are read and written by this
 * alone. F32 and F64 are known. Nothing that a file says is believed before it is checked.
 */
#ifndef CB_TRAIN_SAFETENSORS_H
#define CB_TRAIN_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

typedef enum cbi_dtype { CBI_F32 = 0, CBI_F64 } cbi_dtype;
size_t cbi_dtype_size(cbi_dtype dtype);
const char *cbi_dtype_name(cbi_dtype dtype);

/* The whole file's hash stands in its metadata under this name, where there is one; it is computed
 * with 64 zeros in its place. */
#define CBI_TENSORS_HASH "sha256"

enum { CBI_TENSOR_RANK = 8 };

/* One tensor: of a file that is read, or to be written. */
typedef struct cbi_tensor {
    const char *name;
    cbi_dtype dtype;
    size_t rank, shape[CBI_TENSOR_RANK];
    const void *data; /* to be written */
    size_t offset;    /* in a file that is read: of its first byte, behind the header */
} cbi_tensor;

/* ---- writing ---- */

/*
 * Writes a file that appears whole or not at all (base/file.h). `metadata` is an object of texts;
 * if it has CBI_TENSORS_HASH, whatever that is, the hash is put in. Names must not repeat, and each
 * tensor's size must be one that can lie in memory. sha256 [65], if not NULL, receives the hash of
 * the file as it is on disk.
 */
CB_MUST_USE cb_status cbi_tensors_write(const char *path, json_t *metadata,
                                        const cbi_tensor *tensors, size_t n, char *sha256,
                                        cb_err *err);

/* ---- reading ---- */

typedef struct cbi_tensor_file cbi_tensor_file;

/* Opens a file and checks its header. CB_EIO: it cannot be read; CB_EDATA: it is not such a file,
 * with the path and what is wrong. */
CB_MUST_USE cb_status cbi_tensors_open(cbi_tensor_file **out, const char *path, cb_err *err);
void cbi_tensors_close(cbi_tensor_file *file); /* NULL is allowed */
/* All of them, in order of offset; borrowed. */
const cbi_tensor *cbi_tensors_list(const cbi_tensor_file *file, size_t *n);
/* A text of the metadata; NULL if there is none of that name. Borrowed. */
const char *cbi_tensors_text(const cbi_tensor_file *file, const char *name);
/* CB_EDATA unless the metadata have the file's hash. Reads the whole file. */
CB_MUST_USE cb_status cbi_tensors_check_hash(cbi_tensor_file *file, cb_err *err);

/* Where each of a file's tensors belongs. */
typedef struct cbi_tensor_place {
    cbi_tensor tensor; /* name, type and shape that are expected */
    void *into;        /* room for it; NULL: only check that it is there */
} cbi_tensor_place;

/* Checks that the file has exactly these tensors, then reads them. CB_EDATA: names one that is
 * missing, unknown, or of another type or shape; then nothing was read. */
CB_MUST_USE cb_status cbi_tensors_read(cbi_tensor_file *file, const cbi_tensor_place *places,
                                       size_t n, cb_err *err);

#endif
