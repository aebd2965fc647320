/* SPDX-License-Identifier: MIT */
/*
 * Weights as safetensors: the length of the header (8 bytes, little-endian), the header as JSON
 * filled up with spaces to a multiple of 8, then the floats, little-endian, in order of offset. A
 * matrix with a structure is kept as the list of its free numbers.
 */
#include "train/trial.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "weights are written as they lie in memory: little-endian machines only"
#endif

/* One entry; shape [count], or [rows, cols] if cols > 0. *at: floats before it; moved on. */
static void add_tensor(cbi_text *header, const char *name, size_t rows, size_t cols, size_t *at) {
    const size_t count = cols ? rows * cols : rows;
    cbi_text_addf(header, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[%zu", name, rows);
    if (cols)
        cbi_text_addf(header, ",%zu", cols);
    cbi_text_addf(header, "],\"data_offsets\":[%zu,%zu]}", *at * sizeof(float),
                  (*at + count) * sizeof(float));
    *at += count;
}

/* Names follow the cell language's grammar or are ours: nothing in them needs escaping. */
static cb_status make_header(const cb_trial *trial, size_t weight_count, char **out, cb_err *err) {
    cbi_text header = {0};
    size_t n, at = 0;
    const size_t K = trial->data->target_dim, H = cb_stack_output_dim(trial->stack);
    const cb_stack_param *p = cb_stack_params(trial->stack, &n);
    *out = NULL;
    cbi_text_addf(&header, "{\"__metadata__\":{\"format\":\"cellbench %d\",\"trial\":\"%s\"}",
                  CB_TRIAL_FORMAT, trial->key);
    for (size_t i = 0; i < n; i++) {
        const cb_param *q = p[i].param;
        const int full = q->cols > 0 && q->free_count == q->rows * q->cols;
        add_tensor(&header, p[i].name, full ? q->rows : q->free_count, full ? q->cols : 0, &at);
    }
    add_tensor(&header, "readout.V", K, H, &at);
    add_tensor(&header, "readout.b", K, 0, &at);
    cbi_text_add(&header, "}");
    while (header.length % 8 != 0 && !header.failed)
        cbi_text_add(&header, " ");
    if (at != weight_count) {
        cbi_text_fini(&header);
        return cb_fail(err, CB_EARG, "weights: expected %zu of this trial, got %zu", at,
                       weight_count);
    }
    return cbi_text_take(&header, out, err);
}

cb_status cb_trial_save(const cb_trial *trial, const cb_trial_result *result, const char *path,
                        char *sha256, cb_err *err) {
    cb_status st;
    char *header = NULL, *file = NULL;
    sha256[0] = '\0';
    if (result->weights == NULL)
        return cb_fail(err, CB_EARG, "weights: '%s': this result has none to save", path);
    if ((st = make_header(trial, result->weight_count, &header, err)) != CB_OK)
        return st;
    const uint64_t length = strlen(header);
    const size_t data = result->weight_count * sizeof(float);
    const size_t total = sizeof length + (size_t)length + data;
    if ((file = cbi_malloc(total)) == NULL) {
        st = cb_fail(err, CB_ENOMEM, "weights: '%s': %zu bytes", path, total);
        goto out;
    }
    memcpy(file, &length, sizeof length);
    memcpy(file + sizeof length, header, (size_t)length);
    memcpy(file + sizeof length + length, result->weights, data);
    if ((st = cbi_file_write(path, file, total, err)) == CB_OK)
        cbi_sha256_hex(file, total, sha256);
out:
    cbi_free(file);
    cbi_free(header);
    return st;
}
