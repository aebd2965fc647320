/* SPDX-License-Identifier: MIT */
/*
 * ema: a_t = a_{t-1} + (1 - d)/(1 - d^t) * (w_t - a_{t-1}), which is the exponential average of the
 * weights after updates 1..t with weights that sum to 1: what is before training is not in it.
 *
 * mean: the mean over the updates of each epoch is carried along in place; the average is the mean
 * of the last of these.
 */
#include "train/average.h"

#include <string.h>

#include "base/alloc.h"

size_t cbi_average_vectors(cbi_average_kind kind, size_t epochs) {
    return kind == CBI_AVERAGE_NONE ? 0 : kind == CBI_AVERAGE_EMA ? 1 : 1 + epochs;
}

cb_status cbi_average_init(cbi_average *average, cbi_average_kind kind, double decay, size_t epochs,
                           size_t count, cb_err *err) {
    size_t floats = 0;
    *average = (cbi_average){
        .kind = kind, .count = count, .decay = decay, .epochs = epochs, .now = {.power = 1}};
    if (kind == CBI_AVERAGE_NONE)
        return CB_OK;
    if (cb_size_mul(count, epochs, &floats) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "train: too large: averages of %zu epochs", epochs);
    if ((average->value = cbi_calloc(count + 1, sizeof(float))) == NULL ||
        (kind == CBI_AVERAGE_MEAN &&
         (average->sums = cbi_calloc(floats + 1, sizeof(float))) == NULL)) {
        cbi_average_fini(average);
        return cb_fail(err, CB_ENOMEM, "train: averages of %zu weights", count);
    }
    return CB_OK;
}

void cbi_average_fini(cbi_average *average) {
    cbi_free(average->value);
    cbi_free(average->sums);
    *average = (cbi_average){0};
}

void cbi_average_begin_epoch(cbi_average *average) {
    average->now.begun++;
    average->now.updates = 0;
}

/* a += share * (w - a) */
static void move_towards(float *restrict a, const float *restrict w, size_t n, double share) {
    const float s = (float)share;
    for (size_t i = 0; i < n; i++)
        a[i] += s * (w[i] - a[i]);
}

void cbi_average_add(cbi_average *a, const float *w) {
    a->now.updates++;
    if (a->kind == CBI_AVERAGE_EMA) {
        a->now.power *= a->decay;
        move_towards(a->value, w, a->count, (1 - a->decay) / (1 - a->now.power));
    } else if (a->kind == CBI_AVERAGE_MEAN)
        move_towards(a->sums + (a->now.begun - 1) % a->epochs * a->count, w, a->count,
                     1 / (double)a->now.updates);
}

const float *cbi_average_weights(cbi_average *a, const float *w) {
    if (a->kind == CBI_AVERAGE_NONE || a->now.begun == 0)
        return w;
    if (a->kind == CBI_AVERAGE_MEAN) {
        const size_t n = a->now.begun < a->epochs ? a->now.begun : a->epochs;
        memset(a->value, 0, a->count * sizeof *a->value);
        for (size_t k = 0; k < n; k++)
            move_towards(a->value, a->sums + k * a->count, a->count, 1 / (double)(k + 1));
    }
    return a->value;
}
