/* SPDX-License-Identifier: MIT */
/*
 * LSTMs whose cell also takes from the cell of the layer below, through a gate. They stand on a
 * cell of another kind as the lowest layer.
 */
#include "table.h"

const cb_cell_def cbi_variant_depth_gated = {
    .name = "depth-gated",
    .family = "deep",
    .year = 2015,
    .title = "Depth-gated LSTM",
    .source = "Yao, Cohn, Vylomova, Duh & Dyer 2015, Depth-gated recurrent neural "
              "networks, arXiv 1508.03790",
    .notes = "As in the paper: 'peephole' with d*lower.c added to the cell. Its lowest "
             "layer is 'peephole', which is what a closed gate leaves of it. All layers "
             "have the same H. The authors' code is another cell: depth-gated-coupled.",
    .aliases = "dglstm",
    .text = "lowest peephole\n"
            "state h, c\n"
            "z  = tanh(W x + R h + b)\n"
            "i  = sigmoid(W x + R h + p*c + b)\n"
            "f  = sigmoid(W x + R h + p*c + b)\n"
            "d  = sigmoid(W x + p*c + p1*lower.c + b)\n"
            "c' = d*lower.c + f*c + i*z\n"
            "o  = sigmoid(W x + R h + p*c' + b)\n"
            "h' = o*tanh(c')\n",
    .count = "4*H*(I+H+1)+3*H+H*(I+3)",
};

const cb_cell_def cbi_variant_depth_gated_coupled = {
    .name = "depth-gated-coupled",
    .family = "deep",
    .year = 2015,
    .title = "Depth-gated LSTM as in its authors' code",
    .source = "Yao, Cohn, Vylomova, Duh & Dyer 2015, as in dynet's DGLSTMBuilder "
              "(cnn/dglstm.cc)",
    .notes = "The code couples f = 1 - i, has whole matrices as peepholes, and scales the "
             "layer's input by exp(s). Its o leaves out h and c at the first step of a "
             "sequence; here that step has c' as all others.",
    .text = "lowest depth-gated-first\n"
            "state h, c\n"
            "param s[1]\n"
            "a[1] = exp(s)\n"
            "z  = tanh(a*(W x) + R h + b)\n"
            "i  = sigmoid(a*(W x) + R h + P c + b)\n"
            "f  = 1 - i\n"
            "d  = sigmoid(a*(W x) + p*c + p1*lower.c + b)\n"
            "c' = d*lower.c + f*c + i*z\n"
            "o  = sigmoid(a*(W x) + R h + P c' + b)\n"
            "h' = o*tanh(c')\n",
    .count = "3*H*(I+H+1)+2*H*H+H*(I+3)+1",
};

const cb_cell_def cbi_variant_depth_gated_first = {
    .name = "depth-gated-first",
    .family = "deep",
    .year = 2015,
    .title = "The lowest layer of depth-gated-coupled: the input stands for the cell below",
    .source = "Yao, Cohn, Vylomova, Duh & Dyer 2015, as in dynet's DGLSTMBuilder "
              "(cnn/dglstm.cc)",
    .notes = "In place of lower.c a linear map of the input, which d reads nothing of.",
    .text = "state h, c\n"
            "param s[1]\n"
            "a[1] = exp(s)\n"
            "z  = tanh(a*(W x) + R h + b)\n"
            "i  = sigmoid(a*(W x) + R h + P c + b)\n"
            "f  = 1 - i\n"
            "d  = sigmoid(a*(W x) + p*c + b)\n"
            "c' = d*(W x) + f*c + i*z\n"
            "o  = sigmoid(a*(W x) + R h + P c' + b)\n"
            "h' = o*tanh(c')\n",
    .count = "3*H*(I+H+1)+2*H*H+H*(I+2)+H*I+1",
};
