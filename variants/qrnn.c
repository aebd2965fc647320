/* SPDX-License-Identifier: MIT */
/* The quasi-recurrent network: gates are convolutions of the input. */
#include "table.h"

const cb_cell_def cbi_variant_qrnn = {
    .name = "qrnn",
    .family = "parallel",
    .year = 2016,
    .title = "QRNN: quasi-recurrent network, convolutions of width 2, fo-pooling",
    .source = "Bradbury, Merity, Xiong & Socher 2016, Quasi-recurrent neural networks, "
              "ICLR 2017, arXiv 1611.01576",
    .notes =
        "The convolution reads x and the input of the step before (nothing at the first), whose "
        "products u, v and w carry over: a product that waits one step, not a recurrent one. "
        "With biases, which the paper does not write.",
    .text = "state c, u, v, w\n"
            "u' = V x\n"
            "v' = V x\n"
            "w' = V x\n"
            "z  = tanh(W x + u + b)\n"
            "f  = sigmoid(W x + v + b)\n"
            "o  = sigmoid(W x + w + b)\n"
            "c' = f*c + (1 - f)*z\n"
            "h  = o*c'\n"
            "output h\n",
    .count = "3*H*(2*I+1)",
};
