/* SPDX-License-Identifier: MIT */
/* Networks of oscillators: damped and coupled, or undamped and independent. */
#include "table.h"

const cb_cell_def cbi_variant_cornn = {
    .name = "cornn",
    .family = "continuous",
    .year = 2021,
    .title = "coRNN: coupled damped oscillators",
    .source = "Rusch & Mishra 2021, Coupled oscillatory recurrent neural network (coRNN), "
              "ICLR, arXiv 2010.00951, eq. 3",
    .notes = "The explicit form; the paper also has one with the damping of the new v. dt, "
             "gamma and epsilon are searched in the paper; the defaults are, from memory, "
             "those of its sequential MNIST.",
    .text = "set dt = 0.042\n"
            "set gamma = 2.7\n"
            "set epsilon = 4.7\n"
            "state y, v\n"
            "v' = v + dt*(tanh(W x + R y + R2 v + b) - gamma*y - epsilon*v)\n"
            "y' = y + dt*v'\n"
            "output y'\n",
    .count = "H*(I+2*H+1)",
};

const cb_cell_def cbi_variant_unicornn = {
    .name = "unicornn",
    .family = "continuous",
    .year = 2021,
    .title = "UnICORNN: undamped independent oscillators, each with a time step of its own",
    .source = "Rusch & Mishra 2021, UnICORNN: a recurrent model for learning very long "
              "time dependencies, ICML, arXiv 2103.05487",
    .notes = "A layer alone does not mix its units: the paper stacks several. Nothing but "
             "pointwise work in the loop.",
    .text = "set dt = 0.1\n"
            "set alpha = 1\n"
            "state y, v\n"
            "param k\n"
            "init k = uniform(0.1)\n"
            "init p = uniform(0, 1)\n"
            "d  = dt*sigmoid(k)\n"
            "v' = v - d*(tanh(W x + p*y + b) + alpha*y)\n"
            "y' = y + d*v'\n"
            "output y'\n",
    .count = "H*(I+3)",
};
