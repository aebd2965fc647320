/* SPDX-License-Identifier: MIT */
/* The GRU and the LSTM without anything in their gates that waits for the step before. */
#include "table.h"

const cb_cell_def cbi_variant_mingru = {
    .name = "mingru",
    .family = "parallel",
    .year = 2024,
    .title = "minGRU: no gate reads the state",
    .source = "Feng, Tung, Ahmed, Bengio & Hajimirsadegh 2024, Were RNNs all we needed?, "
              "arXiv 2410.01201",
    .notes = "The linear form. The paper computes it by a parallel scan, in the "
             "logarithmic domain with n replaced by a positive function of it (0.5 + n "
             "above 0, sigmoid(n) below); a loop over steps has no need of either.",
    .text = "state h\n"
            "z  = sigmoid(W x + b)\n"
            "n  = W x + b\n"
            "h' = (1 - z)*h + z*n\n",
    .count = "2*H*(I+1)",
};

const cb_cell_def cbi_variant_minlstm = {
    .name = "minlstm",
    .family = "parallel",
    .year = 2024,
    .title = "minLSTM: no gate reads the state, gates sum to one",
    .source = "Feng, Tung, Ahmed, Bengio & Hajimirsadegh 2024, Were RNNs all we needed?, "
              "arXiv 2410.01201",
    .notes = "The linear form, as 'mingru'.",
    .text = "state h\n"
            "f  = sigmoid(W x + b)\n"
            "i  = sigmoid(W x + b)\n"
            "n  = W x + b\n"
            "h' = f/(f + i)*h + i/(f + i)*n\n",
    .count = "3*H*(I+1)",
};
