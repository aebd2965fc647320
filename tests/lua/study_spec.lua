-- SPDX-License-Identifier: MIT
-- cb.study: what it makes of a table, and what it says of a wrong one.
local test, check = ...

local cb = require "cellbench"

local adding = cb.task.adding {}

-- A small study with some keys replaced; `false` removes one.
local function study(changes)
  local options = { name = "test", task = adding, cells = { "lstm", "gru" }, hidden = 8 }
  for key, value in pairs(changes) do
    options[key] = value or nil
  end
  return cb.study(options)
end

local function settings(s, i)
  return s:trial(i).settings
end

test("a study of five cells is data", function()
  local s = cb.study {
    name = "variants-on-chorales",
    task = cb.task.music { file = "jsb-chorales-quarter.json" },
    cells = { "lstm", "peephole", "coupled", "gru", "clockwork" },
    search = cb.random { trials = 20, seed = 1 },
    space = { hidden = cb.log_int(20, 100), rate = cb.log_uniform(1e-4, 1e-1),
              clip = cb.choice { 1, 5 } },
    train = { optimiser = "nesterov", momentum = 0.9, epochs = 60, patience = 8, batch = 16,
              loss_scale = "frame" },
    seeds = 3,
  }
  check.equal(s.name, "variants-on-chorales")
  check.equal(#s, 300)
  check.equal(s.count, 300)
  check.equal(table.concat(s.cells, " "), "lstm peephole coupled gru clockwork")
  check.equal(#s.configs, 5)
  check.contains(tostring(s), "variants-on-chorales", "5 cells", "300 trials")
  for i = 1, #s do
    local t = settings(s, i)
    assert(math.type(t.hidden) == "integer" and t.hidden >= 20 and t.hidden <= 100)
    assert(t.rate >= 1e-4 and t.rate < 1e-1)
    assert(t.clip == 1 or t.clip == 5)
    check.equal(t.epochs, nil)
  end
  local train = s:trial(1).spec.train
  check.equal(train.epochs, 60)
  check.equal(train.loss_scale, "frame")
end)

test("a grid has all combinations, the last name fastest", function()
  local s = study { search = cb.grid {}, hidden = false, cells = { "lstm" },
    space = { rate = cb.choice { 0.1, 0.2 }, hidden = cb.int(4, 6), clip = 1 } }
  check.equal(#s, 6)
  local seen = {}
  for i = 1, 6 do
    local t = s:trial(i)
    seen[i] = t.settings.hidden .. ":" .. t.settings.rate
    check.equal(t.config, i)
    check.equal(t.settings.clip, 1)
  end
  check.equal(table.concat(seen, " "), "4:0.1 4:0.2 5:0.1 5:0.2 6:0.1 6:0.2")
end)

test("configurations are outside, cells between, seeds inside", function()
  local s = study { seeds = { 7, 3 }, space = { rate = cb.choice { 0.1, 0.2 } } }
  local seen = {}
  for i = 1, #s do
    local t = s:trial(i)
    seen[i] = ("%d%s%d"):format(t.config, t.cell, t.seed)
    check.equal(t.spec.seed, t.seed)
  end
  check.equal(table.concat(seen, " "),
    "1lstm7 1lstm3 1gru7 1gru3 2lstm7 2lstm3 2gru7 2gru3")
end)

test("a large grid is never expanded", function()
  local s = study { cells = { "lstm" }, hidden = false, space = {
    hidden = cb.int(1, 1000), batch = cb.int(1, 1000), epochs = cb.int(1, 1000) } }
  check.equal(#s, 1000000000)
  local t = settings(s, 123456789)
  check.equal(t.batch, 124)
  check.equal(t.epochs, 457)
  check.equal(t.hidden, 789)
end)

test("a random search draws alike for all cells, whatever else is in the space", function()
  local one = study { search = cb.random { trials = 9, seed = 5 },
    space = { rate = cb.log_uniform(1e-4, 1) } }
  local other = study { search = cb.random { trials = 9, seed = 5 }, cells = { "gru" },
    space = { rate = cb.log_uniform(1e-4, 1), clip = cb.uniform(1, 2) } }
  local next_seed = study { search = cb.random { trials = 9, seed = 6 },
    space = { rate = cb.log_uniform(1e-4, 1) } }
  check.equal(#one, 18)
  local changed = 0
  for i = 1, 9 do
    check.equal(settings(one, 2 * i - 1).rate, settings(one, 2 * i).rate)
    check.equal(settings(one, 2 * i).rate, settings(other, i).rate)
    changed = changed + (settings(one, 2 * i).rate ~= settings(next_seed, 2 * i).rate and 1 or 0)
  end
  check.equal(changed, 9)
end)

test("a cell's own draws are those of its name, however many cells and trials there are", function()
  local function search(trials, cells)
    return study { search = cb.random { trials = trials, seed = 5, draws = "own" }, cells = cells,
      space = { rate = cb.log_uniform(1e-4, 1), clip = cb.choice { 1, 5 } }, seeds = "own" }
  end
  local many, few = search(9, { "lstm", "gru" }), search(4, { "gru" })
  local rates, seeds = {}, {}
  for i = 1, #many do
    local trial = many:trial(i)
    rates[trial.settings.rate], seeds[trial.seed] = true, true
    check.equal(trial.spec.seed, trial.seed)
    assert(math.type(trial.seed) == "integer" and trial.seed >= 1 and trial.seed < 1 << 31)
  end
  local function size(set)
    local n = 0
    for _ in pairs(set) do
      n = n + 1
    end
    return n
  end
  check.equal(size(rates), 18)
  check.equal(size(seeds), 18)
  for i = 1, 4 do
    local a, b = few:trial(i), many:trial(2 * i)
    check.equal(a.cell .. a.seed .. a.settings.rate, b.cell .. b.seed .. b.settings.rate)
  end
  check.equal(many.seeds, "own")
  check.equal(tostring(cb.random { trials = 2, draws = "own" }),
    'cb.random{ trials = 2, seed = 1, draws = "own" }')
  check.raises(function() cb.random { trials = 2, draws = "each" } end, "draws", '"own"', "each")
end)

test("own seeds and fresh seeds never meet", function()
  local s = study { seeds = "own", confirm = { seeds = 2 } }
  check.equal(table.concat(s.confirm.seeds, " "), ("%d %d"):format(1 << 31, (1 << 31) + 1))
  check.raises(function() study { seeds = "mine" } end, "seeds", "mine")
end)

test("settings may be functions of factors, which are recorded and go nowhere else", function()
  local s = study {
    search = cb.random { trials = 3 },
    factors = { base = cb.log_uniform(1e-3, 1), twice = function(f) return 2 * f.base end },
    space = { rate = function(f) return f.base * f.twice end },
  }
  check.equal(#s, 6)
  for i = 1, #s do
    local trial = s:trial(i)
    local own = trial.settings
    check.equal(own.twice, 2 * own.base)
    check.equal(own.rate, own.base * own.twice)
    check.equal(trial.spec.train.base, nil)
    check.equal(trial.spec.train.rate, own.rate)
  end
  check.equal(settings(s, 1).base, settings(s, 2).base) -- the same draws for both cells
  check.equal(#study { factors = { size = cb.choice { 1, 2 } },
    space = { batch = function(f) return f.size end } }, 4)
end)

test("factors have names of their own", function()
  check.raises(function() study { factors = { rate = 1 } } end, "factors", "'rate' is a setting")
  check.raises(function() study { factors = { cell = 1 } } end, "factors", "'cell'")
  check.raises(function() study { factors = { Big = 1 } } end, "factors", "Big")
  check.raises(function() study { factors = { [("x"):rep(33)] = 1 } } end, "32")
  check.raises(function() study { factors = { a = io.stdout } } end, "factors.a")
  check.raises(function()
    study { factors = { a = 1 }, space = { rate = function(s) return s.b end } }:trial(1)
  end, "no setting 'b'")
  check.raises(function() study { factors = { a = 1 }, space = { a = 2 } } end,
    "'a' is given twice")
end)

test("integers stay integers and numbers numbers", function()
  local s = study { space = { clip = cb.choice { 1, 2.0 }, rate = cb.choice { 1 } } }
  check.equal(settings(s, 1).clip, 1)
  check.equal(settings(s, 3).clip, 2.0)
  check.equal(settings(s, 1).hidden, 8)
end)

test("functions see the other settings and depend on each other", function()
  local s = study { cells = { "lstm", "gru" }, space = {
    rate = cb.choice { 0.5, 0.25 },
    momentum = function(v) return v.clip / 8 end,
    clip = function(v) return v.rate * 4 end,
    batch = function(v) return v.cell == "gru" and v.hidden or nil end,
  } }
  check.equal(settings(s, 1).clip, 2.0)
  check.equal(settings(s, 1).momentum, 0.25)
  check.equal(settings(s, 3).clip, 1.0)
  check.equal(settings(s, 1).batch, nil)
  check.equal(s:trial(1).spec.train.batch, nil)
  check.equal(settings(s, 2).batch, 8)
end)

test("functions see defaults", function()
  local s = study { cells = { "clockwork" }, space = {
    batch = function(v) return #v.periods end,
    clip = function(v) return v.patience == nil and v.momentum or nil end } }
  check.equal(settings(s, 1).batch, 4)
  check.equal(settings(s, 1).clip, 0.9)
end)

test("a cycle of functions is named", function()
  local s = study { space = { rate = function(v) return v.clip end,
                              clip = function(v) return v.rate end } }
  check.raises(function() s:trial(1) end, "settings depend on each other: clip -> rate -> clip")
end)

test("functions cannot set, and must return plain values", function()
  local s = study { space = { rate = function(v) v.clip = 1 end } }
  check.raises(function() s:trial(1) end, "read-only", "'clip'")
  s = study { space = { rate = function() return print end } }
  check.raises(function() s:trial(1) end, "space.rate", "got a function")
  s = study { space = { rate = function() return 0 / 0 end } }
  check.raises(function() s:trial(1) end, "space.rate", "finite")
  s = study { space = { rate = function(v) return v.bach end } }
  check.raises(function() s:trial(1) end, "no setting 'bach'", "did you mean 'batch'?")
  s = study { space = { rate = function(v) return nil + v.clip end } }
  check.raises(function() s:trial(1) end, "attempt to perform arithmetic")
end)

test("cells may have settings of their own", function()
  local s = study {
    space = { rate = cb.choice { 0.1, 0.2 } },
    train = { batch = 4 },
    cells = {
      "lstm",
      { "gru", name = "gru-large", hidden = 16, train = { rate = 0.3, clip = false } },
      { "clockwork", set = { periods = { 1, 2 } }, space = { batch = cb.choice { 8, 9, 10 } } },
    },
  }
  check.equal(#s, 2 + 1 + 6)
  local seen = {}
  for i = 1, #s do
    local t = s:trial(i)
    seen[#seen + 1] = ("%s:%s:%s:%s"):format(t.cell, t.settings.hidden, t.settings.rate,
      t.settings.batch)
  end
  check.equal(table.concat(seen, " "),
    "lstm:8:0.1:4 gru-large:16:0.3:4 clockwork:8:0.1:8 lstm:8:0.2:4 clockwork:8:0.2:8 "
    .. "clockwork:8:0.1:9 clockwork:8:0.2:9 clockwork:8:0.1:10 clockwork:8:0.2:10")
  check.equal(#s:trial(3).spec.layers[1].settings.periods, 2)
  check.equal(s:trial(2).settings.clip, false)
  check.equal(s:trial(2).spec.train.clip, nil)
end)

test("a cell's setting may stand in the study's space", function()
  local s = study { cells = { "lstm", "clockwork" },
    space = { periods = cb.choice { { 1, 2 }, { 1, 4 } } } }
  check.equal(#s, 3)
  check.equal(settings(s, 1).periods, nil)
  check.equal(settings(s, 3).periods[2], 4)
end)

test("params stand for hidden", function()
  local s = study { hidden = false, params = 5000, depth = 2,
    cells = { "lstm", { "gru", hidden = 7 }, { "rnn", params = 900 } } }
  check.equal(s:trial(1).spec.params, 5000)
  check.equal(s:trial(1).spec.hidden, nil)
  check.equal(#s:trial(1).spec.layers, 2)
  check.equal(s:trial(2).spec.hidden, 7)
  check.equal(s:trial(2).spec.params, nil)
  check.equal(s:trial(3).spec.params, 900)
  check.raises(function() study { params = 10 } end, "`hidden` or `params`, got both")
  check.raises(function() study { hidden = false } end, "expected `hidden` or `params`")
end)

test("an alias is the registered cell", function()
  check.equal(study { cells = { "vanilla" } }.cells[1], "lstm")
end)

test("initialisation laws go to training", function()
  local s = study { init = { R = "orthogonal(1)" } }
  check.equal(s:trial(1).spec.train.init.R, "orthogonal(1)")
  check.raises(function() study { init = 3 } end, "init")
end)

test("a study is not changed from outside", function()
  local space = { rate = cb.choice { 0.1, 0.2 } }
  local s = study { space = space }
  space.rate = nil
  check.equal(#s, 4)
  check.raises(function() s.name = "other" end, "a study cannot be changed")
  check.raises(function() s:trial(5) end, "expected an integer from 1 to 4", "5")
  check.raises(function() s.trial(1) end, "call it as study:trial(i)")
end)

test("unknown keys name the nearest", function()
  check.raises(function() study { seed = 3 } end, "cb.study: unknown key 'seed'",
    "did you mean 'seeds'?")
  check.raises(function() study { train = { rat = 1 } } end, "train: unknown key 'rat'", "'rate'")
  check.raises(function() study { space = { hiden = 1 } } end, "space: unknown key 'hiden'",
    "'hidden'")
  check.raises(function() study { cells = { "lstn" } } end, "lstn", "did you mean 'lstm'?")
  check.raises(function() study { cells = { { "lstm", sett = {} } } } end, "unknown key 'sett'",
    "'set'")
  check.raises(function() study { cells = { { "clockwork", set = { period = 1 } } } } end,
    "unknown key 'period'", "'periods'")
  check.raises(function() study { space = { periods = 1 } } end, "unknown key 'periods'")
  check.raises(function() cb.random { trial = 3 } end, "unknown key 'trial'", "'trials'")
  check.raises(function() cb.grid { trials = 3 } end, "cb.grid: unknown key 'trials'")
  check.raises(function() return cb.chioce end, "did you mean 'choice'?")
  check.raises(function() return cb.task.ading end, "no task 'ading'", "did you mean 'adding'?")
  check.raises(function() cb.task.adding { lenght = 3 } end, "lenght")
  check.raises(function() study { [1] = "x" } end, "expected named settings")
end)

test("wrong types and values are named", function()
  check.raises(function() cb.study(3) end, "cb.study: expected a table", "3")
  check.raises(function() study { name = false } end, "name: expected a text", "nothing")
  check.raises(function() study { name = "a\nb" } end, "name: expected a text")
  check.raises(function() study { name = ("x"):rep(101) } end, "1 to 100")
  check.raises(function() study { task = "adding" } end, "task: expected a task", "adding")
  check.raises(function() study { cells = "lstm" } end, "cells: expected a list")
  check.raises(function() study { cells = {} } end, "at least one cell")
  check.raises(function() study { cells = { 3 } } end, "cells[1]", "3")
  check.raises(function() study { cells = { "gru", "gru" } } end, "'gru' is listed twice")
  check.raises(function() study { cells = { { "gru", name = "lstm" } } } end, "taken")
  check.raises(function() study { seeds = 0 } end, "seeds", "got the integer 0")
  check.raises(function() study { seeds = 1.5 } end, "seeds", "1.5")
  check.raises(function() study { seeds = { 1, 1 } } end, "1 is listed twice")
  check.raises(function() study { seeds = {} } end, "at least one seed")
  check.raises(function() study { search = 3 } end, "search: expected cb.grid{}")
  check.raises(function() study { keep = "all" } end, "keep", "all")
  check.raises(function() study { hidden = 0 } end, "hidden")
  check.raises(function() study { hidden = "8" } end, "hidden")
  check.raises(function() study { train = { rate = "fast" } } end, "rate")
  check.raises(function() study { train = { rate = 0 / 0 } } end, "train.rate", "finite")
  check.raises(function() study { train = { optimiser = "adm" } } end, "optimiser", "adm")
  check.raises(function() study { train = { rate = cb.uniform(0, 1) } } end, "stands in `space`")
  check.raises(function() study { train = { rate = 1 }, space = { rate = 2 } } end,
    "'rate' is given twice")
  check.raises(function() study { space = { batch = cb.uniform(1, 4) } } end, "cb.int")
  check.raises(function() study { space = { batch = cb.choice { 1, 0 } } } end, "batch")
  check.raises(function() study { space = { rate = cb.choice { 1, "x" } } } end, "rate")
  check.raises(function() study { cells = { { "clockwork", set = { periods = "x" } } } } end,
    "periods", "number")
end)

test("axes check their ranges", function()
  check.raises(function() cb.choice {} end, "at least one value")
  check.raises(function() cb.choice(3) end, "expected a list")
  check.raises(function() cb.choice { 1 / 0 } end, "finite")
  check.raises(function() cb.choice { n = 1 } end, "without names")
  check.raises(function() cb.int(1.5, 2) end, "low: expected an integer", "1.5")
  check.raises(function() cb.int(3) end, "high: expected an integer", "nothing")
  check.raises(function() cb.int(3, 2) end, "cb.int")
  check.raises(function() cb.uniform("0", 1) end, "low: expected a number")
  check.raises(function() cb.uniform(0, 1 / 0) end, "cb.uniform")
  check.raises(function() cb.log_uniform(0, 1) end, "cb.log_uniform")
  check.raises(function() cb.log_int(0, 9) end, "cb.log_int")
  check.raises(function() cb.random {} end, "trials")
  check.equal(tostring(cb.int(1, 2)), "cb.int(1, 2)")
end)

test("a grid over what cannot be counted is refused", function()
  check.raises(function() study { space = { rate = cb.uniform(0, 1) } } end, "cb.random")
  check.raises(function() study { search = cb.grid {}, space = { batch = cb.log_int(1, 9) } } end,
    "space.batch", "cb.log_int(1, 9)")
end)

test("arguments are of the types of their defaults", function()
  local kept = arg
  local function with(...)
    _G.arg = { ... }
    local results = table.pack(pcall(cb.arguments, { n = 3, x = 0.5, name = "a", on = false }))
    _G.arg = kept
    assert(results[1], results[2])
    return results[2]
  end
  check.equal(with().n, 3)
  local read = with("n=-7", "x=2", "name=b=c", "on=true")
  check.equal(read.n, -7)
  check.equal(math.type(read.x), "float")
  check.equal(read.name, "b=c")
  check.equal(read.on, true)
  check.equal(with("on=false", "name=").name, "")
  local function wrong(text, ...)
    check.raises(function() with(text) end, "cb.arguments", ...)
  end
  wrong("n=1.5", "n: expected an integer", "'1.5'")
  wrong("x=inf", "x: expected a number")
  wrong("x=", "x: expected a number")
  wrong("on=1", "true or false")
  wrong("nme=1", "unknown argument 'nme'", "did you mean 'name'?")
  wrong("3", "NAME=VALUE")
  check.raises(function() with("n=1", "n=2") end, "'n' is given twice")
  check.raises(function() cb.arguments { n = {} } end, "n: expected a number, a text or a boolean")
  check.raises(function() cb.arguments { 3 } end, "expected names")
end)

test("confirmation has fresh seeds", function()
  local function confirm(given, seeds)
    return study({ confirm = given, seeds = seeds }).confirm
  end
  check.equal(study({}).confirm.top, 0)
  check.equal(#study({}).confirm.seeds, 0)
  check.equal(confirm({}).top, 1)
  check.equal(table.concat(confirm({}).seeds, " "), "2 3 4 5 6")
  check.equal(table.concat(confirm({ top = 2, seeds = 3 }, { 9, 4 }).seeds, " "), "10 11 12")
  check.equal(#study({ confirm = { seeds = 3 } }), 2) -- it is not in the list of trials
  check.raises(function() confirm({ seed = 3 }) end, "confirm", "'seed'", "'seeds'")
  check.raises(function() confirm({ top = 0 }) end, "confirm.top")
  check.raises(function() confirm({ seeds = 1.5 }) end, "confirm.seeds", "1.5")
  check.raises(function() confirm(3) end, "confirm: expected a table", "3")
  check.raises(function() confirm({}, { math.maxinteger - 4 }) end, "no seed behind")
  check.equal(#confirm({}, { math.maxinteger - 5 }).seeds, 5)
end)

test("the message stands at the line of the call", function()
  local source = 'local cb = ...\n\nreturn cb.study {\n  name = "x",\n  sedes = 1 }\n'
  local ok, message = pcall(assert(load(source, "@folder/mine.lua")), cb)
  assert(not ok)
  check.contains(message, "folder/mine.lua:3: ", "'sedes'", "'seeds'")
end)

test("what a paper published is checked, and becomes JSON", function()
  local function with(changes, claims)
    local given = { paper = "a paper", baseline = "lstm", trials = 200, margin = 0.1,
      margin_why = "so", claims = claims or { { cell = "gru", expected = "worse",
      certainty = "memory" } } }
    for key, value in pairs(changes) do
      given[key] = value or nil
    end
    return study { space = { rate = cb.choice { 0.1, 0.2 } }, reproduces = given }
  end
  local json = with({ departures = { "none" } }).reproduces
  check.contains(json, '"best":0.1', '"claims":[{"cell":"gru","certainty":"memory"',
    '"departures":["none"]', '"figures":[]', '"margin":0.1', '"trials":200')
  check.equal(study {}.reproduces, nil)
  check.contains(with({}, { { setting = "rate", above = 0.5, certainty = "published" },
    { setting = "rate", more_than = { "rate" }, certainty = "published" } }).reproduces,
    '"above":0.5', '"more_than":["rate"]')
  local function wrong(changes, claims, ...)
    local pieces = { ... }
    check.raises(function() with(changes, claims) end, "reproduces", table.unpack(pieces))
  end
  wrong({ paper = false }, nil, "paper: expected a text")
  wrong({ papers = "x" }, nil, "'papers'", "'paper'")
  wrong({ baseline = "lstn" }, nil, "baseline", "did you mean 'lstm'")
  wrong({ margin = 0 }, nil, "margin: expected a number above 0")
  wrong({ best = 1.5 }, nil, "best: expected a number")
  wrong({ trials = 0 }, nil, "trials: expected an integer")
  wrong({ departures = { 3 } }, nil, "departures[1]: expected a text")
  wrong({ figures = { { cell = "gru", what = "best", value = "8", certainty = "memory" } } }, nil,
    "figures[1].value")
  local function claim(item, ...)
    item.certainty = item.certainty or "memory"
    wrong({}, { item }, "claims[1]", ...)
  end
  claim({ cell = "gru", expected = "bad" }, "expected", '"not worse"', "bad")
  claim({ cell = "lstm", expected = "worse" }, "another cell than the baseline")
  claim({ cell = "grü", expected = "worse" }, "a cell of the study")
  claim({ cell = "gru", expected = "worse", certainty = "sure" }, "certainty", '"second hand"')
  claim({ setting = "clip", above = 0.5 }, "a setting that the study varies")
  claim({ setting = "rate" }, "one of `above`")
  claim({ setting = "rate", above = 0.5, below = 0.6 }, "one of `above`", "got 2")
  claim({ setting = "rate", below = 2 }, "below", "at most 1")
end)

test("a stack of cells stands in a study as one", function()
  local mixed = cb.stack { "lstm", { "gru", hidden = 5, set = {} } }
  check.contains(tostring(mixed), "cellbench.stack", "lstm-gru")
  local s = study {
    cells = { mixed, cb.stack { "gru", "gru", name = "linked", residual = true } }, depth = 3,
    space = { bidirectional = cb.choice { false, true } },
  }
  check.equal(table.concat(s.cells, " "), "lstm-gru linked")
  local layers = s:trial(1).spec.layers -- the study's depth is not that of a stack
  check.equal(#layers, 2)
  check.equal(layers[1].name, "lstm")
  check.equal(layers[1].hidden, nil)
  check.equal(layers[2].hidden, 5)
  check.equal(layers[2].residual, nil)
  layers = s:trial(2).spec.layers
  check.equal(layers[1].residual, nil)
  check.equal(layers[2].residual, true)
  check.equal(s:trial(3).spec.layers[1].bidirectional, true)
  -- Where every layer has its size there is none to be given.
  local sized = cb.stack { { "lstm", hidden = 3 }, { "rnn", hidden = 4 } }
  s = study { hidden = false, cells = { sized } }
  check.equal(s:trial(1).spec.hidden, nil)
end)

test("what is wrong with a stack is told", function()
  check.raises(function() cb.stack {} end, "1 to 256 layers, got 0")
  check.raises(function() cb.stack { "lstm", "grew" } end, "cb.stack[2]", "did you mean 'gru'?")
  check.raises(function() cb.stack { { "lstm", hiden = 3 } } end, "did you mean 'hidden'?")
  check.raises(function() cb.stack { { "lstm", residual = 1 } } end, "true or false", "1")
  check.raises(function() cb.stack { "lstm", depth = 3 } end, "depth")
  check.raises(function() cb.stack { cb.stack { "lstm", "gru" } } end, "a cb.cell")
  check.raises(function() cb.stack { "lstm", name = "gru" } end, "'gru' is a registered cell")
  check.raises(function() study { cells = { { cb.stack { "lstm", "gru" }, depth = 2 } } } end,
    "a stack has its layers")
  check.raises(function() study { cells = { { cb.stack { "lstm", "gru" }, set = {} } } } end,
    "stand with its layers")
end)

test("residual links go around all layers but the lowest", function()
  local s = study { depth = 3, residual = true }
  local layers = s:trial(1).spec.layers
  check.equal(layers[1].residual, nil)
  check.equal(layers[2].residual, true)
  check.equal(layers[3].residual, true)
  check.raises(function() study { residual = "yes" } end, "residual", "true or false")
end)
