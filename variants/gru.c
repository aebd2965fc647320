/* SPDX-License-Identifier: MIT */
/* The gated recurrent unit, reset before the product, in both namings. */
#include "table.h"

const cb_cell_def cbi_variant_gru = {
    .name = "gru",
    .family = "gru",
    .year = 2014,
    .title = "Gated recurrent unit, reset gate before the recurrent product",
    .source = "Cho et al. 2014, Learning phrase representations using RNN encoder-decoder "
              "for statistical machine translation, arXiv 1406.1078, eq. 5-8",
    .notes = "z = 1 keeps the old state, as in the paper; Chung et al. 2014 name 1 - z "
             "what is z here: gru-chung. PyTorch and cuDNN reset after the product and "
             "have a second bias inside the reset: another function, gru-after. With "
             "biases, which the paper leaves out.",
    .text = "state h\n"
            "r  = sigmoid(W x + R h + b)\n"
            "z  = sigmoid(W x + R h + b)\n"
            "n  = tanh(W x + R (r*h) + b)\n"
            "h' = z*h + (1 - z)*n\n",
    .count = "3*H*(I+H+1)",
};

const cb_cell_def cbi_variant_gru_chung = {
    .name = "gru-chung",
    .family = "gru",
    .year = 2014,
    .title = "Gated recurrent unit in Chung's naming: z = 1 takes the new value",
    .source = "Chung, Gulcehre, Cho & Bengio 2014, Empirical evaluation of gated recurrent "
              "neural networks on sequence modeling, arXiv 1412.3555",
    .notes = "'gru' with z for 1 - z: the same model, with W_z, R_z and b_z negated. A "
             "bias b_z that is started off 0 has the other sign.",
    .text = "state h\n"
            "r  = sigmoid(W x + R h + b)\n"
            "z  = sigmoid(W x + R h + b)\n"
            "n  = tanh(W x + R (r*h) + b)\n"
            "h' = (1 - z)*h + z*n\n",
    .count = "3*H*(I+H+1)",
};
