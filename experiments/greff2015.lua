-- SPDX-License-Identifier: MIT
-- Greff, Srivastava, Koutnik, Steunebrink, Schmidhuber 2015, "LSTM: a search space odyssey", on
-- Bach's chorales: a vanilla LSTM (V) and eight variants, each searched at random by itself.
--
--   export CELLBENCH_DATA=...      # the folder with jsb_chorales/jsb-chorales-quarter.json
--   cellbench run experiments/greff2015.lua trials=60 --db results/greff2015.db --jobs 2
--   cellbench report results/greff2015.db --reproduction results/greff2015.md
--
-- The paper has 200 trials of each cell, which is the default here. Fewer are the first of these,
-- and more go on from them: nothing is trained twice.
--
-- The protocol, as far as it is known (the paper could not be read again; what is not sure stands
-- in `departures` below): one layer of 20 to 200 units, plain SGD with Nesterov momentum, an update
-- after each sequence, at most 150 epochs, an end after 15 epochs without a better validation
-- value, Gaussian noise on the input.
--
-- The scale of the loss. A rate of 1e-6 to 1e-2 says nothing without it. Here the gradient is that
-- of the loss summed over the frames of a sequence: with it the range holds rates that are far too
-- small as well as the best ones. Divided by the frames (60 on average), nearly all of the range
-- would be too small. After 40 epochs of greff-v with 50 units and a momentum of 0.9, in nats on
-- validation data:
--
--   learning rate     1e-5     1e-4     1e-3     1e-2
--   sum              11.75    10.26     8.79     8.52
--   frame            58.28    16.23    11.51     9.79

local cb = require "cellbench"

local arguments = cb.arguments { trials = 200 }

-- What the paper says of this data set, by notes on it.
local function claim(it)
  it.certainty = "second hand"
  it.source = "notes on the paper; the settings' shares are those over its three data sets"
  return it
end

-- Everything begins with draws from N(0, 0.1): biases and peepholes too.
local law = "normal(0.1)"

return cb.study {
  name = "greff2015",
  task = cb.task.music { file = "jsb-chorales-quarter.json" },
  init = { W = law, R = law, b = law, p = law },
  cells = {
    "greff-v", "greff-nig", "greff-nfg", "greff-nog", "greff-niaf", "greff-noaf",
    { "greff-np", init = { W = law, R = law, b = law } }, -- has no peepholes
    "greff-cifg", "greff-fgr",
  },

  -- As in the paper each cell is searched by itself, and no two trials share a seed: the trials of
  -- two cells are independent samples, which is what Welch's test asks for. With the same draws
  -- for all, their differences would suffer less from luck, but no test here could say by how much.
  search = cb.random { trials = arguments.trials, seed = 2015, draws = "own" },
  seeds = "own",

  -- The paper draws a learning rate and one minus the momentum, and multiplies the first by the
  -- second: so the size of the steps does not depend on the momentum.
  factors = {
    learning_rate = cb.log_uniform(1e-6, 1e-2),
    friction = cb.log_uniform(0.01, 1),
  },
  space = {
    hidden = cb.log_int(20, 200),
    input_noise = cb.uniform(0, 1),
    momentum = function(s)
      return 1 - s.friction
    end,
    rate = function(s)
      return s.learning_rate * s.friction
    end,
  },
  train = {
    optimiser = "nesterov", batch = 1, loss_scale = "sum", epochs = 150, patience = 15,
    readout_init = law,
  },
  keep = "none",

  reproduces = {
    paper = "Greff, Srivastava, Koutnik, Steunebrink, Schmidhuber 2015, LSTM: a search space "
      .. "odyssey, arXiv 1503.04069",
    baseline = "greff-v",
    best = 0.1,
    trials = 200,
    margin = 0.1,
    margin_why = "the differences between gated cells that papers report on these data are 0.1 to "
      .. "0.2 nats",
    claims = {
      claim { cell = "greff-noaf", expected = "worse" },
      claim { cell = "greff-nfg", expected = "worse" },
      claim { cell = "greff-cifg", expected = "not worse" },
      claim { cell = "greff-np", expected = "not worse" },
      claim { cell = "greff-nig", expected = "no difference" },
      claim { cell = "greff-nog", expected = "no difference" },
      claim { cell = "greff-niaf", expected = "no difference" },
      claim { cell = "greff-fgr", expected = "not better" },
      claim { setting = "learning_rate", above = 2 / 3 },
      claim { setting = "hidden", more_than = { "input_noise", "friction" } },
      claim { setting = "friction", below = 0.01 },
    },
    figures = {
      { cell = "greff-niaf", what = "lowest negative log-likelihood of all on these data",
        value = 8.38, certainty = "memory" },
    },
    departures = {
      "The ranges of sizes and of the input noise, the law N(0, 0.1), 150 epochs and the patience "
        .. "of 15 are from memory; the ranges of rate and momentum are second hand.",
      "Biases and peepholes are drawn from N(0, 0.1) as the matrices are, and the readout's bias "
        .. "begins at 0: what the paper does with them is not known.",
      "The gradient is that of the loss summed over the frames of a sequence: the paper's scale is "
        .. "not known. With a mean over frames nearly all of its rates would be too small.",
      "The order of the training sequences is drawn anew in each epoch: the paper's is not known.",
      "p is corrected for the number of cells (Holm); the paper corrects nothing.",
      "The shares of the settings are of the variance of the validation value, the paper's of the "
        .. "test value.",
    },
  },
}
