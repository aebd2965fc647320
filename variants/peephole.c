/* SPDX-License-Identifier: MIT */
/*
 * LSTM with peephole connections from the cell to its gates: all three, and each subset of them.
 */
#include "table.h"

#define PEEPHOLES                                                                                  \
    "Gers & Schmidhuber 2000, Recurrent nets that time and count, IJCNN; Gers, Schraudolph & "     \
    "Schmidhuber 2002, Learning precise timing with LSTM recurrent networks, JMLR 3"

const cb_cell_def cbi_variant_peephole = {
    .name = "peephole",
    .family = "peephole",
    .year = 2000,
    .title = "LSTM with forget gate and peephole connections",
    .source = PEEPHOLES,
    .notes = "The output gate sees the new cell state. Peepholes are vectors. The error "
             "flows back through the peepholes too (the papers cut it there), as in Greff "
             "et al. 2015, whose vanilla LSTM this is.",
    .text = "state h, c\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + p*c + b)\n"
            "f  = sigmoid(W x + R h + p*c + b)\n"
            "c' = f*c + i*z\n"
            "o  = sigmoid(W x + R h + p*c' + b)\n"
            "h' = o*tanh(c')\n",
    .count = "4*H*(I+H+1)+3*H",
};

const cb_cell_def cbi_variant_peephole_i = {
    .name = "peephole-i",
    .family = "peephole",
    .year = 2000,
    .title = "LSTM with a peephole at its input gate",
    .source = PEEPHOLES,
    .notes = "'peephole' with p_i alone.",
    .text = "state h, c\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + p*c + b)\n"
            "f  = sigmoid(W x + R h + b)\n"
            "c' = f*c + i*z\n"
            "o  = sigmoid(W x + R h + b)\n"
            "h' = o*tanh(c')\n",
    .count = "4*H*(I+H+1)+H",
};

const cb_cell_def cbi_variant_peephole_f = {
    .name = "peephole-f",
    .family = "peephole",
    .year = 2000,
    .title = "LSTM with a peephole at its forget gate",
    .source = PEEPHOLES,
    .notes = "'peephole' with p_f alone.",
    .text = "state h, c\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + b)\n"
            "f  = sigmoid(W x + R h + p*c + b)\n"
            "c' = f*c + i*z\n"
            "o  = sigmoid(W x + R h + b)\n"
            "h' = o*tanh(c')\n",
    .count = "4*H*(I+H+1)+H",
};

const cb_cell_def cbi_variant_peephole_o = {
    .name = "peephole-o",
    .family = "peephole",
    .year = 2000,
    .title = "LSTM with a peephole at its output gate",
    .source = PEEPHOLES,
    .notes = "'peephole' with p_o alone.",
    .text = "state h, c\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + b)\n"
            "f  = sigmoid(W x + R h + b)\n"
            "c' = f*c + i*z\n"
            "o  = sigmoid(W x + R h + p*c' + b)\n"
            "h' = o*tanh(c')\n",
    .count = "4*H*(I+H+1)+H",
};

const cb_cell_def cbi_variant_peephole_if = {
    .name = "peephole-if",
    .family = "peephole",
    .year = 2000,
    .title = "LSTM with peepholes at its input and forget gates",
    .source = PEEPHOLES,
    .notes = "'peephole' without p_o.",
    .text = "state h, c\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + p*c + b)\n"
            "f  = sigmoid(W x + R h + p*c + b)\n"
            "c' = f*c + i*z\n"
            "o  = sigmoid(W x + R h + b)\n"
            "h' = o*tanh(c')\n",
    .count = "4*H*(I+H+1)+2*H",
};

const cb_cell_def cbi_variant_peephole_io = {
    .name = "peephole-io",
    .family = "peephole",
    .year = 2000,
    .title = "LSTM with peepholes at its input and output gates",
    .source = PEEPHOLES,
    .notes = "'peephole' without p_f.",
    .text = "state h, c\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + p*c + b)\n"
            "f  = sigmoid(W x + R h + b)\n"
            "c' = f*c + i*z\n"
            "o  = sigmoid(W x + R h + p*c' + b)\n"
            "h' = o*tanh(c')\n",
    .count = "4*H*(I+H+1)+2*H",
};

const cb_cell_def cbi_variant_peephole_fo = {
    .name = "peephole-fo",
    .family = "peephole",
    .year = 2000,
    .title = "LSTM with peepholes at its forget and output gates",
    .source = PEEPHOLES,
    .notes = "'peephole' without p_i.",
    .text = "state h, c\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + b)\n"
            "f  = sigmoid(W x + R h + p*c + b)\n"
            "c' = f*c + i*z\n"
            "o  = sigmoid(W x + R h + p*c' + b)\n"
            "h' = o*tanh(c')\n",
    .count = "4*H*(I+H+1)+2*H",
};
