/* SPDX-License-Identifier: MIT */
/* The GRU with one gate for both. */
#include "table.h"

const cb_cell_def cbi_variant_mgu = {
    .name = "mgu",
    .family = "gru",
    .year = 2016,
    .title = "Minimal gated unit: one gate resets and updates",
    .source = "Zhou, Wu, Zhang & Zhou 2016, Minimal gated unit for recurrent neural "
              "networks, arXiv 1603.09420",
    .notes = "'gru-chung' with both gates tied.",
    .text = "state h\n"
            "f  = sigmoid(W x + R h + b)\n"
            "n  = tanh(W x + R (f*h) + b)\n"
            "h' = (1 - f)*h + f*n\n",
    .count = "2*H*(I+H+1)",
};
