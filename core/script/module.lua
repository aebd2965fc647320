-- SPDX-License-Identifier: MIT
-- The table that `require "cellbench"` returns.

local core, values, cells, _, _, _, study, net, train, results, arguments = ...

local guard = core.guard

local module = {
  version = core.version,
  study = guard(study.create, true),
  grid = guard(values.grid),
  random = guard(values.random),
  choice = guard(values.choice),
  int = guard(values.int),
  log_int = guard(values.log_int),
  uniform = guard(values.uniform),
  log_uniform = guard(values.log_uniform),
  cell = guard(cells.cell),
  stack = guard(cells.stack),
  cells = guard(cells.cells),
  tasks = guard(cells.tasks),
  task = setmetatable({}, {
    __name = "cellbench.tasks",
    __index = guard(function(_, name)
      return cells.task(name)
    end),
    __newindex = guard(function()
      values.fault("cb.task cannot be changed")
    end),
  }),
  net = guard(net.create),
  train = guard(train.run),
  open = core.open,
  interval = guard(results.interval),
  arguments = guard(arguments.read),
}

-- A misspelt function is told at once, not as a call of nil.
return setmetatable(module, {
  __name = "cellbench",
  __index = guard(function(_, key)
    values.fault("cellbench has no '%s'%s", tostring(key),
      core.nearest(tostring(key), values.sorted_keys(module)))
  end),
})
