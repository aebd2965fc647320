-- SPDX-License-Identifier: MIT
-- Four classic tests of memory, without a database: can a cell carry what it saw over a long lag?
--
--   cellbench lua experiments/memory.lua
--
-- adding          two marked numbers among 100, answered with their sum; chance 1/6
-- temporal order  the order of two symbols, 50 steps and more before the end; chance ln 4
-- copy            five digits, repeated after a blank of 20; chance 5 ln 8 / 30
-- Reber           the grammar's second symbol decides its last but one; without memory 0.126 nats
--
-- All cells get the same settings and the same number of epochs: a cell that fails here may succeed
-- with others. One seed each: a demonstration, not a comparison (for that: a study with seeds).
-- It takes seven minutes of one core, most of them for copy.

local cb = require "cellbench"

local tests = {
  { name = "adding", task = cb.task.adding { length = 100 }, hidden = 24,
    train = { rate = 0.01, batch = 32, epochs = 20 } },
  { name = "temporal order", task = cb.task.temporal_order { length = 100 }, hidden = 24,
    train = { rate = 0.02, batch = 16, epochs = 60 } },
  { name = "copy", task = cb.task.copy { length = 20, digits = 5 }, hidden = 64,
    train = { rate = 0.005, batch = 32, epochs = 250, schedule = "cosine" } },
  { name = "Reber", task = cb.task.reber {}, hidden = 12,
    train = { rate = 0.02, batch = 16, epochs = 100 } },
}
local cells = { "lstm", "peephole", "coupled", "gru", "rnn", "clockwork" }

for _, test in ipairs(tests) do
  for _, cell in ipairs(cells) do
    local train = { optimiser = "adam", clip = 1, forget_bias = 1 }
    for name, value in pairs(test.train) do
      train[name] = value
    end
    local begun = os.clock()
    local result = cb.train {
      task = test.task, cell = cell, hidden = test.hidden, train = train, seed = 1,
    }
    print(("%-15s %-10s test %-10.3g %6.1f s"):format(test.name, cell, result.test or 0 / 0,
      os.clock() - begun))
  end
end
