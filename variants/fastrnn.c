/* SPDX-License-Identifier: MIT */
/* A simple network and a gated one with two scalars more, made for small devices. */
#include "table.h"

const cb_cell_def cbi_variant_fastrnn = {
    .name = "fastrnn",
    .family = "simple",
    .year = 2018,
    .title = "FastRNN: simple network with a weighted residual connection",
    .source = "Kusupati, Singh, Bhatia, Kumar, Jain & Varma 2018, FastGRNN, NeurIPS, arXiv "
              "1901.02358",
    .notes = "The two weights are learned through a sigmoid and start near 0.05 and 0.95, "
             "as in the authors' code (EdgeML). RecurrentLayers.jl leaves the sigmoid out.",
    .text = "state h\n"
            "param alpha[1] = -3, beta[1] = 3\n"
            "h' = sigmoid(alpha)*tanh(W x + R h + b) + sigmoid(beta)*h\n",
    .count = "H*(I+H+1)+2",
};

const cb_cell_def cbi_variant_fastgrnn = {
    .name = "fastgrnn",
    .family = "gated",
    .year = 2018,
    .title = "FastGRNN: gate and candidate share their matrices",
    .source = "Kusupati, Singh, Bhatia, Kumar, Jain & Varma 2018, FastGRNN, NeurIPS, arXiv "
              "1901.02358",
    .notes = "z = 1 keeps the old state. The paper also makes the matrices low-rank, "
             "sparse and quantised, which is not done here. The start of zeta and nu is "
             "that of the authors' code.",
    .text = "state h\n"
            "param zeta[1] = 1, nu[1] = -4\n"
            "u  = W x + R h\n"
            "z  = sigmoid(u + b)\n"
            "n  = tanh(u + b)\n"
            "h' = (sigmoid(zeta)*(1 - z) + sigmoid(nu))*n + z*h\n",
    .count = "H*(I+H+2)+2",
};
