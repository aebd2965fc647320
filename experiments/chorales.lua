-- SPDX-License-Identifier: MIT
-- Recurrent cells on Bach's chorales: random search over size, rate and clipping, as in comparisons
-- of the literature (Greff et al. 2017), at a size for a coffee break: about five minutes with two
-- jobs on two free cores with AVX-512 (`cellbench plan` says what it takes elsewhere).
--
--   export CELLBENCH_DATA=...      # the folder with jsb_chorales/jsb-chorales-quarter.json
--   cellbench run experiments/chorales.lua --jobs 2 --db results/chorales.db
--   cellbench table results/chorales.db
--
-- At each step of a chorale the model gives every note a probability; the loss is the negative
-- log-likelihood of the next chord in nats, averaged over steps. Knowing only how often each note
-- sounds gives 11.06 (`cellbench task music`). The data are the quarter-note version of
-- Boulanger-Lewandowski et al. 2012.

local cb = require "cellbench"

-- A cell of our own, beside the registered ones: the whole definition is its equations. This one
-- is the LSTM reduced to its forget gate (van der Westhuizen and Lasenby 2018, "The unreasonable
-- effectiveness of the forget gate").
local forget_only = cb.cell {
  name = "forget-only",
  source = "van der Westhuizen, Lasenby 2018, arXiv:1804.04849 (JANET, without its beta)",
  text = [[
state h
f  = sigmoid(W x + R h + b)
h' = f*h + (1 - f)*tanh(W x + R h + b)
]],
}

return cb.study {
  name = "chorales",
  task = cb.task.music { file = "jsb-chorales-quarter.json" },
  cells = { "rnn", "lstm", "peephole", "coupled", "gru", "clockwork", forget_only },

  -- Draws depend on this seed, the setting's name and the number of the draw: all cells meet the
  -- same ten settings, and an eleventh can be added without repeating the first ten.
  search = cb.random { trials = 10, seed = 1 },
  space = {
    hidden = cb.log_int(30, 100),
    rate = cb.log_uniform(2e-3, 2e-2),
    clip = cb.choice { 1, 5 },
  },

  -- The gradient is that of the mean over frames, so that rate and clipping mean the same whatever
  -- the lengths in a batch are.
  train = {
    optimiser = "adam", batch = 16, epochs = 150, patience = 10, loss_scale = "frame",
  },
  seeds = 1,
}
