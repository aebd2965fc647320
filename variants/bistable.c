/* SPDX-License-Identifier: MIT */
/* Cells that can hold one of two stable values for ever. */
#include "table.h"

const cb_cell_def cbi_variant_brc = {
    .name = "brc",
    .family = "gated",
    .year = 2021,
    .title = "BRC: bistable recurrent cell",
    .source = "Vecoven, Ernst & Drion 2021, A bio-inspired bistable recurrent cell allows "
              "for long-lasting memory, PLOS ONE 16(6), arXiv 2006.05252",
    .notes = "A unit sees of the state only its own value; where a > 1 it has two stable "
             "values. p starts at 0, as all vectors do. Nothing but pointwise work in the "
             "loop.",
    .text = "state h\n"
            "a  = 1 + tanh(W x + p*h)\n"
            "c  = sigmoid(W x + p*h)\n"
            "h' = c*h + (1 - c)*tanh(W x + a*h)\n",
    .count = "3*H*I+2*H",
};

const cb_cell_def cbi_variant_nbrc = {
    .name = "nbrc",
    .family = "gated",
    .year = 2021,
    .title = "nBRC: recurrently neuromodulated bistable cell",
    .source = "Vecoven, Ernst & Drion 2021, A bio-inspired bistable recurrent cell allows "
              "for long-lasting memory, PLOS ONE 16(6), arXiv 2006.05252",
    .notes = "'brc' whose gates read the whole state.",
    .text = "state h\n"
            "a  = 1 + tanh(W x + R h)\n"
            "c  = sigmoid(W x + R h)\n"
            "h' = c*h + (1 - c)*tanh(W x + a*h)\n",
    .count = "3*H*I+2*H*H",
};
