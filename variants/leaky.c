/* SPDX-License-Identifier: MIT */
/* Units that each move towards their new value at a rate of their own. */
#include "table.h"

const cb_cell_def cbi_variant_leaky = {
    .name = "leaky",
    .family = "simple",
    .year = 1992,
    .title = "Leaky units with fixed time constants of many scales",
    .source = "Mozer 1992, Induction of multiscale temporal structure, NIPS 4",
    .notes = "tau = 0 is an ordinary unit, tau near 1 one that moves slowly. The paper "
             "sets the constants by hand, different for each unit; here they are drawn "
             "once for each tensor and seed, and not learned. `init tau_h = constant(0.9)` "
             "gives all units one; without `fixed` they are learned.",
    .aliases = "mozer",
    .text = "state h\n"
            "param tau\n"
            "fixed tau\n"
            "init tau = uniform(0, 1)\n"
            "h' = tau*h + (1 - tau)*tanh(W x + R h + b)\n",
    .count = "H*(I+H+1)",
};
