/* SPDX-License-Identifier: MIT */
/*
 * The recurrent highway: several layers of transformation inside one step of time, each of which
 * may pass its input on. Its text is written for the number of layers.
 */
#include <stdio.h>

#include "cellbench/memory.h"
#include "table.h"

#define FIRST                                                                                      \
    "a1 = tanh(W x + R s + b)\n"                                                                   \
    "t1 = sigmoid(W x + R s + b)\n"

enum { MOST_STEPS = 10, TEXT_SIZE = 2048 }; /* ten steps take 1,200 characters */

static size_t add_step(char *text, size_t at, int step, int steps) {
    char from[16] = "s", to[16] = "s'";
    if (step > 1)
        snprintf(from, sizeof from, "s%d", step - 1);
    if (step < steps)
        snprintf(to, sizeof to, "s%d", step);
    if (step == 1)
        at += (size_t)snprintf(text + at, TEXT_SIZE - at, "%s", FIRST);
    else
        at += (size_t)snprintf(text + at, TEXT_SIZE - at,
                               "a%d = tanh(R %s + b)\n"
                               "t%d = sigmoid(R %s + b)\n",
                               step, from, step, from);
    at += (size_t)snprintf(text + at, TEXT_SIZE - at, "%s = a%d*t%d + %s*(1 - t%d)\n", to, step,
                           step, from, step);
    return at;
}

static cb_status write_highway(char **out, const cb_cell_setting *values, cb_err *err) {
    const double asked = values[0].values[0];
    const int steps = asked >= 1 && asked <= MOST_STEPS ? (int)asked : 0;
    size_t at = 0;
    *out = NULL;
    if (values[0].count != 1 || steps < 1 || steps != asked)
        return cb_fail(err, CB_EARG, "highway: steps: expected a whole number from 1 to %d, got %g",
                       MOST_STEPS, asked);
    char *text = cb_alloc(TEXT_SIZE);
    if (text == NULL)
        return cb_fail(err, CB_ENOMEM, "highway: a text of %d bytes", TEXT_SIZE);
    at += (size_t)snprintf(text, TEXT_SIZE, "state s\n");
    for (int step = 1; step <= steps; step++)
        at += (size_t)snprintf(text + at, TEXT_SIZE - at, "init b_t%d = constant(-2)\n", step);
    for (int step = 1; step <= steps; step++)
        at = add_step(text, at, step, steps);
    snprintf(text + at, TEXT_SIZE - at, "output s'\n");
    *out = text;
    return CB_OK;
}

static const double default_steps[] = {2};
static const cb_cell_setting settings[] = {{"steps", 1, default_steps}, {NULL, 0, NULL}};

const cb_cell_def cbi_variant_highway = {
    .name = "highway",
    .family = "deep",
    .year = 2017,
    .title = "Recurrent highway network, several transformations a step",
    .source =
        "Zilly, Srivastava, Koutnik & Schmidhuber 2017, Recurrent highway networks, ICML, arXiv "
        "1607.03474",
    .notes =
        "`steps` (1 to 10) is the recurrence depth L of the paper; each step has matrices of its "
        "own, and the first reads x. t = 1 transforms; the carry gate is 1 - t, as in the "
        "paper's experiments (its equations leave it free). Transform biases start at -2. The "
        "time of a step grows with `steps`: the products wait for each other.",
    .aliases = "rhn",
    .text = "state s\n"
            "init b_t1 = constant(-2)\n"
            "init b_t2 = constant(-2)\n" FIRST "s1 = a1*t1 + s*(1 - t1)\n"
            "a2 = tanh(R s1 + b)\n"
            "t2 = sigmoid(R s1 + b)\n"
            "s' = a2*t2 + s1*(1 - t2)\n"
            "output s'\n",
    .count = "2*H*I+4*H*(H+1)",
    .made_from = settings,
    .write = write_highway,
};
