/* SPDX-License-Identifier: MIT */
/* Rectified units that begin as a perfect memory. */
#include "table.h"

const cb_cell_def cbi_variant_irnn = {
    .name = "irnn",
    .family = "simple",
    .year = 2015,
    .title = "IRNN: rectified units, recurrent weights start as the identity",
    .source = "Le, Jaitly & Hinton 2015, A simple way to initialize recurrent networks of "
              "rectified linear units, arXiv 1504.00941",
    .notes = "For speech the paper scales the identity by 0.01: `init R_h = "
             "identity(0.01)` in a study. The equations are those of a simple network with "
             "relu; only the start is new.",
    .text = "state h\n"
            "init W = normal(0.001)\n"
            "init R = identity(1)\n"
            "h' = relu(W x + R h + b)\n",
    .count = "H*(I+H+1)",
};
