/* SPDX-License-Identifier: MIT */
/* Units that see of the state only themselves. */
#include "table.h"

const cb_cell_def cbi_variant_indrnn = {
    .name = "indrnn",
    .family = "simple",
    .year = 2018,
    .title = "IndRNN: each unit reads of the state only its own value",
    .source = "Li, Li, Cook, Zhu & Gao 2018, Independently recurrent neural network "
              "(IndRNN), CVPR, arXiv 1803.04831",
    .notes = "The paper bounds |p| by 2^(1/T) for sequences of T steps, which is a little "
             "above the 1 here, and normalises batches between layers, which the language "
             "does not. Meant for stacks: a layer alone does not mix its units.",
    .text = "state h\n"
            "init p_h = uniform(0, 1)\n"
            "limit p_h = 1\n"
            "h' = relu(W x + p*h + b)\n",
    .count = "H*(I+2)",
};
