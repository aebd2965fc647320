/* SPDX-License-Identifier: MIT */
/*
 * Weights in files: which tensors a vector of weights is made of, by name. A matrix with a
 * structure is kept as the list of its free numbers.
 */
#include "train/trial.h"

#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "train/safetensors.h"

static const char readout_matrix[] = "readout.V", readout_bias[] = "readout.b";

/* A tensor of so many floats, the next ones at *at. */
static cbi_tensor_place place_of(const char *name, size_t rows, size_t cols, float **at) {
    cbi_tensor_place place = {
        .tensor = {.name = name, .dtype = CBI_F32, .rank = cols ? 2 : 1, .shape = {rows, cols}},
        .into = *at};
    place.tensor.data = *at;
    *at += cols ? rows * cols : rows;
    return place;
}

/* The tensors of a stack and, if K > 0, of a readout with K outputs, from w on. Names are borrowed
 * from the stack. Caller: cbi_free. */
static cb_status list_tensors(cbi_tensor_place **out, size_t *n, const cb_stack *stack, size_t K,
                              float *w, cb_err *err) {
    size_t params;
    const cb_stack_param *p = cb_stack_params(stack, &params);
    *n = 0;
    if ((*out = cbi_calloc(params + 2, sizeof **out)) == NULL)
        return cb_fail(err, CB_ENOMEM, "weights: %zu tensors", params);
    for (size_t i = 0; i < params; i++) {
        const cb_param *q = p[i].param;
        const int full = q->cols > 0 && q->free_count == q->rows * q->cols;
        (*out)[(*n)++] =
            place_of(p[i].name, full ? q->rows : q->free_count, full ? q->cols : 0, &w);
    }
    if (K > 0) {
        (*out)[(*n)++] = place_of(readout_matrix, K, cb_stack_output_dim(stack), &w);
        (*out)[(*n)++] = place_of(readout_bias, K, 0, &w);
    }
    return CB_OK;
}

static cb_status save(const char *path, json_t *metadata, const cb_stack *stack, size_t K,
                      const float *w, char *sha256, cb_err *err) {
    size_t n;
    cbi_tensor_place *places;
    cbi_tensor *tensors = NULL;
    /* Only read from here. */
    cb_status st = list_tensors(&places, &n, stack, K, (float *)(uintptr_t)w, err);
    if (st != CB_OK)
        return st;
    if (metadata == NULL || (tensors = cbi_calloc(n + 1, sizeof *tensors)) == NULL)
        st = cb_fail(err, CB_ENOMEM, "%s: %zu tensors", path, n);
    for (size_t i = 0; i < n && st == CB_OK; i++)
        tensors[i] = places[i].tensor;
    if (st == CB_OK)
        st = cbi_tensors_write(path, metadata, tensors, n, sha256, err);
    cbi_free(tensors);
    cbi_free(places);
    return st;
}

cb_status cb_trial_save(const cb_trial *trial, const cb_trial_result *result, const char *path,
                        char *sha256, cb_err *err) {
    sha256[0] = '\0';
    const size_t expected = cbi_trial_weight_count(trial);
    if (result->weights == NULL)
        return cb_fail(err, CB_EARG, "weights: '%s': this result has none to save", path);
    if (result->weight_count != expected)
        return cb_fail(err, CB_EARG, "weights: expected %zu of this trial, got %zu", expected,
                       result->weight_count);
    json_t *metadata =
        json_pack("{s:o, s:s}", "format", json_sprintf("cellbench %d", (int)CB_TRIAL_FORMAT),
                  "trial", trial->key);
    cb_status st =
        save(path, metadata, trial->stack, trial->data->target_dim, result->weights, sha256, err);
    json_decref(metadata);
    return st;
}

cb_status cb_weights_save(const cb_stack *stack, const float *w, const char *path, cb_err *err) {
    json_t *metadata =
        json_pack("{s:o}", "format", json_sprintf("cellbench %d", (int)CB_TRIAL_FORMAT));
    cb_status st = save(path, metadata, stack, 0, w, NULL, err);
    json_decref(metadata);
    return st;
}

/* The tensors of a readout, where the file has one: they are not wanted, but known. */
static void pass_readout(const cbi_tensor_file *file, cbi_tensor_place *places, size_t *n) {
    size_t count;
    const cbi_tensor *list = cbi_tensors_list(file, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, readout_matrix) == 0 || strcmp(list[i].name, readout_bias) == 0)
            places[(*n)++] = (cbi_tensor_place){.tensor = list[i], .into = NULL};
}

static cb_status load(const char *path, const cb_stack *stack, size_t K, float *w, cb_err *err) {
    size_t n;
    cbi_tensor_file *file = NULL;
    cbi_tensor_place *places;
    cb_status st = list_tensors(&places, &n, stack, K, w, err);
    if (st == CB_OK && (st = cbi_tensors_open(&file, path, err)) == CB_OK) {
        if (K == 0)
            pass_readout(file, places, &n);
        st = cbi_tensors_read(file, places, n, err);
    }
    cbi_tensors_close(file);
    cbi_free(places);
    return st;
}

cb_status cb_weights_load(const cb_stack *stack, const char *path, float *w, cb_err *err) {
    return load(path, stack, 0, w, err);
}

cb_status cb_trial_load(const cb_trial *trial, const char *path, float **weights, size_t *count,
                        cb_err *err) {
    const size_t n = cbi_trial_weight_count(trial);
    *weights = NULL;
    *count = 0;
    float *w = cbi_calloc(n, sizeof *w);
    if (w == NULL)
        return cb_fail(err, CB_ENOMEM, "weights: %zu", n);
    cb_status st = load(path, trial->stack, trial->data->target_dim, w, err);
    if (st != CB_OK) {
        cbi_free(w);
        return st;
    }
    *weights = w;
    *count = n;
    return CB_OK;
}
