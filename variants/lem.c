/* SPDX-License-Identifier: MIT */
/* The long expressive memory. */
#include "table.h"

const cb_cell_def cbi_variant_lem = {
    .name = "lem",
    .family = "continuous",
    .year = 2022,
    .title = "LEM: long expressive memory, two states with time steps that are learned",
    .source = "Rusch, Mishra, Erichson & Mahoney 2022, Long expressive memory for sequence "
              "modeling, ICLR, arXiv 2110.04744, eq. 3",
    .notes = "k and m are the paper's Delta t and its overline. Two products in a row at "
             "each step. RecurrentLayers.jl prints the logistic function and one Delta t "
             "for both states; its code has tanh and both.",
    .text = "set dt = 1\n"
            "state h, z\n"
            "k  = dt*sigmoid(W x + R h + b)\n"
            "m  = dt*sigmoid(W x + R h + b)\n"
            "z' = (1 - k)*z + k*tanh(W x + R h + b)\n"
            "h' = (1 - m)*h + m*tanh(W x + R z' + b)\n",
    .count = "4*H*(I+H+1)",
};
