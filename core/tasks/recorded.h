/* SPDX-License-Identifier: MIT */
/*
 * What the tasks with recorded data share: finding and reading the file, and cutting one long
 * record into three splits and these into pieces.
 */
#ifndef CB_TASKS_RECORDED_H
#define CB_TASKS_RECORDED_H

#include "tasks/dataset.h"

/*
 * Reads the file of a setting, unpacked if it is gzip'd, and puts its SHA-256 into data. It is the
 * first readable one of: the path as given; in the folder CELLBENCH_DATA; in one of the folders
 * below that. The error lists all places looked at.
 *
 * folders  names ending in "/", ended by NULL
 * most     bytes, unpacked; more are CB_EDATA
 * *path    where it was found, for messages; *text has a zero byte behind it. Caller: cbi_free.
 */
CB_MUST_USE cb_status cbi_recorded_read(char **text, size_t *length, char **path, cb_data *data,
                                        const char *file, const char *const *folders, size_t most,
                                        cb_err *err);

/* How one record becomes three splits: contiguous, in the order train, valid, test. */
typedef struct cbi_cut {
    double valid_share, test_share;
    size_t length; /* steps of a sequence; the last of a split may be shorter */
} cbi_cut;

/* clang-format off */
#define CBI_SETTINGS_CUT(steps)                                                                    \
    {"valid_share", CB_SETTING_NUMBER, "0.1", 0, 1, NULL, 1,                                       \
     "share of the record, behind the training part, that is for validation"},                     \
    {"test_share", CB_SETTING_NUMBER, "0.1", 0, 1, NULL, 1,                                        \
     "share at the end of the record that is for the test"},                                       \
    {"length", CB_SETTING_INT, steps, 1, 1e7, NULL, 1,                                             \
     "steps of a sequence; the last one of a split may be shorter"}
/* clang-format on */

cbi_cut cbi_cut_of(const json_t *settings);

/* Split k has the values begin[k] .. begin[k+1]-1 of n. A split with fewer than `least` values is
 * CB_EDATA; shares that leave nothing for training are CB_EARG. `what` names the values. */
CB_MUST_USE cb_status cbi_cut_splits(size_t begin[CB_SPLITS + 1], const cbi_cut *cut, size_t n,
                                     size_t least, const char *what, cb_err *err);
/* Makes the sequences and arrays of a split of so many frames (at least one). */
CB_MUST_USE cb_status cbi_cut_pieces(cbi_dataset *set, cb_data *data, cb_split_name split,
                                     size_t frames, const cbi_cut *cut, cb_err *err);

#endif
