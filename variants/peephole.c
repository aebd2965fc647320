/* SPDX-License-Identifier: MIT */
/* LSTM with all three peephole connections. */
#include "table.h"

const cb_cell_def cbi_variant_peephole = {
    .name = "peephole",
    .title = "LSTM with forget gate and peephole connections",
    .source = "Gers & Schmidhuber 2000, Recurrent nets that time and count, IJCNN; Gers, Schraudolph & "
              "Schmidhuber 2002, Learning precise timing with LSTM recurrent networks, JMLR 3",
    .notes = "The output gate sees the new cell state. Peepholes are vectors. The error flows back "
             "through the peepholes too (the papers cut it there), as in Greff et al. 2015, whose "
             "vanilla LSTM this is.",
    .text = "state h, c\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + p*c + b)\n"
            "f  = sigmoid(W x + R h + p*c + b)\n"
            "c' = f*c + i*z\n"
            "o  = sigmoid(W x + R h + p*c' + b)\n"
            "h' = o*tanh(c')\n",
    .count = "4*H*(I+H+1)+3*H",
};
