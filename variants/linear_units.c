/* SPDX-License-Identifier: MIT */
/* Recurrences that are linear in the state and diagonal, as in state space models. */
#include "table.h"

const cb_cell_def cbi_variant_lru = {
    .name = "lru",
    .family = "parallel",
    .year = 2023,
    .title = "LRU: linear recurrent unit, complex and diagonal",
    .source = "Orvieto, Smith, Gu, Fernando, Gulcehre, Pascanu & De 2023, Resurrecting "
              "recurrent neural networks for long sequences, ICML, arXiv 2303.06349",
    .notes = "u and v are the real and the imaginary part; exp(-exp(nu)) is the size of an "
             "eigenvalue, exp(theta) its angle, P - iQ the matrix C. nu and theta start so "
             "that sizes lie between 0.9 and 0.999 and angles below 2 pi (the paper draws "
             "uniformly on the ring). The factor g is learned in the paper, from the start "
             "that is kept here. The layers around it (normalisation, gated MLP, skip) are "
             "not here.",
    .text = "state u, v\n"
            "param nu, theta\n"
            "init nu = uniform(-6.9, -2.25)\n"
            "init theta = uniform(-2, 1.8)\n"
            "r  = exp(-exp(nu))\n"
            "t  = exp(theta)\n"
            "a  = r*cos(t)\n"
            "e  = r*sin(t)\n"
            "g  = sqrt(1 - r*r)\n"
            "u' = a*u - e*v + g*(W x)\n"
            "v' = e*u + a*v + g*(W x)\n"
            "h  = P u' - Q v' + p*fit(x)\n"
            "output h\n",
    .count = "2*H*I+2*H*H+3*H+F",
};

const cb_cell_def cbi_variant_rg_lru = {
    .name = "rg-lru",
    .family = "parallel",
    .year = 2024,
    .title = "RG-LRU: real-gated linear recurrent unit",
    .source = "De, Smith, Fernando, Botev et al. 2024, Griffin: mixing gated linear "
              "recurrences with local attention, arXiv 2402.19427",
    .notes =
        "exp(l) is the paper's a, -softplus(-lambda) its log sigmoid; the root is sqrt(1 - a*a), "
        "written without the difference, "
        "of which f32 keeps little where a is near 1: 1 - exp(2 l) = -2 tanh(l)/(1 - tanh(l)). "
        "sigmoid(lambda)^8 starts between 0.9 and 0.999, as in the paper. Where I is "
        "not H, x goes through a matrix, W_fit. The block around it (convolution, "
        "gated branch) is not here.",
    .text = "state h\n"
            "param lambda\n"
            "init lambda = uniform(4.3, 9)\n"
            "r  = sigmoid(W x + b)\n"
            "i  = sigmoid(W x + b)\n"
            "l  = -8*r*softplus(-lambda)\n"
            "t  = tanh(l)\n"
            "h' = exp(l)*h + sqrt(-2*t/(1 - t))*(i*fit(x))\n",
    .count = "2*H*(I+1)+H+F",
};
