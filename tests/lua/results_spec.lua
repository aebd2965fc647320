-- SPDX-License-Identifier: MIT
-- Results by study: what cb.open gives beside rows. The database (option db) is that of sample.lua:
-- two cells, six settings (with rates at which some trials diverge), two seeds.
local test, check, options = ...

local cb = require "cellbench"

local function open()
  return assert(cb.open(options.db))
end

test("studies are listed with what became of their trials", function()
  local db <close> = open()
  local list = db:studies()
  check.equal(#list, 1)
  check.equal(list[1].name, "sample")
  check.equal(list[1].trials, 24)
  check.equal(list[1].done + list[1].diverged, 24)
  assert(list[1].done >= 16)
  check.equal(list[1].pending, 0)
  check.equal(list[1].failed, 0)
  check.contains(tostring(db:study("sample")), "'sample'")
end)

test("trials come in the study's order, with their settings", function()
  local db <close> = open()
  local study, n = db:study("sample"), 0
  for trial in study:trials() do
    n = n + 1
    check.equal(trial.cell, (n - 1) % 4 < 2 and "rnn" or "gru-small")
    check.equal(trial.seed, (n - 1) % 2 + 1)
    check.equal(trial.config, (n - 1) // 4 + 1)
    check.equal(trial.hidden, trial.cell == "rnn" and 5 or 3)
    check.equal(trial.settings.hidden, trial.hidden)
    check.equal(math.type(trial.settings.rate), "float")
    assert(trial.settings.optimiser == "adam" or trial.settings.optimiser == "sgd")
    check.equal(trial.metric, "nats")
    if trial.state == "done" then
      check.equal(trial.epochs, 3)
      assert(trial.valid and trial.test and trial.test_error and #trial.key == 64)
    else
      check.equal(trial.valid, nil)
    end
  end
  check.equal(n, 24)
end)

test("trials are filtered", function()
  local db <close> = open()
  local study = db:study("sample")
  local function count(filter)
    local n = 0
    for trial in study:trials(filter) do
      for name, value in pairs(filter) do
        check.equal(trial[name], value)
      end
      n = n + 1
    end
    return n
  end
  check.equal(count { cell = "rnn" }, 12)
  check.equal(count { role = "first" }, 24)
  check.equal(count { role = "confirm" }, 0)
  check.equal(count { seed = 2 }, 12)
  check.equal(count { config = 3 }, 4)
  check.equal(count { cell = "rnn", seed = 1, config = 1 }, 1)
  check.equal(count { state = "pending" }, 0)
  check.equal(count { state = "done" } + count { state = "diverged" }, 24)
end)

test("the best trials", function()
  local db <close> = open()
  local study = db:study("sample")
  local least = math.huge
  for trial in study:trials { cell = "rnn", state = "done" } do
    least = math.min(least, trial.valid)
  end
  local best = study:best { cell = "rnn" }
  check.equal(#best, 1)
  check.equal(best[1].valid, least)
  check.equal(best[1].settings.rate < 1, true)
  local list = study:best { n = 5, by = "test" }
  check.equal(#list, 5)
  for i = 2, 5 do
    assert(list[i - 1].test <= list[i].test)
  end
  check.equal(#study:best { n = 100 }, db:studies()[1].done)
  check.equal(#study:best { cell = "rnn", config = best[1].config, n = 9 }, 2)
end)

test("learning curves", function()
  local db <close> = open()
  local study = db:study("sample")
  local trial = study:best()[1]
  local rows = {}
  for row in study:curve(trial) do
    rows[#rows + 1] = row
  end
  check.equal(#rows, 2 * (1 + 3 * 2 + 1)) -- the metric and the error rate
  check.equal(rows[1].epoch, 0)
  check.equal(rows[1].split, "valid")
  check.equal(rows[1].metric, "nats")
  check.equal(rows[2].metric, "error")
  check.equal(rows[3].split, "train")
  check.equal(rows[15].split, "test")
  check.equal(rows[15].value, trial.test)
  local n = 0
  for _ in study:curve(trial.id) do
    n = n + 1
  end
  check.equal(n, #rows)
end)

test("a trial of the study, trained again, has the same numbers", function()
  local db <close> = open()
  local trial = db:study("sample"):best { cell = "gru-small" }[1]
  local settings = trial.settings
  local result = cb.train {
    task = cb.task.copy { length = 3, digits = 2, train = 60, valid = 20, test = 20 },
    cell = "gru", hidden = settings.hidden, seed = trial.seed,
    train = { rate = settings.rate, optimiser = settings.optimiser, epochs = 3, batch = 20 },
  }
  check.equal(result.key, trial.key)
  check.equal(result.valid, trial.valid)
  check.equal(result.test, trial.test)
end)

test("a mean and its interval", function()
  local i = cb.interval { 1, 2, 3, 4 }
  check.equal(i.n, 4)
  check.equal(i.mean, 2.5)
  local half = 3.1824463052842638 * math.sqrt(5 / 3) / 2 -- t, 3 degrees of freedom, 97.5 %
  assert(math.abs(i.high - 2.5 - half) < 1e-8 and math.abs(2.5 - i.low - half) < 1e-8)
  assert(math.abs(i.sd - math.sqrt(5 / 3)) < 1e-12)
  assert(cb.interval({ 1, 2, 3, 4 }, 0.5).high < i.high)
  i = cb.interval { 7 }
  check.equal(i.mean, 7.0)
  check.equal(i.low, nil)
  check.equal(cb.interval {}.n, 0)
  check.raises(function() cb.interval(3) end, "cb.interval: expected a list")
  check.raises(function() cb.interval { 1, "2" } end, "cb.interval[2]: expected a finite number")
  check.raises(function() cb.interval { 0 / 0 } end, "cb.interval[1]: expected a finite number")
  check.raises(function() cb.interval({ 1, 2 }, 95) end, "level: expected a number between 0 and 1")
end)

test("a wrong question is told", function()
  local db = open()
  local study = db:study("sample")
  check.raises(function() db:study("sampel") end, "no study 'sampel'", "did you mean 'sample'?")
  check.raises(function() db:study() end, "db:study: expected the name")
  check.raises(function() study:best { cel = "rnn" } end, "unknown key 'cel'", "'cell'")
  check.raises(function() study:best { cell = "gru-smal" } end, "did you mean 'gru-small'?")
  check.raises(function() study:best { by = "luck" } end, "by: expected test, ")
  check.raises(function() study:best { n = 0 } end, "n: expected an integer")
  check.raises(function() study:trials { state = "dune" } end, "state: expected diverged, ")
  check.raises(function() study:trials { role = "last" } end, "role: expected confirm or first")
  check.raises(function() study:trials { seed = "1" } end, "seed: expected an integer")
  check.raises(function() study.trials { seed = 1 } end, "study:trials(...)")
  check.raises(function() study:curve() end, "expected a trial")
  check.raises(function() study:curve {} end, "expected a trial")
  db:close()
  check.raises(function() study:best() end, "closed")
  check.raises(function() db:studies() end, "closed")
end)
