-- SPDX-License-Identifier: MIT
-- Six recurrent cells on the adding problem: the first study to run, and the first to copy.
--
--   cellbench plan experiments/quickstart.lua
--   cellbench run experiments/quickstart.lua --db results/quickstart.db
--   sqlite3 results/quickstart.db "select * from leaderboard"
--
-- Each sequence holds 24 random numbers, two of them marked; the answer is the sum of those two. A
-- cell that remembers nothing can only answer 1, the mean, and has an error of 1/6 = 0.167.

local cb = require "cellbench"

return cb.study {
  name = "quickstart",

  -- The data are generated from a seed of their own, the same for every cell and every run.
  task = cb.task.adding { length = 24, train = 2000, valid = 500, test = 500 },

  -- `cellbench cells NAME` prints a cell's equations. The clockwork's hidden units are in groups,
  -- and group k moves only every periods[k] steps; the rest of its settings are the study's.
  cells = {
    "rnn", "lstm", "peephole", "coupled", "gru",
    { "clockwork", set = { periods = { 1, 2, 4, 8 } } },
  },

  -- A grid over one axis. Every cell meets each rate, so that none is judged by a rate that happens
  -- not to suit it.
  hidden = 32,
  space = { rate = cb.choice { 0.002, 0.01 } },

  -- What is the same for all. Training ends early when validation has not improved for 6 epochs.
  train = { optimiser = "adam", clip = 1, batch = 20, epochs = 15, patience = 6 },

  -- Each configuration is trained three times from other weights: without that spread no
  -- difference between two cells means anything. Seed 1 is the same for all cells.
  seeds = 3,
}
