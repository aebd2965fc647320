/* SPDX-License-Identifier: MIT */
/*
 * What the tasks share: room for the three splits in one owner, settings that are already resolved,
 * and simple baselines. A task lays down input, loss and dimensions in cb_data first, then the
 * lengths of each split's sequences, then the values.
 */
#ifndef CB_TASKS_DATASET_H
#define CB_TASKS_DATASET_H

#include "base/json.h"
#include "cellbench/random.h"
#include "cellbench/task.h"

/* The rows of the table in task.c. */
extern const cb_task_def cbi_task_adding;
extern const cb_task_def cbi_task_copy;
extern const cb_task_def cbi_task_music;
extern const cb_task_def cbi_task_parity;
extern const cb_task_def cbi_task_reber;
extern const cb_task_def cbi_task_series;
extern const cb_task_def cbi_task_temporal_order;
extern const cb_task_def cbi_task_text;

enum {
    CBI_BASELINES = 4,
    /* No array of a split holds more values than this (1 GiB of floats): a mistyped setting or a
     * hostile file is refused before it takes the machine's memory. */
    CBI_MOST_VALUES = 1 << 28
};

/* The writable side of a cb_split; what the task does not use is NULL. */
typedef struct cbi_split_rows {
    size_t *start;
    float *x;
    int32_t *index;
    float *target;
    int32_t *label;
} cbi_split_rows;

typedef struct cbi_dataset {
    cbi_split_rows split[CB_SPLITS];
    cb_baseline baselines[CBI_BASELINES];
} cbi_dataset;

extern const char *const cbi_split_names[CB_SPLITS]; /* "train", "valid", "test" */

CB_MUST_USE cb_status cbi_dataset_create(cbi_dataset **out, cb_err *err);
void cbi_dataset_destroy(void *dataset); /* as cb_task_def.close wants it */

/* Makes start [sequences + 1], all zero: the caller writes the length of sequence s into
 * start[s + 1]. No sequences are CB_EDATA. */
CB_MUST_USE cb_status cbi_dataset_sequences(cbi_dataset *set, cb_data *data, cb_split_name split,
                                            size_t sequences, cb_err *err);
/* Sums the lengths up into starts and makes the arrays that data's input and loss need, all
 * zero. */
CB_MUST_USE cb_status cbi_dataset_frames(cbi_dataset *set, cb_data *data, cb_split_name split,
                                         cb_err *err);

/* Rows of targets in a split: its frames, or its sequences with CB_WHEN_LAST. */
size_t cbi_target_rows(const cb_data *data, cb_split_name split);

/* Appends a baseline to those of the set and shows it in data; at most CBI_BASELINES. */
void cbi_baseline_add(cbi_dataset *set, cb_data *data, const char *name, const char *metric,
                      double valid, double test);

/*
 * The baseline of who knows only how often each class is right: cross-entropy ("nats") and share of
 * wrong classes ("error") of the class frequencies of the training split. Labels of the last `tail`
 * frames of a sequence are counted apart from those before (a task that asks only at its end can be
 * known to do so); 0 counts all together. At most 16 classes.
 */
void cbi_baseline_classes(cbi_dataset *set, cb_data *data, const char *name, size_t tail);

/* The whole of a task's open, once it has laid down what of input, loss and dimensions is fixed:
 * reads the settings and lets `fill` make the three splits and the baselines, for which `context`
 * is passed on. *own is NULL after a failure. */
typedef cb_status cbi_fill(const void *context, cbi_dataset *set, cb_data *data,
                           const json_t *settings, cb_err *err);
CB_MUST_USE cb_status cbi_dataset_open(cb_data *data, void **own, const char *settings_json,
                                       cbi_fill *fill, const void *context, cb_err *err);

/*
 * Generated tasks. They all have the settings train, valid, test (sequences of each split) and
 * data_seed; sequence s of a split is drawn from the stream (data_seed, "data/<split>", s) alone,
 * so that a larger set begins with the smaller one.
 */
#define CBI_SETTINGS_GENERATED                                                                     \
    {"train", CB_SETTING_INT, "5000", 1, 1e7, NULL, 1, "training sequences"},                      \
        {"valid", CB_SETTING_INT, "1000", 1, 1e7, NULL, 1, "validation sequences"},                \
        {"test", CB_SETTING_INT, "1000", 1, 1e7, NULL, 1, "test sequences"}, {                     \
        "data_seed", CB_SETTING_INT, "0", 0, 9007199254740991.0, NULL, 1,                          \
            "seed of the data; not of the weights"                                                 \
    }

typedef struct cbi_generator {
    void *plan; /* the task's own struct, which the others receive */
    /* Takes the plan from resolved settings, and lays down what of data's input, loss and
     * dimensions depends on them; CB_EARG where they do not go together. */
    cb_status (*read)(void *plan, cb_data *data, const json_t *settings, cb_err *err);
    /* The first draw of a sequence: its length. */
    size_t (*length)(const void *plan, cb_random *random);
    /* The rest of it, from the same stream: `rows` begins at the sequence's first frame, and its
     * target at the sequence's own; start is not to be used. */
    void (*fill)(const void *plan, cb_random *random, size_t length, const cbi_split_rows *rows);
    void (*measure)(const void *plan, cbi_dataset *set, cb_data *data); /* the baselines */
} cbi_generator;

/* cbi_dataset_open for a generated task: draws all three splits, measures the baselines. */
CB_MUST_USE cb_status cbi_dataset_generate(cb_data *data, void **own, const char *settings_json,
                                           const cbi_generator *generator, cb_err *err);

/* In [0, 1), a multiple of 2^-24: exact as a float, so that it never rounds up to 1. */
float cbi_uniform_float(cb_random *random);

/* Resolved settings of a task. The table has been checked: the key is there and of its type. */
size_t cbi_setting_size(const json_t *settings, const char *name);
const char *cbi_setting_text(const json_t *settings, const char *name); /* NULL: null */

#endif
