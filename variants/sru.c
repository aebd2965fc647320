/* SPDX-License-Identifier: MIT */
/* The simple recurrent unit: the state is touched element by element only. */
#include "table.h"

const cb_cell_def cbi_variant_sru = {
    .name = "sru",
    .family = "parallel",
    .year = 2018,
    .title = "SRU: simple recurrent unit",
    .source = "Lei, Zhang, Wang, Dai & Artzi 2018, Simple recurrent units for highly "
              "parallelizable recurrence, EMNLP, arXiv 1709.02755",
    .notes = "Both gates read the old c. alpha is the paper's correction of the highway's "
             "scale, sqrt(1 + 2 exp(b_r)) or 1. The first version of the paper (2017) has "
             "no p and a tanh around c'. Where I is not H, x goes through a matrix, W_fit.",
    .text = "set alpha = 1\n"
            "state c\n"
            "u  = W x\n"
            "f  = sigmoid(W x + p*c + b)\n"
            "c' = f*c + (1 - f)*u\n"
            "r  = sigmoid(W x + p*c + b)\n"
            "h  = r*c' + (1 - r)*alpha*fit(x)\n"
            "output h\n",
    .count = "3*H*I+4*H+F",
};
