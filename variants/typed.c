/* SPDX-License-Identifier: MIT */
/* The strongly-typed network: the state only ever mixes with what is of its own kind. */
#include "table.h"

const cb_cell_def cbi_variant_t_rnn = {
    .name = "t-rnn",
    .family = "parallel",
    .year = 2016,
    .title = "T-RNN: strongly-typed recurrent network",
    .source = "Balduzzi & Ghifary 2016, Strongly-typed recurrent neural networks, ICML, "
              "arXiv 1602.02218",
    .notes = "A moving average of linear maps of the inputs: 'mingru' with f for 1 - z, "
             "eight years before.",
    .text = "state h\n"
            "z  = W x\n"
            "f  = sigmoid(W x + b)\n"
            "h' = f*h + (1 - f)*z\n",
    .count = "2*H*I+H",
};
