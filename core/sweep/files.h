/* SPDX-License-Identifier: MIT */
/*
 * The files of a run beside its database: best weights, which stay, and checkpoints, which go when
 * their trial has its result.
 */
#ifndef CB_SWEEP_FILES_H
#define CB_SWEEP_FILES_H

#include "cellbench/store.h"

typedef struct cbi_files {
    char *weights;     /* folder; NULL: weights are not kept */
    char *checkpoints; /* folder; NULL: no checkpoints */
    char (*ended)[65]; /* keys of trials whose checkpoints go once their ends are committed */
    size_t ended_count, ended_capacity;
} cbi_files;

/* "results/quick.db" -> "results/quick.weights", "results/quick.checkpoints"; makes the folders.
 * CB_EIO if that cannot be, CB_EARG if a path is not UTF-8 (it travels as JSON). */
CB_MUST_USE cb_status cbi_files_init(cbi_files *files, const char *database, int weights,
                                     int checkpoints, cb_err *err);
/* Removes the folder of checkpoints if it is empty. */
void cbi_files_fini(cbi_files *files);

/* The folder of checkpoints is there again, though another run, at its end, found it empty. */
void cbi_files_keep(const cbi_files *files);

/* Paths as a worker opens them; "" if there are none of that kind. Caller: cbi_free. */
CB_MUST_USE cb_status cbi_files_weights(const cbi_files *files, const char *key, char **path,
                                        cb_err *err);
CB_MUST_USE cb_status cbi_files_checkpoint(const cbi_files *files, const char *key, char **path,
                                           cb_err *err);
/* A path of weights as records name it: relative to the database. Borrowed from `path`. */
const char *cbi_files_name(const cbi_files *files, const char *path);

/* The trial has an end, which is not committed yet: its checkpoint goes with
 * cbi_files_committed. */
CB_MUST_USE cb_status cbi_files_ended(cbi_files *files, const char *key, cb_err *err);
void cbi_files_committed(cbi_files *files);

/* Removes what killed processes left behind: checkpoints of trials that have an end, halves of
 * checkpoints of trials that nobody is at, and halves of weights that nobody writes. */
CB_MUST_USE cb_status cbi_files_sweep(const cbi_files *files, cb_store *store, cb_err *err);

#endif
