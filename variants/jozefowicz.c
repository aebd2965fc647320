/* SPDX-License-Identifier: MIT */
/*
 * The cells of Jozefowicz et al. 2015: LSTMs with a gate left out, and the three best mutants of a
 * search over ten thousand cells. Their LSTM with a forget bias of 1 stands beside the LSTM.
 */
#include "table.h"

#define JOZEFOWICZ                                                                                 \
    "Jozefowicz, Zaremba & Sutskever 2015, An empirical exploration of recurrent network "         \
    "architectures, ICML, "

const cb_cell_def cbi_variant_lstm_i = {
    .name = "lstm-i",
    .family = "lstm",
    .year = 2015,
    .title = "LSTM without input gate (LSTM-i)",
    .source = JOZEFOWICZ "LSTM-i",
    .notes = "'lstm' with i = 1. greff-nig is the same with peepholes.",
    .text = "state h, c\n"
            "z  = tanh(W x + R h + b)\n"
            "f  = sigmoid(W x + R h + b)\n"
            "c' = f*c + z\n"
            "o  = sigmoid(W x + R h + b)\n"
            "h' = o*tanh(c')\n",
    .count = "3*H*(I+H+1)",
};

const cb_cell_def cbi_variant_lstm_f = {
    .name = "lstm-f",
    .family = "lstm",
    .year = 2015,
    .title = "LSTM without forget gate (LSTM-f)",
    .source = JOZEFOWICZ "LSTM-f",
    .notes = "'lstm' with f = 1, so close to the LSTM of 1997. greff-nfg is the same with "
             "peepholes.",
    .text = "state h, c\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + b)\n"
            "c' = c + i*z\n"
            "o  = sigmoid(W x + R h + b)\n"
            "h' = o*tanh(c')\n",
    .count = "3*H*(I+H+1)",
};

const cb_cell_def cbi_variant_lstm_o = {
    .name = "lstm-o",
    .family = "lstm",
    .year = 2015,
    .title = "LSTM without output gate (LSTM-o)",
    .source = JOZEFOWICZ "LSTM-o",
    .notes = "'lstm' with o = 1. greff-nog is the same with peepholes.",
    .text = "state h, c\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + b)\n"
            "f  = sigmoid(W x + R h + b)\n"
            "c' = f*c + i*z\n"
            "h' = tanh(c')\n",
    .count = "3*H*(I+H+1)",
};

const cb_cell_def cbi_variant_mut1 = {
    .name = "mut1",
    .family = "searched",
    .year = 2015,
    .title = "MUT1, a mutant of the GRU found by search",
    .source = JOZEFOWICZ "MUT1",
    .notes = "z = 1 takes the new value. The paper's bare tanh(x) needs I = H; elsewhere x "
             "goes through a matrix, W_fit.",
    .text = "state h\n"
            "z  = sigmoid(W x + b)\n"
            "r  = sigmoid(W x + R h + b)\n"
            "n  = tanh(R (r*h) + tanh(fit(x)) + b)\n"
            "h' = n*z + h*(1 - z)\n",
    .count = "H*(I+1)+H*(I+H+1)+H*(H+1)+F",
};

const cb_cell_def cbi_variant_mut2 = {
    .name = "mut2",
    .family = "searched",
    .year = 2015,
    .title = "MUT2, a mutant of the GRU found by search",
    .source = JOZEFOWICZ "MUT2",
    .notes = "z = 1 takes the new value. The paper's bare x in r needs I = H; elsewhere x "
             "goes through a matrix, W_fit.",
    .text = "state h\n"
            "z  = sigmoid(W x + R h + b)\n"
            "r  = sigmoid(fit(x) + R h + b)\n"
            "n  = tanh(R (r*h) + W x + b)\n"
            "h' = n*z + h*(1 - z)\n",
    .count = "2*H*(I+H+1)+H*(H+1)+F",
};

const cb_cell_def cbi_variant_mut3 = {
    .name = "mut3",
    .family = "searched",
    .year = 2015,
    .title = "MUT3, a mutant of the GRU found by search",
    .source = JOZEFOWICZ "MUT3",
    .notes = "z = 1 takes the new value: the GRU but for the tanh around the state that z "
             "reads.",
    .text = "state h\n"
            "z  = sigmoid(W x + R tanh(h) + b)\n"
            "r  = sigmoid(W x + R h + b)\n"
            "n  = tanh(R (r*h) + W x + b)\n"
            "h' = n*z + h*(1 - z)\n",
    .count = "3*H*(I+H+1)",
};
