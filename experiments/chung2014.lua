-- SPDX-License-Identifier: MIT
-- Chung, Gulcehre, Cho, Bengio 2014, "Empirical evaluation of gated recurrent neural networks on
-- sequence modeling", on Bach's chorales: tanh, LSTM and GRU with about 20,000 parameters each.
--
--   export CELLBENCH_DATA=...      # the folder with jsb_chorales/jsb-chorales-quarter.json
--   cellbench run experiments/chung2014.lua --jobs 2 --db results/chung2014.db
--   cellbench compare results/chung2014.db
--
-- As in the paper: RMSProp, Gaussian weight noise with sd 0.075, the gradient's norm clipped at 1,
-- ten learning rates drawn log-uniformly, early stopping on validation. Then the rate that is best
-- on validation, for each cell, is run with five fresh seeds: what is reported is the mean of
-- those, not of the run that won.
--
-- Other than in the paper: its rates are exp(-12) to exp(-6), for a loss whose scale it does not
-- give. Here the gradient is that of the mean over frames, and the range of rates is such that for
-- each cell the best one lies within it.
--
-- Negative log-likelihood in nats per frame, mean over all frames of the test split, the first
-- frame of each chorale predicted from an input of zeros:
--
--              published    here: mean and sd of the five seeds
--   tanh         9.10         8.619 +- 0.013
--   LSTM         8.67         8.463 +- 0.025
--   GRU          8.54         8.505 +- 0.012
--
-- It takes six minutes of one core.

local cb = require "cellbench"

return cb.study {
  name = "chung2014",
  task = cb.task.music { file = "jsb-chorales-quarter.json" },
  cells = { "rnn", "lstm", "gru" },
  params = 20000,

  search = cb.random { trials = 10, seed = 1 },
  space = { rate = cb.log_uniform(5e-4, 2e-2) },
  seeds = 1,
  confirm = { top = 1, seeds = 5 },

  train = {
    optimiser = "rmsprop", weight_noise = 0.075, clip = 1,
    batch = 16, epochs = 300, patience = 15, loss_scale = "frame",
  },
}
