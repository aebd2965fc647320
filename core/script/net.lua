-- SPDX-License-Identifier: MIT
-- cb.net: checks what a stack of layers is made of; the object itself is made in net.c.

local core, values, cells = ...

local net = {}

local fault, show = values.fault, values.show

local NET_KEYS = {
  cell = true, layers = true, depth = true, set = true, input = true, hidden = true,
  bidirectional = true, residual = true, precision = true, seed = true, init = true,
  variational_input = true, variational_state = true, recurrent_dropout = true, zoneout = true,
}

-- `layers = { ... }`, as of a cb.stack; the net's size is that of those without their own.
local function read_layers(options)
  local where = "cb.net: layers"
  local list = cells.layers(options.layers, values.list(options.layers, where), where)
  for i, layer in ipairs(list) do
    if layer.hidden == nil then
      layer.hidden = cells.hidden(options.hidden, ("%s[%d]"):format(where, i))
    end
  end
  return list
end

-- `cell = ..., depth = n`: the same cell n times, but for one that names its lowest.
local function repeat_cell(options)
  local depth = options.depth
  if depth == nil then
    depth = 1
  end
  values.integer(depth, 1, cells.MOST_LAYERS, "cb.net: depth")
  local cell = cells.given(options.cell, "cb.net: cell")
  local hidden = cells.hidden(options.hidden, "cb.net")
  local list = {}
  for i = 1, depth do
    list[i] = cells.layer(cell, options.set, "cb.net")
  end
  if cell.lowest then
    local below, message = cells.registered(cell.lowest)
    if depth < 2 then
      fault("cb.net: cell '%s' reads the layer below it: expected a depth of at least 2, got %d",
        cell.name, depth)
    elseif not below then
      fault("cb.net: cell '%s': its lowest layer: %s; name both in `layers`", cell.name, message)
    end
    list[1] = cells.layer(below, nil, "cb.net")
  end
  for _, layer in ipairs(list) do
    layer.hidden = hidden
  end
  return list
end

-- A rate of a regulariser.
local function read_rate(value, where)
  if value == nil then
    return 0.0
  elseif not math.type(value) or not (value >= 0 and value < 1) then
    fault("%s: expected a number from 0, below 1, got %s", where, show(value))
  end
  return value + 0.0
end

-- The regularisers of the net; zoneout is one rate, or a table of rates by state.
local function read_regularisers(options)
  local rates = {}
  for _, name in ipairs { "variational_input", "variational_state", "recurrent_dropout" } do
    rates[name] = read_rate(options[name], "cb.net: " .. name)
  end
  local zoneout, list = options.zoneout, {}
  if type(zoneout) == "table" and getmetatable(zoneout) == nil then
    for state, rate in pairs(zoneout) do
      if type(state) ~= "string" then
        fault("cb.net: zoneout: expected rates by the names of states, got %s as a key",
          show(state))
      end
      list[#list + 1] = { state = state, rate = read_rate(rate, "cb.net: zoneout." .. state) }
    end
    table.sort(list, function(a, b) return a.state < b.state end)
  elseif zoneout ~= nil then
    list[1] = { rate = read_rate(zoneout, "cb.net: zoneout") }
  end
  rates.zoneout = list
  return rates
end

-- input = 3, { index = 65 } or 0.
local function read_input(input)
  if type(input) == "table" and getmetatable(input) == nil then
    values.check_keys(input, { index = true }, "cb.net: input")
    return "index", values.integer(input.index, 1, cells.MOST_SIZE, "cb.net: input.index")
  end
  local I = values.integer(input, 0, cells.MOST_SIZE, "cb.net: input")
  return I == 0 and "none" or "dense", I
end

-- cb.net{ cell =, depth =, set = | layers =, input =, hidden =, bidirectional =, residual =,
--         precision =, seed =, init =, variational_input =, variational_state =,
--         recurrent_dropout =, zoneout = }
function net.create(options)
  values.check_keys(values.options(options, "cb.net"), NET_KEYS, "cb.net")
  if (options.cell == nil) == (options.layers == nil) then
    fault("cb.net: expected `cell` or `layers`, got %s", options.cell and "both" or "neither")
  end
  for _, name in ipairs { "depth", "set" } do
    if options.layers ~= nil and options[name] ~= nil then
      fault("cb.net: `%s` belongs to `cell`, not to `layers`", name)
    end
  end
  local precision = options.precision
  if precision == nil then
    precision = "f32"
  elseif precision ~= "f32" and precision ~= "f64" then
    fault("cb.net: precision: expected \"f32\" or \"f64\", got %s", show(precision))
  end
  for _, name in ipairs { "bidirectional", "residual" } do
    cells.flag(options[name], "cb.net: " .. name)
  end
  local kind, I = read_input(options.input)
  local layers = cells.completed(options.layers and read_layers(options) or repeat_cell(options),
    options.bidirectional, options.residual)
  local made, message = core.net(layers, kind, I, precision, read_regularisers(options))
  if not made then
    fault("cb.net: %s", message)
  end
  local ok, text = pcall(made.init, made, { seed = options.seed, init = options.init })
  if not ok then
    fault("cb.net: %s", (tostring(text):gsub("^net:init: ", "")))
  end
  return made
end

return net
