-- SPDX-License-Identifier: MIT
-- cb.train: a trial without a database.
local test, check = ...

local cb = require "cellbench"

local adding = cb.task.adding { length = 8, train = 60, valid = 20, test = 20 }
local copy = cb.task.copy { length = 3, digits = 2, train = 40, valid = 10, test = 10 }

local function run(changes)
  local options = { task = adding, cell = "gru", hidden = 4, train = { epochs = 3, rate = 0.01 } }
  for key, value in pairs(changes or {}) do
    options[key] = value or nil
  end
  return cb.train(options)
end

test("a learning curve and results", function()
  local r = run()
  check.equal(r.state, "done")
  check.equal(r.metric, "mse")
  check.equal(r.epochs, 3)
  check.equal(r.hidden, 4)
  check.equal(r.param_count, 3 * 4 * (2 + 4 + 1) + 5)
  check.equal(r.updates, 3 * 4)
  check.equal(#r.curve, 1 + 3 * 2 + 1)
  check.equal(r.curve[1].epoch, 0)
  check.equal(r.curve[1].split, "valid")
  check.equal(r.curve[2].epoch, 1)
  check.equal(r.curve[2].split, "train")
  check.equal(r.curve[8].split, "test")
  check.equal(r.curve[8].value, r.test)
  local best = math.huge
  for _, row in ipairs(r.curve) do
    check.equal(row.metric, "mse")
    assert(row.seconds >= 0)
    if row.split == "valid" and row.value < best then
      best = row.value
      check.equal(row.epoch <= r.best_epoch, true)
    end
  end
  check.equal(r.valid, best)
  check.equal(r.valid_error, nil)
  check.equal(#r.key, 64)
  check.contains(r.spec, '"rate":0.01')
end)

test("the weights are the best ones, and give the test value", function()
  local seen
  local r = run { cell = "lstm", train = { epochs = 2, batch = 7, patience = 1 } }
  local net = cb.net { cell = "lstm", input = 2, hidden = 4 }
  for name, values in pairs(r.weights) do
    if not name:find("^readout") then
      net:set(name, values)
      seen = true
    end
  end
  assert(seen)
  check.equal(#r.weights["readout.V"], 1)
  check.equal(#r.weights["readout.V"][1], 4)
  check.equal(#r.weights["readout.b"], 1)
  check.equal(r.weights["1.W_z"][3][2], net:get("1.W_z")[3][2])
end)

test("the same again gives the same bits; another seed does not", function()
  local a, b, c = run(), run(), run { seed = 2 }
  check.equal(a.test, b.test)
  check.equal(a.key, b.key)
  check.equal(a.weights["1.R_n"][4][1], b.weights["1.R_n"][4][1])
  assert(a.test ~= c.test and a.key ~= c.key)
end)

test("classes have error rates", function()
  local r = run { task = copy, train = { epochs = 1 } }
  check.equal(r.metric, "nats")
  assert(r.valid_error >= 0 and r.valid_error <= 1)
  check.equal(r.curve[2].metric, "error")
end)

test("what diverges is a result", function()
  local r = run { cell = "rnn", train = { optimiser = "sgd", rate = 1e30, epochs = 5 } }
  check.equal(r.state, "diverged")
  check.equal(r.valid, nil)
  check.equal(r.weights, nil)
end)

test("on_epoch is told of each epoch", function()
  local told = {}
  local r = run { task = copy, on_epoch = function(row) told[#told + 1] = row end }
  check.equal(#told, 4)
  check.equal(told[1].epoch, 0)
  check.equal(told[1].train, nil)
  check.equal(told[4].epoch, 3)
  check.equal(told[4].metric, "nats")
  for _, row in ipairs(r.curve) do
    if row.epoch == 3 and row.metric == "nats" and row.split ~= "test" then
      check.equal(told[4][row.split], row.value)
    end
  end
end)

test("an error in on_epoch ends the training and is raised", function()
  local count, mark = 0, {}
  check.raises(function()
    run { on_epoch = function()
      count = count + 1
      error("enough")
    end }
  end, "enough")
  check.equal(count, 1)
  local ok, value = pcall(run, { on_epoch = function() error(mark) end })
  check.equal(ok, false)
  check.equal(value, mark)
end)

test("training within training", function()
  local inner
  local outer = run { on_epoch = function(row)
    if row.epoch == 1 then
      inner = run()
    end
  end }
  check.equal(inner.test, outer.test)
end)

test("cells with settings, depth and a budget of parameters", function()
  local r = run { cell = { "clockwork", set = { periods = { 1, 2 } } }, depth = 2 }
  check.equal(r.state, "done")
  assert(r.weights["2.W_h"])
  r = run { bidirectional = true, train = { epochs = 1 } }
  assert(r.weights["1.reverse.W_n"])
  check.equal(#r.weights["readout.V"][1], 8)
  r = run { hidden = false, params = 500 }
  assert(r.param_count <= 500 and r.param_count > 300)
  r = run { init = { R = "zero" }, train = { epochs = 1, rate = 0 } }
  check.equal(r.weights["1.R_n"][1][1], 0.0)
end)

test("a wrong training is named", function()
  check.raises(function() run { tsk = adding } end, "cb.train: unknown key 'tsk'", "'task'")
  check.raises(function() run { task = false } end, "cb.train: task: expected a task")
  check.raises(function() run { cell = false } end, "cb.train: cell: expected the name")
  check.raises(function() run { cell = "lstn" } end, "cb.train: cell: ", "did you mean 'lstm'?")
  check.raises(function() run { hidden = false } end, "expected `hidden` or `params`")
  check.raises(function() run { hidden = cb.int(1, 3) } end, "cb.train: ", "3 trials")
  check.raises(function() run { train = { ratte = 1 } } end, "cb.train: train", "'ratte'", "'rate'")
  check.raises(function() run { train = { rate = cb.uniform(0, 1) } } end, "cb.train: train.rate")
  check.raises(function() run { seed = -1 } end, "cb.train: seed: expected an integer")
  check.raises(function() run { on_epoch = 3 } end, "on_epoch: expected a function")
  check.raises(function() run { cell = "clockwork", hidden = 5 } end, "cb.train: ", "equal groups")
  check.raises(function() run { cell = "rnn", depth = 200, hidden = 20000 } end,
    "cb.train: ", "2^33 weights")
  check.raises(function()
    run { task = cb.task.music { file = "no-such-file.json" } }
  end, "cb.train: ", "no-such-file.json")
end)
