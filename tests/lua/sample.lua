-- SPDX-License-Identifier: MIT
-- The study whose results the tests of databases read: a second of training.
local cb = require "cellbench"

return cb.study {
  name = "sample",
  task = cb.task.copy { length = 3, digits = 2, train = 60, valid = 20, test = 20 },
  cells = { "rnn", { "gru", name = "gru-small", hidden = 3 } },
  hidden = 5,
  space = { rate = cb.choice { 0.01, 0.05, 1e30 }, optimiser = cb.choice { "adam", "sgd" } },
  train = { epochs = 3, batch = 20 },
  seeds = 2,
  keep = "none",
}
