/* SPDX-License-Identifier: MIT */
/* The cell that a controller network found. */
#include "table.h"

const cb_cell_def cbi_variant_nas = {
    .name = "nas",
    .family = "searched",
    .year = 2017,
    .title = "NASCell, found by a controller trained with reinforcement learning",
    .source = "Zoph & Le 2017, Neural architecture search with reinforcement learning, "
              "ICLR, arXiv 1611.01578, appendix; as in TensorFlow's NASCell",
    .notes = "Without biases, the default of TensorFlow's NASCell, after which this is "
             "written; the paper shows the cell as a drawing.",
    .aliases = "nascell",
    .text = "state h, c\n"
            "s1 = sigmoid(W x + R h)\n"
            "s2 = relu(W x + R h)\n"
            "s3 = sigmoid(W x + R h)\n"
            "s4 = relu((W x)*(R h))\n"
            "s5 = tanh(W x + R h)\n"
            "s6 = sigmoid(W x + R h)\n"
            "s7 = tanh(W x + R h)\n"
            "s8 = sigmoid(W x + R h)\n"
            "l1 = tanh(tanh(s1*s2) + c)\n"
            "l2 = tanh(s3 + s4)\n"
            "l3 = tanh(s5*s6)\n"
            "l4 = sigmoid(s7 + s8)\n"
            "c' = l1*l2\n"
            "h' = tanh(c'*tanh(l3 + l4))\n",
    .count = "8*H*(I+H)",
};
