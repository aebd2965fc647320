/* SPDX-License-Identifier: MIT */
/* LSTM and GRU whose sums are normalised over the units at each step. */
#include "table.h"

const cb_cell_def cbi_variant_lstm_layernorm = {
    .name = "lstm-layernorm",
    .family = "lstm",
    .year = 2016,
    .title = "Layer-normalised LSTM",
    .source = "Ba, Kiros & Hinton 2016, Layer normalization, arXiv 1607.06450",
    .notes = "Each gate is normalised by itself; the paper's code normalises the four "
             "together, TensorFlow's LayerNormBasicLSTMCell each, but after the two sums "
             "are added. The two shifts of the paper are one b. A sequence's first step "
             "reads h = 0, whose norm is 0.",
    .text = "state h, c\n"
            "param g = 1, g1 = 1\n"
            "z  = tanh(g*norm(R h) + g1*norm(W x) + b)\n"
            "i  = sigmoid(g*norm(R h) + g1*norm(W x) + b)\n"
            "f  = sigmoid(g*norm(R h) + g1*norm(W x) + b)\n"
            "c' = f*c + i*z\n"
            "o  = sigmoid(g*norm(R h) + g1*norm(W x) + b)\n"
            "h' = o*tanh(g*norm(c') + b)\n",
    .count = "4*H*(I+H+3)+2*H",
};

const cb_cell_def cbi_variant_gru_layernorm = {
    .name = "gru-layernorm",
    .family = "gru",
    .year = 2016,
    .title = "Layer-normalised GRU, reset gate after the recurrent product",
    .source = "Ba, Kiros & Hinton 2016, Layer normalization, arXiv 1607.06450",
    .notes = "z = 1 takes the new value, as in the paper. Each gate is normalised by "
             "itself; the paper's code normalises z and r together.",
    .text = "state h\n"
            "param g = 1, g1 = 1\n"
            "r  = sigmoid(g*norm(R h) + g1*norm(W x) + b)\n"
            "z  = sigmoid(g*norm(R h) + g1*norm(W x) + b)\n"
            "n  = tanh(r*(g*norm(R h) + b1) + g1*norm(W x) + b)\n"
            "h' = (1 - z)*h + z*n\n",
    .count = "3*H*(I+H+3)+H",
};
