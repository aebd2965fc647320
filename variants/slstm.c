/* SPDX-License-Identifier: MIT */
/* The scalar LSTM of xLSTM: exponential gates, normalised, and stabilised. */
#include "table.h"

const cb_cell_def cbi_variant_slstm = {
    .name = "slstm",
    .family = "lstm",
    .year = 2024,
    .title = "sLSTM: exponential input gate, normaliser state, heads",
    .source = "Beck et al. 2024, xLSTM: extended long short-term memory, arXiv 2405.04517, "
              "eq. 8-17",
    .notes = "u and l are the logarithms of the input and of the forget gate, which is a "
             "sigmoid (the paper leaves the choice between it and exp). m keeps the "
             "exponentials from overflowing and drops out of c/n. R is block-diagonal by "
             "head. The block around the cell (convolution, group norm, projections) is "
             "not here.",
    .text = "set heads = 2\n"
            "state h, c, n, m = -1e30\n"
            "matrix R = blockdiag(heads)\n"
            "z  = tanh(W x + R h + b)\n"
            "u  = W x + R h + b\n"
            "l  = logsigmoid(W x + R h + b)\n"
            "o  = sigmoid(W x + R h + b)\n"
            "m' = max(l + m, u)\n"
            "i  = exp(u - m')\n"
            "f  = exp(l + m - m')\n"
            "c' = f*c + i*z\n"
            "n' = f*n + i\n"
            "h' = o*(c'/n')\n",
    .count = "4*H*(I+H/2+1)",
};
