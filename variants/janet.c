/* SPDX-License-Identifier: MIT */
/* An LSTM of which only the forget gate is left. */
#include "table.h"

const cb_cell_def cbi_variant_janet = {
    .name = "janet",
    .family = "lstm",
    .year = 2018,
    .title = "JANET: just another network, forget gate only",
    .source = "van der Westhuizen & Lasenby 2018, The unreasonable effectiveness of the "
              "forget gate, arXiv 1804.04849",
    .notes = "The paper starts b_s by the chrono rule, log U(1, T-1) for sequences of T "
             "steps; here it is 1, and a study says better: `init = { b_s = 'uniform(0, "
             "4)' }`.",
    .text = "set beta = 1\n"
            "state h\n"
            "init b_s = constant(1)\n"
            "s  = W x + R h + b\n"
            "n  = tanh(W x + R h + b)\n"
            "h' = sigmoid(s)*h + (1 - sigmoid(s - beta))*n\n",
    .count = "2*H*(I+H+1)",
};
