/* SPDX-License-Identifier: MIT */
/* The gated recurrent unit, reset before the product. */
#include "table.h"

const cb_cell_def cbi_variant_gru = {
    .name = "gru",
    .title = "Gated recurrent unit, reset gate before the recurrent product",
    .source = "Cho et al. 2014, Learning phrase representations using RNN encoder-decoder for "
              "statistical machine translation, arXiv 1406.1078, eq. 5-8",
    .notes =
        "z = 1 keeps the old state, as in the paper; Chung et al. 2014 name 1 - z what is z here. "
        "PyTorch and cuDNN reset after the product and have a second bias inside the reset: "
        "another "
        "function, n = tanh(W x + b + r*(R h + b1)), b = b_in, b1 = b_hn; their gates are stacked "
        "by rows in the order r, z, n, and z means the same. "
        "With biases, which the paper leaves out.",
    .text = "state h\n"
            "r  = sigmoid(W x + R h + b)\n"
            "z  = sigmoid(W x + R h + b)\n"
            "n  = tanh(W x + R (r*h) + b)\n"
            "h' = z*h + (1 - z)*n\n",
    .count = "3*H*(I+H+1)",
};
