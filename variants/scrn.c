/* SPDX-License-Identifier: MIT */
/* A fast hidden layer beside slow context units. */
#include "table.h"

const cb_cell_def cbi_variant_scrn = {
    .name = "scrn",
    .family = "simple",
    .year = 2014,
    .title = "SCRN: structurally constrained network, slow context beside a fast hidden "
             "layer",
    .source = "Mikolov, Joulin, Chopra, Mathieu & Ranzato 2014, Learning longer memory in "
              "recurrent neural networks, arXiv 1412.7753",
    .notes = "The paper's outputs read h and s by a matrix each, U h + V s; here the "
             "readout reads y = h + V s, which reaches the same outputs where there are at "
             "most H of them. No biases, as in the paper. RecurrentLayers.jl computes h "
             "from a second product of the hidden layer.",
    .text = "set alpha = 0.95\n"
            "set context = 40\n"
            "state h, s[context]\n"
            "s' = (1 - alpha)*(W x) + alpha*s\n"
            "h' = sigmoid(W x + P s' + R h)\n"
            "y  = h' + V s'\n"
            "output y\n",
    .count = "I*40+H*(I+40+H)+H*40",
};
