/* SPDX-License-Identifier: MIT */
/* The simple recurrent network with tanh units. */
#include "table.h"

const cb_cell_def cbi_variant_rnn = {
    .name = "rnn",
    .family = "simple",
    .year = 1990,
    .title = "Simple (Elman) recurrent network, tanh",
    .source = "Elman 1990, Finding structure in time, Cognitive Science 14",
    .notes = "With tanh units, as in today's libraries (Elman's were logistic); one bias, "
             "where PyTorch adds two: b = b_ih + b_hh.",
    .aliases = "tanh elman",
    .text = "state h\n"
            "h' = tanh(W x + R h + b)\n",
    .count = "H*(I+H+1)",
};
