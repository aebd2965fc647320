/* SPDX-License-Identifier: MIT */
/* A cell whose text follows from a setting: a recurrent highway (Zilly et al. 2017) of any depth.
 */
#ifndef CB_TESTS_MADE_CELL_H
#define CB_TESTS_MADE_CELL_H

#include <stdio.h>

#include "base/text.h"
#include "cellbench/cell.h"

static cb_status write_highway(char **out, const cb_cell_setting *values, cb_err *err) {
    const int depth = (int)values[0].values[0];
    cbi_text text = {0};
    *out = NULL;
    if (values[0].count != 1 || depth < 1 || depth > 10 || depth != values[0].values[0])
        return cb_fail(err, CB_EARG, "highway: steps: expected a whole number from 1 to 10");
    cbi_text_add(&text, "state s\nset bias = -1\n");
    for (int l = 1; l <= depth; l++) {
        char from[16] = "s", to[16] = "s'";
        if (l > 1)
            snprintf(from, sizeof from, "s%d", l - 1);
        if (l < depth)
            snprintf(to, sizeof to, "s%d", l);
        cbi_text_addf(&text, "a%d = tanh(%sR %s + b)\n", l, l == 1 ? "W x + " : "", from);
        cbi_text_addf(&text, "t%d = sigmoid(%sR %s + b + bias)\n", l, l == 1 ? "W x + " : "", from);
        cbi_text_addf(&text, "%s = a%d*t%d + %s*(1 - t%d)\n", to, l, l, from, l);
    }
    cbi_text_add(&text, "output s'\n");
    return cbi_text_take(&text, out, err);
}

static const double highway_steps[] = {2};
static const cb_cell_setting highway_settings[] = {{"steps", 1, highway_steps}, {NULL, 0, NULL}};

static const cb_cell_def highway = {
    .name = "highway",
    .title = "Recurrent highway network",
    .source = "Zilly, Srivastava, Koutnik & Schmidhuber 2017, arXiv 1607.03474",
    .text = "state s\nset bias = -1\na1 = tanh(W x + R s + b)\nt1 = sigmoid(W x + R s + b + bias)\n"
            "s1 = a1*t1 + s*(1 - t1)\na2 = tanh(R s1 + b)\nt2 = sigmoid(R s1 + b + bias)\n"
            "s' = a2*t2 + s1*(1 - t2)\noutput s'\n",
    .made_from = highway_settings,
    .write = write_highway,
};

#endif
