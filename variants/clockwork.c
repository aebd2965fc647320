/* SPDX-License-Identifier: MIT */
/* Clockwork networks: groups of units that are updated at their own periods. */
#include "table.h"

const cb_cell_def cbi_variant_clockwork = {
    .name = "clockwork",
    .family = "clockwork",
    .year = 2014,
    .title = "Clockwork RNN",
    .source = "Koutnik, Greff, Gomez & Schmidhuber 2014, A clockwork RNN, arXiv 1402.3511, "
              "eq. 1-3",
    .notes = "H must be a multiple of the number of periods (a setting). Groups are sorted "
             "from fast to slow, and slow feeds fast: R is block upper triangular. A group "
             "is updated where t mod its period = 0, t = 0 at the first step, else it "
             "keeps its value.",
    .aliases = "cwrnn cw-rnn",
    .text = "set periods = 1, 2, 4, 8\n"
            "state h\n"
            "matrix R = upper(periods)\n"
            "h' = clock(periods, tanh(W x + R h + b), h)\n",
    .count = "H*I+H*H*5/8+H",
};

const cb_cell_def cbi_variant_clockwork_lstm = {
    .name = "clockwork-lstm",
    .family = "clockwork",
    .year = 2014,
    .title = "Clockwork LSTM: groups of LSTM units with their own periods",
    .source = "the clock of Koutnik, Greff, Gomez & Schmidhuber 2014, A clockwork RNN, "
              "arXiv 1402.3511, on 'lstm'",
    .notes = "Not a cell of that paper, which compares with an LSTM without clocks: an "
             "idle group keeps both c and h.",
    .text = "set periods = 1, 2, 4, 8\n"
            "state h, c\n"
            "matrix R = upper(periods)\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + b)\n"
            "f  = sigmoid(W x + R h + b)\n"
            "c' = clock(periods, f*c + i*z, c)\n"
            "o  = sigmoid(W x + R h + b)\n"
            "h' = clock(periods, o*tanh(c'), h)\n",
    .count = "4*H*I+4*H*H*5/8+4*H",
};
