/* SPDX-License-Identifier: MIT */
/* LSTMs whose output is a projection of their units, smaller than they are. */
#include "table.h"

const cb_cell_def cbi_variant_projected = {
    .name = "projected",
    .family = "lstm",
    .year = 2014,
    .title = "LSTM with a projected output",
    .source = "Sak, Senior & Beaufays 2014, Long short-term memory based recurrent neural "
              "network architectures for large vocabulary speech recognition, arXiv "
              "1402.1128, without its peepholes",
    .notes = "H cells, an output of H/shrink, which is also what the next step reads. As "
             "PyTorch's nn.LSTM with proj_size; the paper has peepholes: "
             "projected-peephole.",
    .aliases = "lstmp",
    .text = "set shrink = 2\n"
            "dim proj = H/shrink\n"
            "state h[proj], c\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + b)\n"
            "f  = sigmoid(W x + R h + b)\n"
            "c' = f*c + i*z\n"
            "o  = sigmoid(W x + R h + b)\n"
            "h' = P (o*tanh(c'))\n",
    .count = "4*H*(I+H/2+1)+H/2*H",
};

const cb_cell_def cbi_variant_projected_peephole = {
    .name = "projected-peephole",
    .family = "lstm",
    .year = 2014,
    .title = "LSTM with peepholes and a projected output (LSTMP)",
    .source = "Sak, Senior & Beaufays 2014, Long short-term memory based recurrent neural "
              "network architectures for large vocabulary speech recognition, arXiv "
              "1402.1128",
    .notes = "The paper's LSTMP; its second projection, which the next step does not read, "
             "is not here.",
    .text = "set shrink = 2\n"
            "dim proj = H/shrink\n"
            "state h[proj], c\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + p*c + b)\n"
            "f  = sigmoid(W x + R h + p*c + b)\n"
            "c' = f*c + i*z\n"
            "o  = sigmoid(W x + R h + p*c' + b)\n"
            "h' = P (o*tanh(c'))\n",
    .count = "4*H*(I+H/2+1)+3*H+H/2*H",
};
