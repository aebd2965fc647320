/* SPDX-License-Identifier: MIT */
/*
 * Packing copies each frame once. Members are sorted by (length, place in the list), a total
 * order: so the layout, and with it every sum over rows, depends on the list alone.
 */
#include "train/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cellbench/random.h"

static int longer_first(const void *pa, const void *pb) {
    const cbi_member *a = pa, *b = pb;
    if (a->length != b->length)
        return a->length < b->length ? 1 : -1;
    return a->place < b->place ? -1 : a->place > b->place;
}

cb_status cbi_batch_most(const cb_split *split, size_t n, size_t *frames, size_t *steps,
                         cb_err *err) {
    *frames = *steps = 0;
    if (split->sequences == 0)
        return CB_OK;
    cbi_member *all = cbi_calloc(split->sequences, sizeof *all);
    if (all == NULL)
        return cb_fail(err, CB_ENOMEM, "batch: %zu sequences", split->sequences);
    for (size_t s = 0; s < split->sequences; s++)
        all[s].length = split->start[s + 1] - split->start[s];
    qsort(all, split->sequences, sizeof *all, longer_first);
    for (size_t s = 0; s < n && s < split->sequences; s++)
        *frames += all[s].length;
    *steps = all[0].length;
    cbi_free(all);
    return CB_OK;
}

/* Elements of each array, for at most so many sequences, frames and steps. */
typedef struct sizes {
    size_t x, target, index, label, last;
} sizes;

static cb_status size_arrays(sizes *out, const cb_data *data, size_t n, size_t frames,
                             cb_err *err) {
    const size_t targets = data->when == CB_WHEN_LAST ? n : frames;
    *out = (sizes){0};
    out->last = data->when == CB_WHEN_LAST ? n : 0;
    out->index = data->input == CB_INPUT_INDEX ? frames : 0;
    out->label = data->loss == CB_LOSS_SOFTMAX ? targets : 0;
    if ((data->input == CB_INPUT_DENSE && cb_size_mul(frames, data->input_dim, &out->x) != CB_OK) ||
        (data->loss != CB_LOSS_SOFTMAX &&
         cb_size_mul(targets, data->target_dim, &out->target) != CB_OK))
        return cb_fail(err, CB_ESHAPE, "batch: too large: %zu frames of %zu inputs, %zu targets",
                       frames, data->input_dim, data->target_dim);
    return CB_OK;
}

cb_status cbi_batch_bytes(const cb_data *data, size_t n, size_t frames, size_t steps, size_t *bytes,
                          cb_err *err) {
    sizes s;
    *bytes = 0;
    cb_status st = size_arrays(&s, data, n, frames, err);
    if (st != CB_OK)
        return st;
    size_t floats = 0, rest = 0;
    if (cb_size_add(s.x, s.target, &floats) != CB_OK ||
        cb_size_mul(floats, sizeof(float), &floats) != CB_OK ||
        cb_size_mul(n, sizeof(cbi_member) + sizeof(size_t), &rest) != CB_OK ||
        cb_size_add(rest, floats, bytes) != CB_OK ||
        cb_size_mul(s.index + s.label + steps, sizeof(int32_t), &rest) != CB_OK ||
        cb_size_add(*bytes, rest, bytes) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "batch: too large: %zu frames", frames);
    return CB_OK;
}

cb_status cbi_batch_init_sizes(cbi_batch *batch, const cb_data *data, size_t n, size_t frames,
                               size_t steps, cb_err *err) {
    cb_status st;
    sizes s;
    *batch = (cbi_batch){.data = data,
                         .ldx = data->input_dim,
                         .most_sequences = n,
                         .most_frames = frames,
                         .most_steps = steps};
    if ((st = size_arrays(&s, data, n, frames, err)) != CB_OK)
        return st;
    if ((batch->rows = cbi_calloc(steps + 1, sizeof *batch->rows)) == NULL ||
        (batch->members = cbi_calloc(n + 1, sizeof *batch->members)) == NULL ||
        (s.x && (batch->x_store = cbi_aligned_calloc(s.x, sizeof(float))) == NULL) ||
        (s.target && (batch->target_store = cbi_calloc(s.target, sizeof(float))) == NULL) ||
        (s.index && (batch->index_store = cbi_calloc(s.index, sizeof(int32_t))) == NULL) ||
        (s.label && (batch->label_store = cbi_calloc(s.label, sizeof(int32_t))) == NULL) ||
        (s.last && (batch->last_store = cbi_calloc(s.last, sizeof(size_t))) == NULL)) {
        cbi_batch_fini(batch);
        return cb_fail(err, CB_ENOMEM, "batch: %zu sequences of %zu frames together", n, frames);
    }
    batch->x = batch->x_store;
    batch->index = batch->index_store;
    batch->target = batch->target_store;
    batch->label = batch->label_store;
    batch->last = batch->last_store;
    return CB_OK;
}

cb_status cbi_batch_init(cbi_batch *batch, const cb_data *data, size_t n, unsigned splits,
                         cb_err *err) {
    size_t sequences = 0, most_frames = 0, most_steps = 0;
    *batch = (cbi_batch){0};
    for (size_t i = 0; i < CB_SPLITS; i++) {
        size_t frames, steps;
        cb_status st;
        if (!(splits & (1u << i)))
            continue;
        if ((st = cbi_batch_most(&data->split[i], n, &frames, &steps, err)) != CB_OK)
            return st;
        most_frames = frames > most_frames ? frames : most_frames;
        most_steps = steps > most_steps ? steps : most_steps;
        sequences = data->split[i].sequences > sequences ? data->split[i].sequences : sequences;
    }
    return cbi_batch_init_sizes(batch, data, n < sequences ? n : sequences, most_frames, most_steps,
                                err);
}

void cbi_batch_fini(cbi_batch *batch) {
    cbi_free(batch->rows);
    cbi_free(batch->members);
    cbi_aligned_free(batch->x_store);
    cbi_free(batch->target_store);
    cbi_free(batch->index_store);
    cbi_free(batch->label_store);
    cbi_free(batch->last_store);
    *batch = (cbi_batch){0};
}

/* Copies target row `from` of the split to row `to` of the batch. */
static void copy_target(cbi_batch *batch, const cb_split *split, size_t to, size_t from) {
    const size_t K = batch->data->target_dim;
    if (batch->label_store)
        batch->label_store[to] = split->label[from];
    if (batch->target_store)
        memcpy(batch->target_store + to * K, split->target + from * K, K * sizeof(float));
}

void cbi_batch_lay_out(cbi_batch *batch, const cb_split *split, size_t B) {
    const size_t I = batch->data->input_dim;
    const int each = batch->data->when == CB_WHEN_EACH;
    const cbi_member *m = batch->members;
    size_t at = 0, running = B;
    qsort(batch->members, B, sizeof *batch->members, longer_first);
    const size_t T = B ? m[0].length : 0;
    for (size_t t = 0; t < T; t++) {
        while (m[running - 1].length <= t)
            running--;
        batch->rows[t] = (uint32_t)running;
        for (size_t r = 0; r < running; r++, at++) {
            const size_t from = m[r].from + t;
            if (batch->x_store)
                memcpy(batch->x_store + at * I, split->x + from * I, I * sizeof(float));
            if (batch->index_store)
                batch->index_store[at] = split->index[from];
            if (each)
                copy_target(batch, split, at, from);
            else if (t + 1 == m[r].length) {
                copy_target(batch, split, r, m[r].sequence);
                batch->last_store[r] = at;
            }
        }
    }
    batch->steps = (cb_steps){.T = T, .B = B, .rows = batch->rows, .frames = at};
    batch->targets = each ? at : B;
}

void cbi_batch_pack(cbi_batch *batch, const cb_split *split, const uint32_t *list, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t s = list[i];
        const size_t from = split->start[s], length = split->start[s + 1] - from;
        if (length > 0)
            batch->members[kept++] = (cbi_member){from, length, s, (uint32_t)i};
    }
    cbi_batch_lay_out(batch, split, kept);
}

void cbi_batch_order(uint64_t seed, uint64_t epoch, int shuffle, size_t n, uint32_t *order) {
    if (shuffle) {
        cb_random stream = cb_random_stream(seed, "order", epoch);
        cb_random_permutation(&stream, n, order);
        return;
    }
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
}
