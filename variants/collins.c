/* SPDX-License-Identifier: MIT */
/* The two cells that Collins et al. 2017 propose beside their comparison. */
#include "table.h"

const cb_cell_def cbi_variant_ugrnn = {
    .name = "ugrnn",
    .family = "gated",
    .year = 2017,
    .title = "Update gate RNN",
    .source = "Collins, Sohl-Dickstein & Sussillo 2017, Capacity and trainability in "
              "recurrent neural networks, ICLR, arXiv 1611.09913",
    .notes = "The paper adds a searched constant to b_g, which is its start here: 1. The "
             "initial state is learned there.",
    .text = "state h\n"
            "init b_g = constant(1)\n"
            "n  = tanh(W x + R h + b)\n"
            "g  = sigmoid(W x + R h + b)\n"
            "h' = g*h + (1 - g)*n\n",
    .count = "2*H*(I+H+1)",
};

const cb_cell_def cbi_variant_intersection = {
    .name = "intersection",
    .family = "gated",
    .year = 2017,
    .title = "Intersection RNN (+RNN): gated in time and in depth",
    .source = "Collins, Sohl-Dickstein & Sussillo 2017, Capacity and trainability in "
              "recurrent neural networks, ICLR, arXiv 1611.09913",
    .notes = "What the layer above reads, y, is a gated mix of the layer's input and its "
             "own: the paper needs I = H for it, elsewhere x goes through a matrix, W_fit.",
    .aliases = "plus-rnn",
    .text = "state h\n"
            "init b_g = constant(1)\n"
            "init b_k = constant(1)\n"
            "n  = tanh(W x + R h + b)\n"
            "g  = sigmoid(W x + R h + b)\n"
            "h' = g*h + (1 - g)*n\n"
            "v  = relu(W x + R h + b)\n"
            "k  = sigmoid(W x + R h + b)\n"
            "y  = k*fit(x) + (1 - k)*v\n"
            "output y\n",
    .count = "4*H*(I+H+1)+F",
};
