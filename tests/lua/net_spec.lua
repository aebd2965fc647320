-- SPDX-License-Identifier: MIT
-- cb.net: cells run forward and backward on arrays.
local test, check = ...

local cb = require "cellbench"

local function near(got, want, most, what)
  local off = math.abs(got - want)
  if off > most or off ~= off then
    error(("%s: expected %.17g, got %.17g"):format(what or "value", want, got), 2)
  end
end

-- Three sequences of two numbers, of these lengths; values without a pattern.
local lengths = { 2, 4, 3 }
local function sequences()
  local x = {}
  for t = 1, 4 do
    x[t] = {}
    for b = 1, 3 do
      x[t][b] = { math.sin(7 * t + 3 * b), math.cos(5 * t - b) }
    end
  end
  return x
end

-- The sum of y * weights over the steps that there are.
local function loss(y, weights)
  local sum = 0
  for t = 1, #y do
    for b = 1, #y[t] do
      for j = 1, #y[t][b] do
        sum = sum + y[t][b][j] * weights[t][b][j]
      end
    end
  end
  return sum
end

-- Weights of a loss, zero where a sequence has ended.
local function loss_weights(dim)
  local w = {}
  for t = 1, 4 do
    w[t] = {}
    for b = 1, 3 do
      w[t][b] = {}
      for j = 1, dim do
        w[t][b][j] = t <= lengths[b] and math.sin(t + 2 * b + 3 * j) or 0
      end
    end
  end
  return w
end

test("a net is made of a cell, or of layers", function()
  local net = cb.net { cell = "gru", input = 3, hidden = 5 }
  check.equal(tostring(net), "cellbench.net f32, input 3 -> gru 5")
  check.equal(net:count(), 3 * 5 * (3 + 5 + 1))
  local own = cb.cell { name = "own", text = "state h\nset a = 2\nh' = tanh(a*(W x) + R h + b)" }
  net = cb.net {
    layers = { "lstm", { own, set = { a = 3 }, hidden = 4 } }, input = 2, hidden = 6,
    precision = "f64",
  }
  check.equal(tostring(net), "cellbench.net f64, input 2 -> lstm 6 -> own 4")
  local params = net:params()
  check.equal(#params, 12 + 3)
  check.equal(params[1].name, "1.W_z")
  check.equal(params[1].family, "W")
  check.equal(params[1].layer, 1)
  check.equal(params[1].rows, 6)
  check.equal(params[1].cols, 2)
  check.equal(params[1].count, 12)
  check.equal(params[1].structure, "full")
  check.equal(params[1].fixed, false)
  check.equal(params[15].structure, "vector")
  check.equal(params[15].cols, 0)
  check.equal(#net:get(), net:count())
end)

test("the numbers are those of the equations", function()
  local net = cb.net { cell = "rnn", input = 1, hidden = 1, precision = "f64" }
  net:set { 0.5, -0.25, 0.125 } -- W, R, b
  local y = net:forward { { { 2 } }, { { 1 } } }
  local h1 = 0.5 * 2 + 0.125
  h1 = (math.exp(2 * h1) - 1) / (math.exp(2 * h1) + 1)
  local h2 = 0.5 - 0.25 * h1 + 0.125
  h2 = (math.exp(2 * h2) - 1) / (math.exp(2 * h2) + 1)
  near(y[1][1][1], h1, 1e-15)
  near(y[2][1][1], h2, 1e-15)
  local dx = net:backward { { { 0 } }, { { 1 } } }
  near(dx[2][1][1], 0.5 * (1 - h2 * h2), 1e-15)
  near(dx[1][1][1], (1 - h2 * h2) * -0.25 * (1 - h1 * h1) * 0.5, 1e-15)
end)

test("gradients are those of finite differences", function()
  local net = cb.net { cell = "lstm", depth = 2, input = 2, hidden = 3, precision = "f64" }
  local x, w = sequences(), loss_weights(3)
  net:forward(x, { lengths = lengths })
  local dx = net:backward(w)
  local gradient, weights = net:grad(), net:get()
  local function value()
    return loss(net:forward(x, { lengths = lengths }), w)
  end
  for i = 1, #weights, 7 do
    local old = weights[i]
    weights[i] = old + 1e-5
    net:set(weights)
    local above = value()
    weights[i] = old - 1e-5
    net:set(weights)
    near(gradient[i], (above - value()) / 2e-5, 1e-8, "weight " .. i)
    weights[i] = old
  end
  net:set(weights)
  for _, at in ipairs { { 1, 1, 1 }, { 2, 1, 2 }, { 3, 2, 1 }, { 3, 3, 2 } } do
    local row = x[at[1]][at[2]]
    local old = row[at[3]]
    row[at[3]] = old + 1e-5
    local above = value()
    row[at[3]] = old - 1e-5
    near(dx[at[1]][at[2]][at[3]], (above - value()) / 2e-5, 1e-8, table.concat(at, " "))
    row[at[3]] = old
  end
  for j = 1, 2 do
    check.equal(dx[3][1][j], 0.0, "a step that sequence 1 does not have")
  end
end)

test("f32 and f64 agree", function()
  for _, cell in ipairs(cb.cells()) do
    local results = {}
    local depth = cb.cells(cell).text:find("lower.", 1, true) and 2 or 1
    for _, precision in ipairs { "f32", "f64" } do
      local net = cb.net { cell = cell, depth = depth, input = 2, hidden = 8, seed = 3,
        precision = precision }
      local y = net:forward(sequences(), { lengths = lengths })
      local width = #y[4][2] -- a projection has fewer than H
      local dx = net:backward(loss_weights(width))
      results[precision] = { y = y[4][2][width], dx = dx[1][3][2], g = net:grad() }
    end
    local a, b = results.f32, results.f64
    near(a.y, b.y, 1e-6, cell .. ": y")
    near(a.dx, b.dx, 1e-5, cell .. ": dx")
    for i = 1, #a.g do
      near(a.g[i], b.g[i], 1e-5, cell .. ": gradient")
    end
  end
end)

test("a sequence's output does not depend on the others, on their order or lengths", function()
  local net = cb.net { cell = "gru", input = 2, hidden = 3 }
  local x = sequences()
  local y = net:forward(x, { lengths = lengths })
  check.equal(#y, 4)
  check.equal(y[3][1][1], 0.0)
  for b = 1, 3 do
    local alone = {}
    for t = 1, lengths[b] do
      alone[t] = { x[t][b] }
    end
    local z = net:forward(alone)
    for t = 1, lengths[b] do
      for j = 1, 3 do
        check.equal(z[t][1][j], y[t][b][j])
      end
    end
  end
end)

test("a sequence that is cut goes on from its state", function()
  local net = cb.net { cell = "lstm", input = 2, hidden = 3 }
  local x = sequences()
  local whole = net:forward(x)
  net:forward { x[1], x[2] }
  local initial = { ["1.h"] = net:state("1.h"), ["1.c"] = net:state("1.c") }
  local rest = net:forward({ x[3], x[4] }, { initial = initial })
  for b = 1, 3 do
    for j = 1, 3 do
      check.equal(rest[2][b][j], whole[4][b][j])
      check.equal(net:state("1.h")[b][j], whole[4][b][j])
    end
  end
  -- Not given again, they are the cell's own again.
  check.equal(net:forward(x)[1][1][1], whole[1][1][1])
end)

test("clocks go on, too", function()
  local net = cb.net { cell = "clockwork", set = { periods = { 1, 2, 4 } }, input = 2, hidden = 6 }
  local x = sequences()
  local whole = net:forward(x)
  net:forward { x[1], x[2], x[3] }
  local initial = { ["1.h"] = net:state("1.h") }
  local on = net:forward({ x[4] }, { initial = initial, start = { 3, 3, 3 } })
  local anew = net:forward({ x[4] }, { initial = initial })
  for j = 1, 6 do
    check.equal(on[1][2][j], whole[4][2][j])
  end
  assert(anew[1][2][6] ~= whole[4][2][6])
  check.raises(function() net:forward(x, { start = { 1 } }) end, "start: expected 3 steps, got 1")
  check.raises(function() net:forward(x, { start = { 1, 2, -1 } }) end, "from 0 to", "got -1")
end)

test("gradients flow through states", function()
  local net = cb.net { cell = "lstm", input = 2, hidden = 2, precision = "f64" }
  local x, zero = sequences(), loss_weights(2)
  for _, step in ipairs(zero) do
    for _, row in ipairs(step) do
      row[1], row[2] = 0, 0
    end
  end
  local c = { { 0.1, -0.3 }, { 0.2, 0.5 }, { -0.4, 0.6 } }
  local final = { { 1, 0 }, { 0, 2 }, { -1, 1 } }
  local function value()
    net:forward(x, { lengths = lengths, initial = { ["1.c"] = c } })
    local state, sum = net:state("1.c"), 0
    for b = 1, 3 do
      sum = sum + state[b][1] * final[b][1] + state[b][2] * final[b][2]
    end
    return sum
  end
  value()
  net:backward(zero, { final = { ["1.c"] = final } })
  local gradient = net:state_grad("1.c")
  for b = 1, 3 do
    for j = 1, 2 do
      local old = c[b][j]
      c[b][j] = old + 1e-5
      local above = value()
      c[b][j] = old - 1e-5
      near(gradient[b][j], (above - value()) / 2e-5, 1e-8)
      c[b][j] = old
    end
  end
end)

test("gradients accumulate until they are zeroed", function()
  local net = cb.net { cell = "rnn", input = 2, hidden = 3 }
  local w = loss_weights(3)
  net:forward(sequences())
  net:backward(w)
  local once = net:grad("1.W_h")
  net:forward(sequences())
  net:backward(w)
  local twice = net:grad("1.W_h")
  check.equal(twice[2][1], 2 * once[2][1])
  assert(once[2][1] ~= 0)
  net:zero_grad()
  check.equal(net:grad("1.W_h")[2][1], 0.0)
end)

test("parameters are read and set by name", function()
  local net = cb.net { cell = "clockwork", input = 2, hidden = 8 }
  local structure
  for _, p in ipairs(net:params()) do
    local values = net:get(p.name)
    local count = 0
    for _, item in ipairs(values) do
      count = count + (type(item) == "table" and #item or 1)
    end
    check.equal(count, p.count, p.name)
    net:set(p.name, values)
    if p.structure == "upper" then
      structure = p
    end
  end
  -- Block upper triangular: 4 groups of 2 x 2, 10 of the 16 blocks.
  check.equal(structure.count, 40)
  check.equal(type(net:get(structure.name)[1]), "number")
  net = cb.net { cell = "rnn", input = 2, hidden = 2 }
  net:set("1.W_h", { { 1, 2 }, { 3, 4 } })
  check.equal(net:get("1.W_h")[2][1], 3.0)
  net:set("1.W_h", { 5, 6, 7, 8 })
  check.equal(net:get("1.W_h")[1][2], 6.0)
  net:set("1.b_h", { 0.1, 0 })
  check.equal(net:get("1.b_h")[1], string.unpack("f", string.pack("f", 0.1)))
end)

test("the draw is a function of seed and laws", function()
  local net = cb.net { cell = "rnn", input = 2, hidden = 3 }
  local first = net:get()
  net:init { seed = 2 }
  assert(net:get()[1] ~= first[1])
  net:init { seed = 1 }
  check.equal(net:get()[1], first[1])
  net:init { init = { R = "identity(1)", ["1.W_h"] = "constant(0.5)" } }
  check.equal(net:get("1.R_h")[2][2], 1.0)
  check.equal(net:get("1.R_h")[2][1], 0.0)
  check.equal(net:get("1.W_h")[3][2], 0.5)
  check.equal(cb.net { cell = "rnn", input = 2, hidden = 3, seed = 5, init = { R = "zero" } }
    :get("1.R_h")[1][1], 0.0)
end)

test("both directions", function()
  local both = cb.net { cell = "gru", input = 2, hidden = 3, bidirectional = true,
                        precision = "f64" }
  check.equal(tostring(both), "cellbench.net f64, input 2 -> gru 3 + gru 3")
  local one = cb.net { cell = "gru", input = 2, hidden = 3, precision = "f64" }
  for _, p in ipairs(one:params()) do
    one:set(p.name, both:get((p.name:gsub("^1", "1.reverse"))))
  end
  local x = sequences()
  local y = both:forward(x, { lengths = lengths })
  check.equal(#y[1][1], 6)
  local z = one:forward { { x[2][1] }, { x[1][1] } }
  for j = 1, 3 do
    near(y[1][1][3 + j], z[2][1][j], 1e-15)
    near(both:state("1.reverse.h")[1][j], z[2][1][j], 1e-15)
  end
  both:backward(y)
  assert(both:grad("1.reverse.R_n")[1][1] ~= 0)
  check.raises(function() both:state("1.revers.h") end, "did you mean '1.reverse.h'?")
end)

test("symbols instead of vectors, or nothing", function()
  local net = cb.net { cell = "gru", input = { index = 4 }, hidden = 3, precision = "f64" }
  local dense = cb.net { cell = "gru", input = 4, hidden = 3, precision = "f64" }
  local function one_hot(i)
    return { i == 1 and 1 or 0, i == 2 and 1 or 0, i == 3 and 1 or 0, i == 4 and 1 or 0 }
  end
  local y = net:forward { { 1, 4 }, { 2, 3 } }
  local z = dense:forward { { one_hot(1), one_hot(4) }, { one_hot(2), one_hot(3) } }
  near(y[2][2][3], z[2][2][3], 1e-15)
  check.equal(net:backward(y), nil)
  dense:backward(y)
  near(net:grad()[3], dense:grad()[3], 1e-15)
  check.raises(function() net:forward { { 1, 5 } } end, "x[1][2]: expected an integer from 1 to 4")
  check.raises(function() net:forward { { 1, 0.5 } } end, "x[1][2]", "got 0.5")
  net = cb.net { cell = "rnn", input = 0, hidden = 3 }
  y = net:forward(nil, { lengths = { 3, 1 }, initial = { ["1.h"] = { { 1, 0, 0 }, { 0, 0, 1 } } } })
  check.equal(#y, 3)
  assert(y[1][1][1] ~= y[1][2][1])
  check.raises(function() net:forward() end, "lengths: expected a list")
  check.raises(function() net:forward { { { 1 } } } end, "expected nil")
end)

test("a misshapen array is told with expected and actual shape", function()
  local net = cb.net { cell = "lstm", input = 2, hidden = 3 }
  local x = sequences()
  check.raises(function() net:forward() end, "x: expected nested lists (T, B, I), got nil")
  check.raises(function() net:forward {} end, "at least one step")
  check.raises(function() net:forward { {} } end, "x[1]: expected a list of sequences")
  check.raises(function() net:forward { { { 1, 2, 3 } } } end, "x[1][1]: expected 2 numbers, got 3")
  check.raises(function() net:forward { { { 1, 2 } }, { { 1, 2 }, { 1, 2 } } } end,
    "x[2]: expected 1 sequences, got 2")
  check.raises(function() net:forward { { { 1, 2 } }, 3 } end, "x[2]: expected a list of 1")
  check.raises(function() net:forward { { { 1, "2" } } } end, "x[1][1][2]: expected a number")
  check.raises(function() net:forward { { { 1, 0 / 0 } } } end, "expected a finite number")
  check.raises(function() net:forward { { { 1, 1e300 } } } end, "x[1][1][2]", "finite")
  check.raises(function() net:forward(x, { lengths = { 4, 4 } }) end,
    "lengths: expected 3 lengths, got 2")
  check.raises(function() net:forward(x, { lengths = { 4, 4, 5 } }) end, "from 1 to 4, got 5")
  check.raises(function() net:forward(x, { lengths = { 4, 4, 0 } }) end, "from 1 to 4, got 0")
  check.raises(function() net:forward(x, { lengths = { 3, 3, 3 } }) end,
    "the longest to be the 4 steps of x, got 3")
  check.raises(function() net:forward(x, { length = lengths }) end, "unknown key 'length'",
    "did you mean 'lengths'?")
  check.raises(function() net:forward(x, { initial = { ["1.k"] = {} } }) end, "no state '1.k'",
    "did you mean '1.")
  check.raises(function() net:forward(x, { initial = { ["1.h"] = { { 1, 2, 3 } } } }) end,
    "1.h: expected 3 sequences, got 1")
  check.raises(function() net:forward(x, { initial = { ["2.h"] = {} } }) end, "no state '2.h'")
  check.raises(function() net:backward(x) end, "expected net:forward before")
  check.raises(function() net:state("1.h") end, "expected net:forward before")
  net:forward(x)
  check.raises(function() net:state_grad("1.h") end, "expected net:backward before")
  check.raises(function() net:backward(x) end, "dy[1][1]: expected 3 numbers, got 2")
  check.raises(function() net:backward { x[1] } end, "dy: expected 4 steps, got 1")
  check.raises(function() net:get("1.W_q") end, "no tensor '1.W_q'", "did you mean '1.W_")
  check.raises(function() net:set("1.W_z", { { 1, 2 } }) end, "1.W_z: expected 3 rows, got 1")
  check.raises(function() net:set("1.W_z", { { 1, 2 }, { 1 }, { 1 } }) end,
    "1.W_z[2]: expected 2 numbers, got 1")
  check.raises(function() net:set("1.b_z", { 1 }) end, "1.b_z: expected 3 numbers, got 1")
  check.raises(function() net:set("1.b_z") end, "1.b_z: expected a list of 3 numbers, got a nil")
  check.raises(function() net:set { 1, 2 } end, "expected 72 numbers, got 2")
  check.raises(function() net:init { sed = 1 } end, "unknown key 'sed'", "'seed'")
  check.raises(function() net:init { seed = -1 } end, "seed: expected an integer")
  check.raises(function() net:init { init = { R = "uniformly(1)" } } end, "uniformly")
  check.raises(function() net:init { init = { Q = "zero" } } end, "'Q'")
end)

test("what is refused changes nothing", function()
  local net = cb.net { cell = "rnn", input = 2, hidden = 2 }
  local before = net:get()
  pcall(net.set, net, "1.W_h", { { 9, 9 }, { 9 } })
  pcall(net.init, net, { seed = 9, init = { Q = "zero" } })
  for i, value in ipairs(net:get()) do
    check.equal(value, before[i])
  end
end)

test("a wrong net is named", function()
  local function make(changes)
    local options = { cell = "lstm", input = 2, hidden = 3 }
    for key, value in pairs(changes) do
      options[key] = value or nil
    end
    return cb.net(options)
  end
  check.raises(function() make { precison = "f64" } end, "'precison'", "'precision'")
  check.raises(function() make { precision = "f16" } end, "precision: expected \"f32\" or \"f64\"")
  check.raises(function() make { cell = "lstn" } end, "did you mean 'lstm'?")
  check.raises(function() make { cell = 7 } end, "expected the name of a cell")
  check.raises(function() make { layers = { "gru" } } end, "expected `cell` or `layers`, got both")
  check.raises(function() make { cell = false } end, "got neither")
  check.raises(function() make { cell = false, layers = {} } end, "1 to 256 layers")
  check.raises(function() make { cell = false, layers = { "gru" }, depth = 2 } end, "`depth`")
  check.raises(function() make { cell = false, layers = { { "gru", hiden = 2 } } } end, "'hidden'")
  check.raises(function() make { hidden = false } end, "hidden: expected an integer")
  check.raises(function() make { bidirectional = 1 } end, "bidirectional: expected true or false")
  check.raises(function() make { input = false } end, "input: expected an integer")
  check.raises(function() make { input = { index = 0 } } end, "input.index")
  check.raises(function() make { cell = "clockwork", hidden = 5 } end, "equal groups")
  check.raises(function() make { init = { Q = "zero" } } end, "cb.net: ", "'Q'")
  check.raises(function() make { set = { a = 1 } } end, "unknown key 'a'")
end)

test("what memory cannot hold is refused before it is tried", function()
  check.raises(function() cb.net { cell = "lstm", input = 3, hidden = 1000000 } end, "too large")
  check.raises(function() cb.net { cell = "rnn", depth = 200, input = 3, hidden = 30000 } end,
    "cb.net: ", "2^33 weights")
  local net = cb.net { cell = "rnn", input = 0, hidden = 1000 }
  check.raises(function() net:forward(nil, { lengths = { 2000000000, 3 } }) end,
    "net:forward: it would need", "GB of memory; this machine has")
end)

test("weights go through files", function()
  local path = os.tmpname()
  local net = cb.net { cell = "lstm", input = 2, hidden = 3 }
  check.equal(net:save(path), true)
  local other = cb.net { cell = "lstm", input = 2, hidden = 3, seed = 2 }
  local before = other:get()
  check.equal(other:load(path), true)
  local a, b = net:get(), other:get()
  local differ = 0
  for i = 1, #a do
    check.equal(b[i], a[i])
    differ = differ + (before[i] ~= a[i] and 1 or 0)
  end
  check.equal(differ > 0, true)
  local wide = cb.net { cell = "lstm", input = 2, hidden = 4 }
  local kept = wide:get()
  local ok, message, code = wide:load(path)
  check.equal(ok, nil)
  check.equal(message:find("expected F32 [4, 2], got F32 [3, 2]", 1, true) ~= nil, true)
  check.equal(code, "CB_EDATA")
  check.equal(wide:get()[1], kept[1])
  os.remove(path)
  ok, message, code = net:load(path)
  check.equal(ok, nil)
  check.equal(code, "CB_EIO")
  check.equal(message:find(path, 1, true) ~= nil, true)
  check.equal(select(3, net:save("/no/such/folder/x")), "CB_EIO")
end)

test("a net is closed once", function()
  local net
  do
    local closed <close> = cb.net { cell = "rnn", input = 2, hidden = 3 }
    closed:forward { { { 1, 2 } } }
    net = closed
  end
  check.equal(tostring(net), "cellbench.net (closed)")
  net:close()
  check.raises(function() net:get() end, "closed")
  check.raises(function() net:forward { { { 1, 2 } } } end, "closed")
end)

local function sum(t)
  local s = 0
  for _, v in ipairs(t) do
    s = s + (type(v) == "table" and sum(v) or v)
  end
  return s
end

test("masks are drawn from a seed, and else stand for their expectations", function()
  local x = {}
  for t = 1, 6 do
    x[t] = { { 0.3, -t }, { 0.1 * t, 1 } }
  end
  for _, precision in ipairs { "f32", "f64" } do
    local net = cb.net {
      cell = "lstm", input = 2, hidden = 8, precision = precision, variational_input = 0.2,
      variational_state = 0.2, recurrent_dropout = 0.2, zoneout = { h = 0.1, c = 0.5 },
    }
    local expected = sum(net:forward(x))
    check.equal(sum(net:forward(x)), expected)
    local whole = net:forward(x, { masks = 7 })
    check.equal(sum(whole) ~= expected, true)
    check.equal(sum(net:forward(x, { masks = 7 })), sum(whole))
    check.equal(sum(net:forward(x, { masks = 8 })) ~= sum(whole), true)
    -- Cut in two, each sequence keeps its masks.
    net:forward({ x[1], x[2] }, { masks = 7 })
    local rest = net:forward({ x[3], x[4], x[5], x[6] }, {
      masks = 7, start = { 2, 2 },
      initial = { ["1.h"] = net:state("1.h"), ["1.c"] = net:state("1.c") },
    })
    for t = 1, 4 do
      check.equal(sum(rest[t]), sum(whole[t + 2]))
    end
    check.equal(sum(net:forward(x)), expected)
    net:forward(x, { masks = 7 })
    net:backward(whole)
  end
end)

test("regularisers that are wrong are told", function()
  local function net(options)
    options.cell, options.input, options.hidden = "gru", 2, 3
    return cb.net(options)
  end
  check.raises(function() net { zoneout = 1 } end, "zoneout", "below 1", "1")
  check.raises(function() net { zoneout = { c = 0.1 } } end, "no cell here has a state 'c'")
  check.raises(function() net { zoneout = { h = "x" } } end, "zoneout.h")
  check.raises(function() net { zoneout = { 0.1 } } end, "names of states")
  check.raises(function() net { recurrent_dropout = -0.1 } end, "recurrent_dropout")
  check.raises(function() net { variational = 0.1 } end, "variational")
  check.raises(function() net { residual = 1 } end, "residual", "true or false")
  check.raises(function()
    net { zoneout = 0.1 }:forward({ { { 1, 2 } } }, { masks = -1 })
  end, "masks")
end)

test("a residual link adds a layer's input to its output", function()
  local plain = cb.net { layers = { "rnn", "gru" }, input = 2, hidden = 3, precision = "f64" }
  local linked = cb.net { layers = { "rnn", "gru" }, input = 2, hidden = 3, precision = "f64",
                          residual = true }
  local one = cb.net { cell = "rnn", input = 2, hidden = 3, precision = "f64" }
  local x = { { { 1, 2 } }, { { -1, 0.5 } } }
  local y, z, below = plain:forward(x), linked:forward(x), one:forward(x)
  for t = 1, 2 do
    for i = 1, 3 do
      check.equal(z[t][1][i], y[t][1][i] + below[t][1][i])
    end
  end
  check.raises(function()
    cb.net { layers = { "rnn", { "gru", residual = true, hidden = 4 } }, input = 2, hidden = 3 }
  end, "layer 2: gru: residual: output + input needs one dimension, got 4 and 3")
end)
