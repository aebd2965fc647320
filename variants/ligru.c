/* SPDX-License-Identifier: MIT */
/* The GRU without its reset gate, rectified. */
#include "table.h"

const cb_cell_def cbi_variant_ligru = {
    .name = "ligru",
    .family = "gru",
    .year = 2018,
    .title = "Light GRU: no reset gate, rectified candidate",
    .source = "Ravanelli, Brakel, Omologo & Bengio 2018, Light gated recurrent units for "
              "speech recognition, IEEE TETCI 2, arXiv 1803.10225",
    .notes = "z = 1 keeps the old state. The paper normalises W x over the batch, which "
             "keeps the rectified state from growing; that is not in the language, a bias "
             "stands in its place.",
    .text = "state h\n"
            "z  = sigmoid(W x + R h + b)\n"
            "n  = relu(W x + R h + b)\n"
            "h' = z*h + (1 - z)*n\n",
    .count = "2*H*(I+H+1)",
};
