/* SPDX-License-Identifier: MIT */
/*
 * Files of recorded data, and the cut of one record into splits and pieces.
 */
#include "tasks/recorded.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"

/* Adds the n-th place where the file may be; 0 when there is no such place. */
static int add_place(cbi_text *path, size_t n, const char *file, const char *const *folders,
                     const char *root) {
    if (n > 0 && root == NULL)
        return 0;
    if (n > 0)
        cbi_text_addf(path, "%s/", root);
    if (n > 1 && folders[n - 2] == NULL)
        return 0;
    if (n > 1)
        cbi_text_add(path, folders[n - 2]);
    cbi_text_add(path, file);
    return 1;
}

static cb_status find_file(char **out, const char *file, const char *const *folders, cb_err *err) {
    cb_status st = CB_OK;
    cbi_text path = {0}, looked = {0};
    const char *root = getenv("CELLBENCH_DATA");
    if (root != NULL && (root[0] == '\0' || file[0] == '/'))
        root = NULL;
    *out = NULL;
    if (file[0] == '\0')
        return cb_fail(err, CB_EARG, "file: expected a path, got an empty text");
    for (size_t n = 0; add_place(&path, n, file, folders, root); n++) {
        if ((st = cbi_text_take(&path, out, err)) != CB_OK)
            goto out;
        if (access(*out, R_OK) == 0)
            goto out;
        cbi_text_addf(&looked, "\n  %s", *out);
        cbi_free(*out);
        *out = NULL;
    }
    if (root == NULL && file[0] != '/')
        cbi_text_add(&looked, "\n  (CELLBENCH_DATA, the folder of data sets, is not set)");
    st = cb_fail(err, CB_EIO, "file '%s' is not there, or not readable; looked at%s", file,
                 looked.data != NULL ? looked.data : "");
out:
    cbi_text_fini(&path);
    cbi_text_fini(&looked);
    return st;
}

cb_status cbi_recorded_read(char **text, size_t *length, char **path, cb_data *data,
                            const char *file, const char *const *folders, size_t most,
                            cb_err *err) {
    cb_status st = CB_OK;
    *text = NULL;
    *length = 0;
    if ((st = find_file(path, file, folders, err)) != CB_OK)
        return st;
    if ((st = cbi_file_read(text, length, *path, most, err)) != CB_OK) {
        cbi_free(*path);
        *path = NULL;
        return st;
    }
    cbi_sha256_hex(*text, *length, data->sha256);
    return CB_OK;
}

/* ---- the cut ---- */

cbi_cut cbi_cut_of(const json_t *settings) {
    return (cbi_cut){.valid_share = json_number_value(json_object_get(settings, "valid_share")),
                     .test_share = json_number_value(json_object_get(settings, "test_share")),
                     .length = cbi_setting_size(settings, "length")};
}

cb_status cbi_cut_splits(size_t begin[CB_SPLITS + 1], const cbi_cut *cut, size_t n, size_t least,
                         const char *what, cb_err *err) {
    if (cut->valid_share + cut->test_share >= 1.0)
        return cb_fail(err, CB_EARG,
                       "valid_share, test_share: expected less than 1 together, got %g and %g",
                       cut->valid_share, cut->test_share);
    size_t valid = (size_t)floor((double)n * cut->valid_share + 0.5);
    size_t test = (size_t)floor((double)n * cut->test_share + 0.5);
    if (valid + test > n) /* one value, and shares of nearly one half */
        valid = n - test;
    begin[CB_TRAIN] = 0;
    begin[CB_VALID] = n - valid - test;
    begin[CB_TEST] = n - test;
    begin[CB_SPLITS] = n;
    for (cb_split_name k = CB_TRAIN; k < CB_SPLITS; k++)
        if (begin[k + 1] - begin[k] < least)
            return cb_fail(err, CB_EDATA,
                           "split '%s': expected at least %zu %s, got %zu of the %zu there are",
                           cbi_split_names[k], least, what, begin[k + 1] - begin[k], n);
    return CB_OK;
}

cb_status cbi_cut_pieces(cbi_dataset *set, cb_data *data, cb_split_name split, size_t frames,
                         const cbi_cut *cut, cb_err *err) {
    size_t whole = frames / cut->length, rest = frames % cut->length;
    cb_status st = cbi_dataset_sequences(set, data, split, whole + (rest > 0), err);
    if (st != CB_OK)
        return st;
    for (size_t s = 0; s < whole; s++)
        set->split[split].start[s + 1] = cut->length;
    if (rest > 0)
        set->split[split].start[whole + 1] = rest;
    return cbi_dataset_frames(set, data, split, err);
}
