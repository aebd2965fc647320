/* SPDX-License-Identifier: MIT */
/*
 * The nine LSTMs of Greff et al. 2015: V, and eight that differ from it in one thing each. They
 * stand in one file because that difference is what they are about: below, V's equations are
 * written once, and a cell's text shows nothing of its own but what it changes. `cellbench cells
 * NAME` prints each in full.
 *
 * The paper's letters are z, i, f, o, c and y; y is h here, g and h of the paper are both tanh.
 */
#include "table.h"

#define GREFF_SOURCE                                                                               \
    "Greff, Srivastava, Koutnik, Steunebrink & Schmidhuber 2015, LSTM: a search space odyssey, "   \
    "arXiv 1503.04069 (IEEE TNNLS 2017), section 2 (V) and 3 (variants)"

/* V, equation by equation: block input, input gate, forget gate, cell, output gate, output. */
#define STATE "state h, c\n"
#define V_Z "z  = tanh(W x + R h + b)\n"
#define V_I "i  = sigmoid(W x + R h + p*c + b)\n"
#define V_F "f  = sigmoid(W x + R h + p*c + b)\n"
#define V_C "c' = f*c + i*z\n"
#define V_O "o  = sigmoid(W x + R h + p*c' + b)\n"
#define V_H "h' = o*tanh(c')\n"

#define COUNT_V "4*H*(I+H+1)+3*H"
#define COUNT_THREE "3*H*(I+H+1)+2*H" /* z and two gates, each with its peephole */

const cb_cell_def cbi_variant_greff_v = {
    .name = "greff-v",
    .family = "greff",
    .year = 2015,
    .title = "Greff's vanilla LSTM (V): three gates, three peepholes, full gradient",
    .source = GREFF_SOURCE,
    .notes =
        "The baseline of the paper, equal to 'peephole'. 'lstm', which others call vanilla, has "
        "no peepholes: that is greff-np.",
    .text = STATE V_Z V_I V_F V_C V_O V_H,
    .count = COUNT_V,
};

const cb_cell_def cbi_variant_greff_nig = {
    .name = "greff-nig",
    .family = "greff",
    .year = 2015,
    .title = "Greff's LSTM without input gate (NIG)",
    .source = GREFF_SOURCE,
    .notes = "V with i = 1; the gate's weights and its peephole are gone.",
    .text = STATE V_Z V_F "c' = f*c + z\n" V_O V_H,
    .count = COUNT_THREE,
};

const cb_cell_def cbi_variant_greff_nfg = {
    .name = "greff-nfg",
    .family = "greff",
    .year = 2015,
    .title = "Greff's LSTM without forget gate (NFG)",
    .source = GREFF_SOURCE,
    .notes =
        "V with f = 1: the cell only adds, as in 1997; the gate's weights and its peephole are "
        "gone.",
    .text = STATE V_Z V_I "c' = c + i*z\n" V_O V_H,
    .count = COUNT_THREE,
};

const cb_cell_def cbi_variant_greff_nog = {
    .name = "greff-nog",
    .family = "greff",
    .year = 2015,
    .title = "Greff's LSTM without output gate (NOG)",
    .source = GREFF_SOURCE,
    .notes = "V with o = 1; the gate's weights and its peephole are gone.",
    .text = STATE V_Z V_I V_F V_C "h' = tanh(c')\n",
    .count = COUNT_THREE,
};

const cb_cell_def cbi_variant_greff_niaf = {
    .name = "greff-niaf",
    .family = "greff",
    .year = 2015,
    .title = "Greff's LSTM without input activation function (NIAF)",
    .source = GREFF_SOURCE,
    .notes = "V with g(x) = x: the block input is not squashed.",
    .text = STATE "z  = W x + R h + b\n" V_I V_F V_C V_O V_H,
    .count = COUNT_V,
};

const cb_cell_def cbi_variant_greff_noaf = {
    .name = "greff-noaf",
    .family = "greff",
    .year = 2015,
    .title = "Greff's LSTM without output activation function (NOAF)",
    .source = GREFF_SOURCE,
    .notes = "V with h(x) = x: the cell is not squashed before the output gate, so that the output "
             "has no bound.",
    .text = STATE V_Z V_I V_F V_C V_O "h' = o*c'\n",
    .count = COUNT_V,
};

const cb_cell_def cbi_variant_greff_np = {
    .name = "greff-np",
    .family = "greff",
    .year = 2015,
    .title = "Greff's LSTM without peepholes (NP)",
    .source = GREFF_SOURCE,
    .notes = "Equal to 'lstm'.",
    .text = STATE V_Z "i  = sigmoid(W x + R h + b)\n"
                      "f  = sigmoid(W x + R h + b)\n" V_C "o  = sigmoid(W x + R h + b)\n" V_H,
    .count = "4*H*(I+H+1)",
};

const cb_cell_def cbi_variant_greff_cifg = {
    .name = "greff-cifg",
    .family = "greff",
    .year = 2015,
    .title = "Greff's LSTM with coupled input and forget gate (CIFG)",
    .source = GREFF_SOURCE,
    .notes =
        "V with f = 1 - i; the forget gate's weights and its peephole are gone. 'coupled' is the "
        "same without peepholes.",
    .text = STATE V_Z V_I "f  = 1 - i\n" V_C V_O V_H,
    .count = COUNT_THREE,
};

const cb_cell_def cbi_variant_greff_fgr = {
    .name = "greff-fgr",
    .family = "greff",
    .year = 2015,
    .title = "Greff's LSTM with full gate recurrence (FGR)",
    .source = GREFF_SOURCE,
    .notes = "V with nine more recurrent matrices: each gate reads the values of all gates at the "
             "step before, as in 1997. The gates are states for that reason, and begin as 0.",
    .text =
        "state h, c, i, f, o\n" V_Z "i' = sigmoid(W x + R h + R_ii i + R_fi f + R_oi o + p*c + b)\n"
        "f' = sigmoid(W x + R h + R_if i + R_ff f + R_of o + p*c + b)\n"
        "c' = f'*c + i'*z\n"
        "o' = sigmoid(W x + R h + R_io i + R_fo f + R_oo o + p*c' + b)\n"
        "h' = o'*tanh(c')\n",
    .count = "4*H*(I+H+1)+3*H+9*H*H",
};
