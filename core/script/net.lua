-- SPDX-License-Identifier: MIT
-- cb.net: checks what a stack of layers is made of; the object itself is made in net.c.

local core, values, cells = ...

local net = {}

local fault, show = values.fault, values.show

local NET_KEYS = {
  cell = true, layers = true, depth = true, set = true, input = true, hidden = true,
  bidirectional = true, precision = true, seed = true, init = true,
}
local LAYER_KEYS = { set = true, hidden = true, bidirectional = true }
local MOST_LAYERS, MOST_SIZE = 256, 1 << 20

-- A cell as people give it: the name of a registered one, or a cb.cell.
local function read_cell(item, where)
  if values.is(item, cells.Cell) then
    return item
  elseif type(item) ~= "string" then
    fault("%s: expected the name of a cell or a cb.cell, got %s", where, show(item))
  end
  local cell, message = cells.registered(item)
  if not cell then
    fault("%s: %s", where, message)
  end
  return cell
end

-- What C needs of one layer.
local function expand(cell, given, hidden, both, where)
  if both ~= nil and type(both) ~= "boolean" then
    fault("%s: bidirectional: expected true or false, got %s", where, show(both))
  end
  local set = {}
  for name, value in next, cell.set do
    set[name] = value
  end
  if given ~= nil then
    local own = cells.check_set(given, cell.settings, cell.maker ~= nil, where .. ": set")
    for name, value in next, own do
      set[name] = value
    end
  end
  local text, overrides = cells.expand(cell, set)
  return { name = cell.name, text = text, settings = overrides, hidden = hidden,
           bidirectional = both }
end

local function read_hidden(value, where)
  return values.integer(value, 1, MOST_SIZE, where .. ": hidden")
end

-- `layers = { ... }`: each a cell, or { cell, set =, hidden = }.
local function read_layers(options)
  local n = values.list(options.layers, "cb.net: layers")
  if n == 0 or n > MOST_LAYERS then
    fault("cb.net: layers: expected 1 to %d layers, got %d", MOST_LAYERS, n)
  end
  local list = {}
  for i = 1, n do
    local where, item, own = ("cb.net: layers[%d]"):format(i), options.layers[i], {}
    if type(item) == "table" and getmetatable(item) == nil then
      own, item = item, item[1]
      values.check_keys(own, LAYER_KEYS, where, 1)
    end
    local cell, hidden, both = read_cell(item, where), own.hidden, own.bidirectional
    if hidden == nil then
      hidden = options.hidden
    end
    if both == nil then
      both = options.bidirectional
    end
    list[i] = expand(cell, own.set, read_hidden(hidden, where), both, where)
  end
  return list
end

-- `cell = ..., depth = n`: the same cell n times, but for one that names its lowest.
local function repeat_cell(options)
  local depth = options.depth
  if depth == nil then
    depth = 1
  end
  values.integer(depth, 1, MOST_LAYERS, "cb.net: depth")
  local cell = read_cell(options.cell, "cb.net: cell")
  local hidden = read_hidden(options.hidden, "cb.net")
  local list = {}
  for i = 1, depth do
    list[i] = expand(cell, options.set, hidden, options.bidirectional, "cb.net")
  end
  if cell.lowest then
    local below, message = cells.registered(cell.lowest)
    if depth < 2 then
      fault("cb.net: cell '%s' reads the layer below it: expected a depth of at least 2, got %d",
        cell.name, depth)
    elseif not below then
      fault("cb.net: cell '%s': its lowest layer: %s; name both in `layers`", cell.name, message)
    end
    list[1] = expand(below, nil, hidden, options.bidirectional, "cb.net")
  end
  return list
end

-- input = 3, { index = 65 } or 0.
local function read_input(input)
  if type(input) == "table" and getmetatable(input) == nil then
    values.check_keys(input, { index = true }, "cb.net: input")
    return "index", values.integer(input.index, 1, MOST_SIZE, "cb.net: input.index")
  end
  local I = values.integer(input, 0, MOST_SIZE, "cb.net: input")
  return I == 0 and "none" or "dense", I
end

-- cb.net{ cell =, depth =, set = | layers =, input =, hidden =, bidirectional =,
--         precision =, seed =, init = }
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
  local kind, I = read_input(options.input)
  local layers = options.layers and read_layers(options) or repeat_cell(options)
  local made, message = core.net(layers, kind, I, precision)
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
