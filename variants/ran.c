/* SPDX-License-Identifier: MIT */
/* A gated sum of inputs. */
#include "table.h"

const cb_cell_def cbi_variant_ran = {
    .name = "ran",
    .family = "gated",
    .year = 2017,
    .title = "RAN: recurrent additive network",
    .source = "Lee, Levy & Zettlemoyer 2017, Recurrent additive networks, arXiv 1705.07393",
    .notes = "The cell is a weighted sum of linear maps of the inputs. The paper also has "
             "h' = c' without tanh.",
    .text = "state h, c\n"
            "i  = sigmoid(W x + R h + b)\n"
            "f  = sigmoid(W x + R h + b)\n"
            "c' = i*(W x) + f*c\n"
            "h' = tanh(c')\n",
    .count = "2*H*(I+H+1)+H*I",
};
