/* SPDX-License-Identifier: MIT */
/* The clockwork network: groups of units that are updated at their own periods. */
#include "table.h"

const cb_cell_def cbi_variant_clockwork = {
    .name = "clockwork",
    .title = "Clockwork RNN",
    .source = "Koutnik, Greff, Gomez & Schmidhuber 2014, A clockwork RNN, arXiv 1402.3511, eq. 1-3",
    .notes = "H must be a multiple of the number of periods (a setting). Groups are sorted from fast "
             "to slow, and slow feeds fast: R is block upper triangular. A group is updated where t "
             "mod its period = 0, t = 0 at the first step, else it keeps its value.",
    .aliases = "cwrnn cw-rnn",
    .text = "set periods = 1, 2, 4, 8\n"
            "state h\n"
            "matrix R = upper(periods)\n"
            "h' = clock(periods, tanh(W x + R h + b), h)\n",
    .count = "H*I+H*H*5/8+H",
};
