/* SPDX-License-Identifier: MIT */
/* Networks whose recurrent matrix is chosen by the input, and the LSTM on top of one. */
#include "table.h"

const cb_cell_def cbi_variant_mrnn = {
    .name = "mrnn",
    .family = "simple",
    .year = 2011,
    .title = "Multiplicative RNN: the input chooses the recurrent matrix, in factors",
    .source = "Sutskever, Martens & Hinton 2011, Generating text with recurrent neural "
              "networks, ICML",
    .notes = "As many factors as units (the paper has 500 beside 1500).",
    .text = "state h\n"
            "m  = (W x)*(R h)\n"
            "h' = tanh(W x + R m + b)\n",
    .count = "2*H*(I+H)+H",
};

const cb_cell_def cbi_variant_multiplicative_lstm = {
    .name = "multiplicative-lstm",
    .family = "lstm",
    .year = 2016,
    .title = "Multiplicative LSTM: the gates read the intermediate state of a "
             "multiplicative RNN",
    .source = "Krause, Lu, Murray & Renals 2016, Multiplicative LSTM for sequence "
              "modelling, arXiv 1609.07959",
    .notes = "'lstm' with m in the place of h. Often called mLSTM, as is the matrix memory "
             "of xLSTM, which is another thing. Two products in a row at each step, so it "
             "takes longer than its operations say.",
    .aliases = "mlstm-krause",
    .text = "state h, c\n"
            "m  = (W x)*(R h)\n"
            "z  = tanh(W x + R m + b)\n"
            "i  = sigmoid(W x + R m + b)\n"
            "f  = sigmoid(W x + R m + b)\n"
            "c' = f*c + i*z\n"
            "o  = sigmoid(W x + R m + b)\n"
            "h' = o*tanh(c')\n",
    .count = "4*H*(I+H+1)+H*(I+H)",
};
