/* SPDX-License-Identifier: MIT */
/* LSTM whose forget gate is one minus its input gate. */
#include "table.h"

const cb_cell_def cbi_variant_coupled = {
    .name = "coupled",
    .family = "lstm",
    .year = 2015,
    .title = "LSTM with coupled input and forget gate",
    .source = "Greff, Srivastava, Koutnik, Steunebrink & Schmidhuber 2015, LSTM: a search "
              "space odyssey, arXiv 1503.04069 (CIFG)",
    .notes = "'lstm' with f = 1 - i, without peepholes; the paper's CIFG has peepholes at "
             "its input and output gate: greff-cifg.",
    .text = "state h, c\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + b)\n"
            "f  = 1 - i\n"
            "c' = f*c + i*z\n"
            "o  = sigmoid(W x + R h + b)\n"
            "h' = o*tanh(c')\n",
    .count = "3*H*(I+H+1)",
};
