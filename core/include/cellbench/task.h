/* SPDX-License-Identifier: MIT */
/*
 * Tasks: what a cell is measured on. A task, opened with its settings, is three splits of
 * sequences in memory, with the loss that belongs to them and simple baselines to compare with.
 */
#ifndef CELLBENCH_TASK_H
#define CELLBENCH_TASK_H

#include <stddef.h>
#include <stdint.h>

#include "cellbench/cell.h"
#include "cellbench/setting.h"
#include "cellbench/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cb_loss {
    CB_LOSS_SOFTMAX = 0,   /* cross-entropy of one class among target_dim, nats */
    CB_LOSS_BERNOULLI = 1, /* target_dim independent Bernoullis, summed, nats */
    CB_LOSS_SQUARED = 2    /* squared error, mean over target_dim */
} cb_loss;

/* Whether there is a target at each step, or one for the sequence, at its last step. */
typedef enum cb_when { CB_WHEN_EACH = 0, CB_WHEN_LAST = 1 } cb_when;

typedef enum cb_split_name { CB_TRAIN = 0, CB_VALID = 1, CB_TEST = 2, CB_SPLITS = 3 } cb_split_name;

/* Sequence s has the frames start[s] .. start[s+1]-1. A target row belongs to a frame
 * (CB_WHEN_EACH: same index) or to a sequence (CB_WHEN_LAST: index s). */
typedef struct cb_split {
    size_t sequences;
    size_t frames;
    const size_t *start;  /* [sequences + 1] */
    const float *x;       /* [frames][input_dim], dense input; else NULL */
    const int32_t *index; /* [frames], index input; else NULL */
    const float *target;  /* [target rows][target_dim]; NULL with CB_LOSS_SOFTMAX */
    const int32_t *label; /* [target rows], with CB_LOSS_SOFTMAX; else NULL */
} cb_split;

/* What something simple reaches, measured on the same data as cells are. */
typedef struct cb_baseline {
    const char *name; /* "note 1-gram", "predict the mean" */
    const char *metric;
    double valid, test;
} cb_baseline;

typedef struct cb_data {
    cb_input_kind input;
    size_t input_dim;
    cb_loss loss;
    cb_when when;
    size_t target_dim;
    const char *metric; /* the one that decides, lower is better: "nats" or "mse" */
    cb_split split[CB_SPLITS];
    const cb_baseline *baselines;
    size_t baseline_count;
    char sha256[65]; /* of the data files' bytes (as unpacked); "" for generated tasks */
} cb_data;

typedef struct cb_task_def {
    const char *name;
    const char *summary;
    const char *source;
    const char *chance;             /* how the chance level comes about, in words */
    const cb_setting_def *settings; /* ended by a row with name NULL */
    /* Fills *data from resolved settings (JSON text with every key). Owned by the task. */
    cb_status (*open)(cb_data *data, void **own, const char *settings_json, cb_err *err);
    void (*close)(void *own);
} cb_task_def;

/* All tasks, ended by NULL. */
CB_API const cb_task_def *const *cb_task_table(void);
/* CB_EARG names the nearest known name. */
CB_API CB_MUST_USE cb_status cb_task_find(const cb_task_def **out, const char *name, cb_err *err);

typedef struct cb_task cb_task;

/* Opens a task: settings is a JSON object ("{}" for all defaults). Unknown keys, wrong types and
 * values out of range are CB_EARG and name the key; file trouble is CB_EIO or CB_EDATA with the
 * file's name and place. */
CB_API CB_MUST_USE cb_status cb_task_open(cb_task **out, const char *name, const char *settings,
                                          cb_err *err);
/* NULL is allowed. */
CB_API void cb_task_close(cb_task *task);
/* The splits; borrowed until close. They are only read by others: any number of threads may. */
CB_API const cb_data *cb_task_data(const cb_task *task);
CB_API const cb_task_def *cb_task_get_def(const cb_task *task);
/* Canonical JSON of the settings that make its identity, defaults put in. Borrowed. */
CB_API const char *cb_task_identity(const cb_task *task);
/* Canonical JSON of all settings, defaults put in: enough to open it again. Borrowed. */
CB_API const char *cb_task_settings(const cb_task *task);

#ifdef __cplusplus
}
#endif
#endif
