-- SPDX-License-Identifier: MIT
-- Settings as a study writes them: where each belongs, what it may be, and one level of them (the
-- study's, or a cell's own) as { name = { kind = "constant" | "axis" | "function", value = } }.

local core, values, cells = ...

local settings = {}

local fault, show = values.fault, values.show

local SIZE = { hidden = true, params = true, depth = true, bidirectional = true, residual = true }
-- What a stack of its own layers leaves open; sizes only where a layer has none of its own.
local OF_STACK = { hidden = true, params = true, bidirectional = true, residual = true }

-- The table of training settings by name, read once.
local train_rows
local function train()
  if not train_rows then
    train_rows = {}
    for _, row in ipairs(core.settings("train")) do
      train_rows[row.name] = row
      if row.type == "table" and row.default then
        values.object(row.default)
      end
    end
  end
  return train_rows
end

-- Where a setting goes: "size", "train", "set"; "factor" if it goes nowhere by itself; nil if the
-- cell does not know it.
local function target(cell, name)
  if SIZE[name] then
    if cell.layers and (not OF_STACK[name]
        or cell.is_sized and (name == "hidden" or name == "params")) then
      return nil
    end
    return "size"
  elseif train()[name] then
    return "train"
  elseif cell.factors and cell.factors[name] then
    return "factor"
  elseif cell.settings[name] ~= nil then
    return "set"
  end
end

local function check_value(cell, name, value, where)
  local place = target(cell, name)
  if place == "set" then
    return cells.check_set_value(value, cell.maker ~= nil, where)
  end
  value = values.plain(value, where)
  if place == "factor" then
    return value
  end
  local row = train()[name]
  if value == false and row and row.nullable then
    return false -- as in `clip = false`: none
  elseif row and row.type == "table" and type(value) == "table" then
    value = values.object(value)
  end
  local message = core.check(place, nil, values.object { [name] = value }, false)
  if message then
    fault("%s", message)
  end
  return value
end

local function check_axis(cell, name, axis, where)
  if axis.kind == "choice" then
    for i, value in ipairs(axis.values) do
      check_value(cell, name, value, ("%s[%d]"):format(where, i))
    end
    return
  end
  local row = train()[name]
  local whole = SIZE[name] or row and row.type == "int"
  if whole and (axis.kind == "uniform" or axis.kind == "log_uniform") then
    fault("%s: expected whole numbers, as from cb.int or cb.log_int, got %s", where,
      tostring(axis))
  end
  check_value(cell, name, axis.low, where)
  check_value(cell, name, axis.high, where)
end

-- One setting as written: { kind = "constant" | "axis" | "function", value = }.
local function read_entry(value, where, cellset, name)
  if type(value) == "function" then
    return { kind = "function", value = value, where = where }
  elseif values.is(value, values.Axis) then
    for _, cell in ipairs(cellset) do
      check_axis(cell, name, value, where)
      if target(cell, name) ~= "set" then
        break -- what holds for one cell holds for all; an axis may be long
      end
    end
    return { kind = "axis", value = value, where = where }
  end
  for _, cell in ipairs(cellset) do
    value = check_value(cell, name, value, where)
  end
  return { kind = "constant", value = value, where = where }
end

-- The names that may stand in a space of these cells.
local function known_names(cell_list)
  local known = {}
  for name in pairs(SIZE) do
    known[name] = true
  end
  for name in pairs(train()) do
    known[name] = true
  end
  for _, cell in ipairs(cell_list) do
    for name in pairs(cell.settings) do
      known[name] = true
    end
    for name in pairs(cell.factors or {}) do
      known[name] = true
    end
  end
  return known
end

-- Reads the settings of one level (the study, or one cell's entry) into { name = entry }.
local function read_level(options, cell_list, where)
  local level = {}
  local function add(name, value, place, varied)
    if level[name] then
      fault("%s: '%s' is given twice", where, name)
    end
    local takers = {}
    for _, cell in ipairs(cell_list) do
      if target(cell, name) then
        takers[#takers + 1] = cell
      end
    end
    local entry = read_entry(value, place .. name, takers, name)
    entry.varied = varied
    level[name] = entry
  end
  local own = where ~= "cb.study"
  local space = options.space
  if space ~= nil then
    values.check_keys(values.options(space, where .. ": space"), known_names(cell_list),
      where .. ": space")
    for _, name in ipairs(values.sorted_keys(space)) do
      add(name, space[name], where .. ": space.", true)
    end
  end
  for _, name in ipairs(values.sorted_keys(options.factors or {})) do
    add(name, options.factors[name], where .. ": factors.", true)
  end
  local constants = options.train
  if constants ~= nil then
    values.check_keys(values.options(constants, where .. ": train"), train(), where .. ": train")
    for _, name in ipairs(values.sorted_keys(constants)) do
      local value = constants[name]
      if type(value) == "function" or values.is(value, values.Axis) then
        fault("%s: train.%s: expected a constant, got %s; what varies stands in `space`", where,
          name, show(value))
      end
      add(name, value, where .. ": train.", own)
    end
  end
  for _, name in ipairs { "hidden", "params", "depth", "bidirectional", "residual", "init" } do
    if options[name] ~= nil then
      if own and not target(cell_list[1], name) then
        fault("%s: %s: a stack has its layers, and their sizes, of its own", where, name)
      end
      add(name, options[name], where .. ": ", own)
    end
  end
  if level.hidden and level.params then
    fault("%s: expected `hidden` or `params`, got both", where)
  end
  return level
end

-- The names of `factors`, quantities of a study's own, as a set. They are given to all cells.
function settings.read_factors(factors, cell_list)
  local where = "cb.study: factors"
  local names = {}
  if factors == nil then
    return names
  end
  local taken = known_names(cell_list)
  for name in pairs(values.options(factors, where)) do
    if type(name) ~= "string" or not name:find("^[a-z][a-z0-9_]*$") or #name > 32 then
      fault("%s: expected a name of at most 32 small letters, digits and '_', got %s", where,
        show(name))
    elseif name == "cell" or taken[name] then
      fault("%s: '%s' is a setting; it stands in `space`", where, name)
    end
    names[name] = true
  end
  return names
end

-- Whether every cell has this setting: a size, or one of training.
function settings.is_common(name)
  return SIZE[name] or train()[name] ~= nil
end

settings.train, settings.target, settings.known_names = train, target, known_names
settings.check_value, settings.read_level = check_value, read_level

return settings
