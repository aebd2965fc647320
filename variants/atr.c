/* SPDX-License-Identifier: MIT */
/* Two gates out of one sum and one difference. */
#include "table.h"

const cb_cell_def cbi_variant_atr = {
    .name = "atr",
    .family = "gated",
    .year = 2018,
    .title = "ATR: addition-subtraction twin-gated network",
    .source = "Zhang, Xiong, Su, Lin & Zhang 2018, Simplifying neural machine translation "
              "with addition-subtraction twin-gated recurrent networks, EMNLP, arXiv "
              "1810.12546",
    .notes = "No biases, as in the paper.",
    .text = "state h\n"
            "u  = W x\n"
            "v  = R h\n"
            "i  = sigmoid(u + v)\n"
            "f  = sigmoid(u - v)\n"
            "h' = i*u + f*h\n",
    .count = "H*(I+H)",
};
