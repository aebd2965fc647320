/* SPDX-License-Identifier: MIT */
/*
 * A small data set in memory for white-box tests of training: sequences of unequal lengths, one of
 * them empty, whose frames and targets tell where they come from.
 */
#ifndef CB_TESTS_TOY_DATA_H
#define CB_TESTS_TOY_DATA_H

#include <stdlib.h>

#include "cellbench/random.h"
#include "cellbench/task.h"

enum { TOY_SEQUENCES = 7, TOY_FRAMES = 20, TOY_INPUT = 3 };

static const size_t toy_start[TOY_SEQUENCES + 1] = {0, 3, 4, 9, 9, 12, 17, 20};

typedef struct toy {
    cb_data data;
    float *x, *target;
    int32_t *index, *label;
} toy;

/* Dense inputs: frame f holds f + i/8. Bernoulli targets are 0 or 1, squared ones normal. */
static inline void toy_open(toy *t, cb_input_kind input, cb_loss loss, cb_when when, size_t K) {
    cb_random stream = cb_random_stream(7, "toy", 0);
    *t = (toy){.data = {.input = input,
                        .input_dim = TOY_INPUT,
                        .loss = loss,
                        .when = when,
                        .target_dim = K,
                        .metric = loss == CB_LOSS_SQUARED ? "mse" : "nats"}};
    t->x = calloc(TOY_FRAMES * TOY_INPUT, sizeof *t->x);
    t->index = calloc(TOY_FRAMES, sizeof *t->index);
    t->label = calloc(TOY_FRAMES, sizeof *t->label);
    t->target = calloc(TOY_FRAMES * K, sizeof *t->target);
    for (size_t f = 0; f < TOY_FRAMES; f++) {
        for (size_t i = 0; i < TOY_INPUT; i++)
            t->x[f * TOY_INPUT + i] = (float)f + (float)i / 8;
        t->index[f] = (int32_t)(f % TOY_INPUT);
        t->label[f] = (int32_t)cb_random_below(&stream, K);
        for (size_t k = 0; k < K; k++)
            t->target[f * K + k] = loss == CB_LOSS_BERNOULLI ? (float)cb_random_below(&stream, 2)
                                                             : (float)cb_random_normal(&stream);
    }
    for (size_t s = 0; s < CB_SPLITS; s++)
        t->data.split[s] = (cb_split){
            .sequences = TOY_SEQUENCES,
            .frames = TOY_FRAMES,
            .start = toy_start,
            .x = input == CB_INPUT_DENSE ? t->x : NULL,
            .index = input == CB_INPUT_INDEX ? t->index : NULL,
            .label = loss == CB_LOSS_SOFTMAX ? t->label : NULL,
            .target = loss == CB_LOSS_SOFTMAX ? NULL : t->target,
        };
}

static inline void toy_close(toy *t) {
    free(t->x);
    free(t->index);
    free(t->label);
    free(t->target);
}

#endif
