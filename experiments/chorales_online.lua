-- SPDX-License-Identifier: MIT
-- Training online, sequence by sequence, as in the literature on Bach's chorales: how long does an
-- epoch take? Six epochs of 229 sequences; scripts/speed runs this, and results/speed.md shows it.
--
--   export CELLBENCH_DATA=...      # the folder with jsb_chorales/jsb-chorales-quarter.json
--   cellbench run experiments/chorales_online.lua --jobs 1
--   sqlite3 results/speed-chorales.db "select epoch, split, seconds from epoch"

local cb = require "cellbench"

return cb.study {
  name = "speed-chorales",
  task = cb.task.music { file = "jsb-chorales-quarter.json" },
  cells = { "peephole" },
  hidden = 64,
  train = { optimiser = "nesterov", momentum = 0.9, rate = 0.01, batch = 1, epochs = 6, clip = 1 },
  keep = "none",
}
