/* SPDX-License-Identifier: MIT */
/* Steps along an ordinary differential equation whose Jacobian has no real part. */
#include "table.h"

const cb_cell_def cbi_variant_antisymmetric = {
    .name = "antisymmetric",
    .family = "continuous",
    .year = 2019,
    .title = "AntisymmetricRNN: Euler steps of a stable differential equation",
    .source = "Chang, Chen, Haber & Chi 2019, AntisymmetricRNN, ICLR, arXiv 1902.09689",
    .notes = "R is W - W^T in the paper: the free numbers are those above the diagonal. "
             "epsilon is the step, gamma the diffusion; the paper searches both.",
    .text = "set epsilon = 0.1\n"
            "set gamma = 0.01\n"
            "state h\n"
            "matrix R = antisymmetric\n"
            "h' = h + epsilon*tanh(W x + R h - gamma*h + b)\n",
    .count = "H*I+H*(H-1)/2+H",
};

const cb_cell_def cbi_variant_antisymmetric_gated = {
    .name = "antisymmetric-gated",
    .family = "continuous",
    .year = 2019,
    .title = "AntisymmetricRNN with an input gate",
    .source = "Chang, Chen, Haber & Chi 2019, AntisymmetricRNN, ICLR, arXiv 1902.09689",
    .notes = "Gate and candidate share the antisymmetric matrix.",
    .text = "set epsilon = 0.1\n"
            "set gamma = 0.01\n"
            "state h\n"
            "matrix R = antisymmetric\n"
            "u  = R h - gamma*h\n"
            "z  = sigmoid(W x + u + b)\n"
            "h' = h + epsilon*(z*tanh(W x + u + b))\n",
    .count = "2*H*(I+1)+H*(H-1)/2",
};
