/* SPDX-License-Identifier: MIT */
/* The gated recurrent unit, reset after the product. */
#include "table.h"

const cb_cell_def cbi_variant_gru_after = {
    .name = "gru-after",
    .family = "gru",
    .year = 2014,
    .title = "Gated recurrent unit, reset gate after the recurrent product",
    .source = "Chung, Gulcehre, Cho & Bengio 2014, Empirical evaluation of gated recurrent "
              "neural networks on sequence modeling, arXiv 1412.3555; reset after the "
              "product as in cuDNN and PyTorch's nn.GRU",
    .notes = "z = 1 keeps the old state. b1 is the bias inside the reset. Not the function "
             "of 'gru': weights cannot be exchanged. PyTorch stacks r, z, n; its two "
             "biases of r and z sum to one b here, n has b (b_in) and b1 (b_hn).",
    .text = "state h\n"
            "r  = sigmoid(W x + R h + b)\n"
            "z  = sigmoid(W x + R h + b)\n"
            "n  = tanh(W x + b + r*(R h + b1))\n"
            "h' = z*h + (1 - z)*n\n",
    .count = "3*H*(I+H+1)+H",
};
