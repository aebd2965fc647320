-- SPDX-License-Identifier: MIT
-- Cells and tasks: the registry as Lua sees it, and cells of a user's own.
local test, check = ...

local cb = require "cellbench"

local own_text = [[
state h
set scale = 0.5
a = sigmoid(W x + R h + b)
h' = a*h + scale*(1 - a)*tanh(W x + b)
]]

local function study(cells)
  return cb.study { name = "test", task = cb.task.adding {}, cells = cells, hidden = 6 }
end

test("the registry is listed", function()
  local all = {}
  for _, name in ipairs(cb.cells()) do
    all[name] = true
  end
  for _, name in ipairs { "rnn", "lstm", "peephole", "coupled", "gru", "clockwork" } do
    assert(all[name], name)
  end
  local info = cb.cells("clockwork")
  check.equal(info.family, "clockwork")
  check.equal(info.year, 2014)
  check.equal(info.name, "clockwork")
  check.equal(#info.settings.periods, 4)
  check.contains(info.text, "clock(")
  check.equal(type(info.aliases), "table")
  check.raises(function() cb.cells("clokwork") end, "did you mean 'clockwork'?")
  check.raises(function() cb.cells(3) end, "cb.cells: name")
end)

test("tasks are listed", function()
  check.contains(table.concat(cb.tasks(), " "), "adding", "music")
  local info = cb.tasks("adding")
  check.equal(info.name, "adding")
  assert(#info.settings > 0 and info.settings[1].help ~= "")
  check.raises(function() cb.tasks("musik") end, "did you mean 'music'?")
  check.contains(tostring(cb.task.adding {}), "adding")
end)

test("a cell of one's own", function()
  local cell = cb.cell { name = "mine", text = own_text, source = "this test" }
  check.equal(cell.name, "mine")
  check.contains(tostring(cell), "mine")
  local s = study { cell, { cell, name = "mine-strong", set = { scale = 2 } } }
  check.equal(s:trial(1).spec.layers[1].text, own_text)
  check.equal(next(s:trial(1).spec.layers[1].settings), nil)
  check.equal(s:trial(2).spec.layers[1].settings.scale, 2)
  check.equal(s:trial(2).settings.scale, 2)
  check.equal(s:trial(1).settings.scale, 0.5)
end)

test("a text made by a function of settings", function()
  local cell = cb.cell {
    name = "deep",
    set = { steps = 2 },
    text = function(set)
      local lines = { "state h", "s0 = tanh(W x + R h + b)" }
      for i = 1, set.steps do
        lines[#lines + 1] = ("s%d = tanh(R s%d + b)"):format(i, i - 1)
      end
      lines[#lines + 1] = ("h' = s%d"):format(set.steps)
      return table.concat(lines, "\n")
    end,
  }
  local s = study { cell, { cell, name = "deeper", set = { steps = 5 } } }
  check.contains(s:trial(1).spec.layers[1].text, "h' = s2")
  check.contains(s:trial(2).spec.layers[1].text, "h' = s5")
  check.equal(next(s:trial(2).spec.layers[1].settings), nil)
  check.equal(s:trial(2).settings.steps, 5)
end)

test("an equation error has file, line, column and caret", function()
  check.raises(function()
    cb.cell { name = "wrong", text = "state h\nh' = sigmoyd(W x + R h + b)\n" }
  end, "wrong: line 2, column", "sigmoyd", "did you mean 'sigmoid'?", "^")
end)

test("wrong cells are named", function()
  check.raises(function() cb.cell { text = own_text } end, "cb.cell: name")
  check.raises(function() cb.cell { name = "a b", text = own_text } end, "cb.cell: name", "a b")
  check.raises(function() cb.cell { name = "lstm", text = own_text } end, "taken")
  check.raises(function() cb.cell { name = "x" } end, "cell 'x': text")
  check.raises(function() cb.cell { name = "x", txt = "" } end, "unknown key 'txt'", "'text'")
  check.raises(function() cb.cell { name = "x", text = own_text, set = { scal = 1 } } end,
    "unknown key 'scal'", "'scale'")
  check.raises(function() cb.cell { name = "x", text = own_text, set = { scale = "a" } } end,
    "scale", "expected a number")
  check.raises(function() cb.cell { name = "x", text = function() return 3 end } end,
    "must return a text")
  check.raises(function() cb.cell { name = "x", text = function() error("mine") end } end, "mine")
  check.raises(function()
    study { cb.cell { name = "x", text = "state h\nset rate = 1\nh' = rate*tanh(W x + R h)" } }
  end, "'rate' has the name of a training setting")
end)

test("a cell that reads the layer below names its lowest", function()
  local base = cb.cell { name = "base", text = own_text }
  local top = cb.cell { name = "top", text = own_text .. "lowest base\n" }
  local s = cb.study { name = "test", task = cb.task.adding {}, cells = { base, top }, hidden = 6,
                       depth = 3 }
  local layers = s:trial(2).spec.layers
  check.equal(layers[1].name, "base")
  check.equal(layers[2].name, "top")
  check.equal(layers[3].name, "top")
  check.raises(function() study { base, top }:trial(2) end, "depth of at least 2")
  check.raises(function()
    cb.study { name = "test", task = cb.task.adding {}, cells = { top }, hidden = 6,
               depth = 2 }:trial(1)
  end, "'base' is neither")
end)
