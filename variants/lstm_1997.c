/* SPDX-License-Identifier: MIT */
/* The LSTM as it was published: no forget gate, gates shared by the cells of a block. */
#include "table.h"

const cb_cell_def cbi_variant_lstm_1997 = {
    .name = "lstm-1997",
    .family = "lstm",
    .year = 1997,
    .title = "LSTM of 1997: memory blocks, no forget gate",
    .source = "Hochreiter & Schmidhuber 1997, Long short-term memory, Neural Computation "
              "9(8)",
    .notes = "`cells` cells to a block. Gates and cells see x, all cell outputs and all "
             "gate values of the step before (the paper allows any of these; its "
             "experiments differ). The paper gives blocks output biases of -1, -2, -3, ... "
             "in turn, cuts the error everywhere but inside the cells, and updates online; "
             "here every block starts at -1 and the gradient is that of the equations. The "
             "gates are states because they are read one step later; they begin as 0.",
    .aliases = "hochreiter",
    .text = "set cells = 2\n"
            "dim blocks = H/cells\n"
            "state h, c, i[blocks], o[blocks]\n"
            "init W = uniform(0.1)\n"
            "init R = uniform(0.1)\n"
            "init U = uniform(0.1)\n"
            "init V = uniform(0.1)\n"
            "init b_o = constant(-1)\n"
            "z  = 4*sigmoid(W x + R h + U i + V o + b) - 2\n"
            "i' = sigmoid(W x + R h + U i + V o + b)\n"
            "o' = sigmoid(W x + R h + U i + V o + b)\n"
            "c' = c + spread(i')*z\n"
            "h' = spread(o')*(2*sigmoid(c') - 1)\n",
    .count = "2*H*(I+2*H+1)",
};
