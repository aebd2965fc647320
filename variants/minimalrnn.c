/* SPDX-License-Identifier: MIT */
/* One gate between the state and the input, which is mapped first. */
#include "table.h"

const cb_cell_def cbi_variant_minimalrnn = {
    .name = "minimalrnn",
    .family = "gated",
    .year = 2017,
    .title = "MinimalRNN: the input is mapped into the latent space, then gated in",
    .source = "Chen 2017, MinimalRNN: toward more interpretable and trainable recurrent "
              "neural networks, arXiv 1711.06788",
    .notes = "The paper's map of the input may be any network; here it is one layer of "
             "tanh.",
    .text = "state h\n"
            "v  = tanh(W x + b)\n"
            "u  = sigmoid(R h + V v + b)\n"
            "h' = u*h + (1 - u)*v\n",
    .count = "H*(I+1)+H*(2*H+1)",
};
