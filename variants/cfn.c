/* SPDX-License-Identifier: MIT */
/* A gated network that cannot be chaotic. */
#include "table.h"

const cb_cell_def cbi_variant_cfn = {
    .name = "cfn",
    .family = "gated",
    .year = 2017,
    .title = "CFN: chaos-free network",
    .source = "Laurent & von Brecht 2017, A recurrent neural network without chaos, ICLR, "
              "arXiv 1612.06212",
    .notes = "t and e are the paper's theta and eta. The starts of their biases are the "
             "authors', from memory.",
    .text = "state h\n"
            "init b_t = constant(1)\n"
            "init b_e = constant(-1)\n"
            "t  = sigmoid(W x + R h + b)\n"
            "e  = sigmoid(W x + R h + b)\n"
            "h' = t*tanh(h) + e*tanh(W x)\n",
    .count = "2*H*(I+H+1)+H*I",
};
