/* SPDX-License-Identifier: MIT */
/*
 * Storage of splits, the loop over generated sequences, and the class-frequency baseline.
 */
#include "tasks/dataset.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

const char *const cbi_split_names[CB_SPLITS] = {"train", "valid", "test"};

cb_status cbi_dataset_create(cbi_dataset **out, cb_err *err) {
    *out = cbi_calloc(1, sizeof **out);
    if (*out == NULL)
        return cb_fail(err, CB_ENOMEM, "task: no memory for its splits");
    return CB_OK;
}

void cbi_dataset_destroy(void *dataset) {
    cbi_dataset *set = dataset;
    if (set == NULL)
        return;
    for (int k = 0; k < CB_SPLITS; k++) {
        cbi_split_rows *rows = &set->split[k];
        cbi_free(rows->start);
        cbi_aligned_free(rows->x);
        cbi_free(rows->index);
        cbi_aligned_free(rows->target);
        cbi_free(rows->label);
    }
    cbi_free(set);
}

cb_status cbi_dataset_sequences(cbi_dataset *set, cb_data *data, cb_split_name split,
                                size_t sequences, cb_err *err) {
    const char *name = cbi_split_names[split];
    if (sequences == 0)
        return cb_fail(err, CB_EDATA, "split '%s': expected sequences, it has none", name);
    if (sequences >= CBI_MOST_VALUES)
        return cb_fail(err, CB_ESHAPE, "split '%s': %zu sequences are more than the %d allowed",
                       name, sequences, CBI_MOST_VALUES);
    size_t *start = cbi_calloc(sequences + 1, sizeof *start);
    if (start == NULL)
        return cb_fail(err, CB_ENOMEM, "split '%s': no memory for %zu sequences", name, sequences);
    set->split[split].start = start;
    data->split[split].start = start;
    data->split[split].sequences = sequences;
    return CB_OK;
}

/* One array of n rows of `width` 4-byte values, zeroed; floats are aligned for the kernels. */
static cb_status make_rows(void **out, cb_split_name split, size_t n, size_t width, int aligned,
                           cb_err *err) {
    const char *name = cbi_split_names[split];
    size_t count = 0;
    if (cb_size_mul(n, width, &count) != CB_OK || count > CBI_MOST_VALUES)
        return cb_fail(err, CB_ESHAPE,
                       "split '%s': %zu rows of %zu values are more than the %d allowed", name, n,
                       width, CBI_MOST_VALUES);
    *out = aligned ? cbi_aligned_calloc(count, 4) : cbi_calloc(count, 4);
    if (*out == NULL)
        return cb_fail(err, CB_ENOMEM, "split '%s': no memory for %zu rows of %zu values", name, n,
                       width);
    return CB_OK;
}

cb_status cbi_dataset_frames(cbi_dataset *set, cb_data *data, cb_split_name split, cb_err *err) {
    cb_status st = CB_OK;
    cbi_split_rows *rows = &set->split[split];
    cb_split *view = &data->split[split];
    void *x = NULL, *target = NULL;
    for (size_t s = 0; s < view->sequences; s++) {
        assert(rows->start[s + 1] > 0);
        if ((st = cb_size_add(rows->start[s], rows->start[s + 1], &rows->start[s + 1])) != CB_OK)
            return cb_fail(err, st, "split '%s': its frames overflow", cbi_split_names[split]);
    }
    view->frames = rows->start[view->sequences];
    int dense = data->input == CB_INPUT_DENSE;
    st = make_rows(&x, split, view->frames, dense ? data->input_dim : 1, dense, err);
    if (st != CB_OK)
        return st;
    if (dense)
        view->x = rows->x = x;
    else
        view->index = rows->index = x;
    int classes = data->loss == CB_LOSS_SOFTMAX;
    st = make_rows(&target, split, cbi_target_rows(data, split), classes ? 1 : data->target_dim,
                   !classes, err);
    if (st != CB_OK)
        return st;
    if (classes)
        view->label = rows->label = target;
    else
        view->target = rows->target = target;
    return CB_OK;
}

cb_status cbi_dataset_open(cb_data *data, void **own, const char *settings_json, cbi_fill *fill,
                           const void *context, cb_err *err) {
    cb_status st = CB_OK;
    cbi_dataset *set = NULL;
    json_t *settings = NULL;
    *own = NULL;
    st = cbi_json_parse(&settings, settings_json, strlen(settings_json), "settings", err);
    if (st != CB_OK)
        goto out;
    if ((st = cbi_dataset_create(&set, err)) != CB_OK)
        goto out;
    if ((st = fill(context, set, data, settings, err)) != CB_OK)
        goto out;
    *own = set;
    set = NULL;
out:
    cbi_dataset_destroy(set);
    json_decref(settings);
    return st;
}

size_t cbi_target_rows(const cb_data *data, cb_split_name split) {
    const cb_split *view = &data->split[split];
    return data->when == CB_WHEN_LAST ? view->sequences : view->frames;
}

/* ---- baselines ---- */

void cbi_baseline_add(cbi_dataset *set, cb_data *data, const char *name, const char *metric,
                      double valid, double test) {
    assert(data->baseline_count < CBI_BASELINES);
    set->baselines[data->baseline_count++] = (cb_baseline){name, metric, valid, test};
    data->baselines = set->baselines;
}

enum { MOST_CLASSES = 16 };

typedef struct class_counts {
    size_t n[2][MOST_CLASSES]; /* before the tail, and in it */
    size_t total[2];
} class_counts;

static class_counts count_classes(const cb_data *data, cb_split_name split, size_t tail) {
    class_counts counts = {{{0}}, {0}};
    const cb_split *view = &data->split[split];
    for (size_t s = 0; s < view->sequences; s++) {
        int last = data->when == CB_WHEN_LAST;
        size_t begin = last ? s : view->start[s];
        size_t end = last ? s + 1 : view->start[s + 1];
        for (size_t r = begin; r < end; r++) {
            int in_tail = end - r <= tail;
            counts.n[in_tail][view->label[r]]++;
            counts.total[in_tail]++;
        }
    }
    return counts;
}

void cbi_baseline_classes(cbi_dataset *set, cb_data *data, const char *name, size_t tail) {
    double nats[CB_SPLITS] = {0}, error[CB_SPLITS] = {0};
    size_t classes = data->target_dim;
    assert(data->loss == CB_LOSS_SOFTMAX && classes <= MOST_CLASSES);
    class_counts train = count_classes(data, CB_TRAIN, tail);
    for (cb_split_name k = CB_VALID; k < CB_SPLITS; k++) {
        class_counts here = count_classes(data, k, tail);
        double rows = (double)(here.total[0] + here.total[1]);
        for (int part = 0; part < 2; part++) {
            size_t best = 0;
            for (size_t c = 0; c < classes; c++) {
                if (train.n[part][c] > train.n[part][best])
                    best = c;
                if (here.n[part][c] == 0)
                    continue;
                /* A class that training never showed counts as seen once: a finite surprise. */
                double seen = train.n[part][c] > 0 ? (double)train.n[part][c] : 1.0;
                double total = train.total[part] > 0 ? (double)train.total[part] : 1.0;
                nats[k] -= (double)here.n[part][c] * log(seen / total) / rows;
            }
            error[k] += (double)(here.total[part] - here.n[part][best]) / rows;
        }
    }
    cbi_baseline_add(set, data, name, "nats", nats[CB_VALID], nats[CB_TEST]);
    cbi_baseline_add(set, data, name, "error", error[CB_VALID], error[CB_TEST]);
}

/* ---- generated tasks ---- */

/* One split; each sequence from a stream of its own. */
static cb_status draw_split(cbi_dataset *set, cb_data *data, cb_split_name split, uint64_t seed,
                            size_t sequences, const cbi_generator *generator, cb_err *err) {
    cb_status st = CB_OK;
    cbi_split_rows *rows = &set->split[split];
    char purpose[16];
    snprintf(purpose, sizeof purpose, "data/%s", cbi_split_names[split]);
    if ((st = cbi_dataset_sequences(set, data, split, sequences, err)) != CB_OK)
        return st;
    for (size_t s = 0; s < sequences; s++) {
        cb_random random = cb_random_stream(seed, purpose, s);
        rows->start[s + 1] = generator->length(generator->plan, &random);
    }
    if ((st = cbi_dataset_frames(set, data, split, err)) != CB_OK)
        return st;
    for (size_t s = 0; s < sequences; s++) {
        cb_random random = cb_random_stream(seed, purpose, s);
        size_t length = generator->length(generator->plan, &random);
        size_t frame = rows->start[s];
        size_t row = data->when == CB_WHEN_LAST ? s : frame;
        const cbi_split_rows here = {
            .x = rows->x ? rows->x + frame * data->input_dim : NULL,
            .index = rows->index ? rows->index + frame : NULL,
            .target = rows->target ? rows->target + row * data->target_dim : NULL,
            .label = rows->label ? rows->label + row : NULL,
        };
        generator->fill(generator->plan, &random, length, &here);
    }
    return CB_OK;
}

static cb_status draw_splits(const void *context, cbi_dataset *set, cb_data *data,
                             const json_t *settings, cb_err *err) {
    const cbi_generator *generator = context;
    cb_status st = generator->read(generator->plan, data, settings, err);
    uint64_t seed = cbi_setting_size(settings, "data_seed");
    for (cb_split_name k = CB_TRAIN; k < CB_SPLITS && st == CB_OK; k++) {
        size_t sequences = cbi_setting_size(settings, cbi_split_names[k]);
        st = draw_split(set, data, k, seed, sequences, generator, err);
    }
    if (st == CB_OK)
        generator->measure(generator->plan, set, data);
    return st;
}

cb_status cbi_dataset_generate(cb_data *data, void **own, const char *settings_json,
                               const cbi_generator *generator, cb_err *err) {
    return cbi_dataset_open(data, own, settings_json, draw_splits, generator, err);
}

float cbi_uniform_float(cb_random *random) {
    return (float)(cb_random_u32(random) >> 8) * 0x1p-24f;
}

/* ---- resolved settings ---- */

size_t cbi_setting_size(const json_t *settings, const char *name) {
    json_int_t value = json_integer_value(json_object_get(settings, name));
    assert(value >= 0);
    return (size_t)value;
}

const char *cbi_setting_text(const json_t *settings, const char *name) {
    return json_string_value(json_object_get(settings, name));
}
