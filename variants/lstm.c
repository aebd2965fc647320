/* SPDX-License-Identifier: MIT */
/* The LSTM of today's libraries: forget gate, no peepholes. */
#include "table.h"

const cb_cell_def cbi_variant_lstm = {
    .name = "lstm",
    .family = "lstm",
    .year = 2000,
    .title = "LSTM with forget gate, without peepholes",
    .source = "Hochreiter & Schmidhuber 1997, Long short-term memory, Neural Computation "
              "9(8); forget gate: Gers, Schmidhuber & Cummins 2000, Learning to forget, "
              "Neural Computation 12(10)",
    .notes = "Called \"vanilla\" today; Greff et al. 2015 call the form with peepholes "
             "vanilla, which is 'peephole' here. One bias a gate: PyTorch and cuDNN add "
             "two, b = b_ih + b_hh, and stack their gates by rows in the order i, f, z "
             "(there g), o. The error flows back through everything (the papers cut it at "
             "the gates).",
    .aliases = "vanilla",
    .text = "state h, c\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + b)\n"
            "f  = sigmoid(W x + R h + b)\n"
            "c' = f*c + i*z\n"
            "o  = sigmoid(W x + R h + b)\n"
            "h' = o*tanh(c')\n",
    .count = "4*H*(I+H+1)",
};

const cb_cell_def cbi_variant_lstm_b = {
    .name = "lstm-b",
    .family = "lstm",
    .year = 2015,
    .title = "LSTM whose forget gate starts open (LSTM-b)",
    .source = "Jozefowicz, Zaremba & Sutskever 2015, An empirical exploration of recurrent "
              "network architectures, ICML; the bias: Gers, Schmidhuber & Cummins 2000",
    .notes = "'lstm' with `init b_f = constant(1)`; a study reaches the same by "
             "`forget_bias = 1`.",
    .text = "state h, c\n"
            "init b_f = constant(1)\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + b)\n"
            "f  = sigmoid(W x + R h + b)\n"
            "c' = f*c + i*z\n"
            "o  = sigmoid(W x + R h + b)\n"
            "h' = o*tanh(c')\n",
    .count = "4*H*(I+H+1)",
};
