/* SPDX-License-Identifier: MIT */
/* A cell made so that gradients keep their size through a stack. */
#include "table.h"

const cb_cell_def cbi_variant_star = {
    .name = "star",
    .family = "gated",
    .year = 2021,
    .title = "STAR: stackable recurrent cell",
    .source = "Turkoglu, D'Aronco, Wegner & Schindler 2021, Gating revisited: deep "
              "multi-layer RNNs that can be trained, IEEE TPAMI, arXiv 1911.11033",
    .notes = "k = 1 takes the new value. No output gate and no memory cell: the paper drops what "
             "shrinks or inflates the gradient on its way through a stack. It came out in 2019.",
    .text = "state h\n"
            "z  = tanh(W x + b)\n"
            "k  = sigmoid(W x + R h + b)\n"
            "h' = tanh((1 - k)*h + k*z)\n",
    .count = "H*(I+1)+H*(I+H+1)",
};
