-- SPDX-License-Identifier: MIT
-- cb.study: checks a study and makes it a list of trials, each resolved when it is asked for.
--
-- A study has cells; a cell has a plan: for each setting a constant, an axis or a function, taken
-- from the cell's own entry, else from the study. Configurations are numbered from 1. A grid reads
-- the digits of the number in the mixed radix of the plan's axes, in the order of their names, the
-- last fastest; a random search draws each axis from its name and the number. So no order of
-- Lua's tables decides anything, and nothing is ever expanded.

local core, values, cells = ...

local fault, show = values.fault, values.show

local SIZE = { hidden = true, params = true, depth = true }
local STUDY_KEYS = {
  name = true, task = true, cells = true, search = true, space = true, train = true, seeds = true,
  hidden = true, params = true, depth = true, keep = true, init = true,
}
local ENTRY_KEYS = {
  name = true, set = true, space = true, train = true, hidden = true, params = true, depth = true,
  init = true,
}
local MOST = 1 << 53

-- The table of training settings by name, read once.
local train_rows
local function train()
  if not train_rows then
    train_rows = {}
    for _, row in ipairs(core.settings("train")) do
      train_rows[row.name] = row
    end
  end
  return train_rows
end

-- Where a setting goes: "size", "train", "set"; nil if the cell does not know it.
local function target(cell, name)
  if SIZE[name] then
    return "size"
  elseif train()[name] then
    return "train"
  elseif cell.settings[name] ~= nil then
    return "set"
  end
end

---------------------------------------------------------------------------------------------------
-- Reading the study.

local function check_value(cell, name, value, where)
  local place = target(cell, name)
  if place == "set" then
    return cells.check_set_value(value, cell.maker ~= nil, where)
  end
  value = values.plain(value, where)
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
  local known = { hidden = true, params = true, depth = true }
  for name in pairs(train()) do
    known[name] = true
  end
  for _, cell in ipairs(cell_list) do
    for name in pairs(cell.settings) do
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
  for _, name in ipairs { "hidden", "params", "depth", "init" } do
    if options[name] ~= nil then
      add(name, options[name], where .. ": ", own and name ~= "init")
    end
  end
  if level.hidden and level.params then
    fault("%s: expected `hidden` or `params`, got both", where)
  end
  return level
end

-- One entry of `cells`: a name, a cell, or a table with either and settings of its own.
local function read_cell(item, where)
  local own = {}
  if type(item) == "table" and getmetatable(item) == nil then
    own, item = item, item[1]
    values.check_keys(own, ENTRY_KEYS, where, 1)
  end
  local cell, message
  if values.is(item, cells.Cell) then
    cell = item
  elseif type(item) == "string" then
    cell, message = cells.registered(item)
    if not cell then
      fault("%s: %s", where, message)
    end
  else
    fault("%s: expected the name of a cell or a cb.cell, got %s", where, show(item))
  end
  local copy = setmetatable({}, cells.Cell)
  for key, value in next, cell do
    copy[key] = value
  end
  if own.name ~= nil then
    copy.name = cells.check_name(own.name, where .. ": name")
    if copy.name ~= cell.name and core.cell_info(copy.name) then
      fault("%s: the name '%s' is taken by a registered cell", where, copy.name)
    end
  end
  for name in pairs(copy.settings) do
    if SIZE[name] or train()[name] then
      fault("%s: the cell's setting '%s' has the name of a training setting", where, name)
    end
  end
  return copy, own
end

local function read_cells(list)
  local n = values.list(list, "cb.study: cells")
  if n == 0 then
    fault("cb.study: cells: expected at least one cell, got an empty list")
  end
  local all, by_name = {}, {}
  for i = 1, n do
    local where = ("cb.study: cells[%d]"):format(i)
    local cell, own = read_cell(list[i], where)
    if by_name[cell.name] then
      fault("%s: the cell '%s' is listed twice; give one of them a `name` of its own", where,
        cell.name)
    end
    by_name[cell.name] = cell
    where = ("cb.study: cell '%s'"):format(cell.name)
    cell.level = read_level(own, { cell }, where)
    if own.set ~= nil then
      local set = cells.check_set(own.set, cell.settings, cell.maker ~= nil, where .. ": set")
      for name, value in pairs(set) do
        if cell.level[name] then
          fault("%s: '%s' is given twice", where, name)
        end
        cell.level[name] = { kind = "constant", value = value, where = where .. ": set." .. name,
                             varied = true }
      end
    end
    all[i] = cell
  end
  return all, by_name
end

local function read_seeds(seeds)
  if seeds == nil then
    return { 1 }
  elseif type(seeds) == "table" then
    local n, list, seen = values.list(seeds, "cb.study: seeds"), {}, {}
    for i = 1, n do
      local seed = values.integer(seeds[i], 0, math.maxinteger, ("cb.study: seeds[%d]"):format(i))
      if seen[seed] then
        fault("cb.study: seeds: %d is listed twice", seed)
      end
      seen[seed] = true
      list[i] = seed
    end
    if n == 0 then
      fault("cb.study: seeds: expected at least one seed, got an empty list")
    end
    return list
  end
  local list = {}
  for i = 1, values.integer(seeds, 1, 1000000, "cb.study: seeds") do
    list[i] = i
  end
  return list
end

---------------------------------------------------------------------------------------------------
-- Plans.

-- The entries that hold for one cell, its axes with their strides, and how many configurations.
local function make_plan(cell, common, search)
  local plan = { entries = {}, axes = {}, count = 1 }
  local own = cell.level
  for name, entry in pairs(common) do
    local replaced = own[name] or name == "hidden" and own.params or name == "params" and own.hidden
    if not replaced and target(cell, name) then
      plan.entries[name] = entry
    end
  end
  for name, entry in pairs(own) do
    plan.entries[name] = entry
  end
  if not plan.entries.hidden and not plan.entries.params then
    fault("cb.study: cell '%s': expected `hidden` or `params`, in the study, in its space, or with "
      .. "the cell", cell.name)
  end
  local names = values.sorted_keys(plan.entries)
  for i = #names, 1, -1 do
    local entry = plan.entries[names[i]]
    if entry.kind == "axis" then
      local count = entry.value:count()
      if search.kind == "grid" then
        if count == 0 then
          fault("%s: %s has no countable points for a grid; use search = cb.random{ trials = ... }",
            entry.where, tostring(entry.value))
        elseif count > MOST // plan.count then
          fault("cb.study: cell '%s': the grid has too many points", cell.name)
        end
        plan.axes[names[i]] = { stride = plan.count, count = count }
        plan.count = plan.count * count
      else
        plan.count = search.trials
      end
    end
  end
  return plan
end

-- A setting's value when nobody gave one: the training setting's default, or the text's own.
local function fallback(cell, name)
  local row = train()[name]
  if row then
    return row.default
  end
  local value = cell.set[name]
  if value == nil then
    value = cell.settings[name]
  end
  return value
end

-- All values of a cell's plan at configuration `config`, functions last and on demand.
local function resolve(study, cell, config)
  local plan, search = cell.plan, study.search
  local done, found, trail = {}, {}, {}
  local view

  local function evaluate(name, entry)
    for i, other in ipairs(trail) do
      if other == name then
        fault("%s: settings depend on each other: %s -> %s", entry.where,
          table.concat(trail, " -> ", i), name)
      end
    end
    trail[#trail + 1] = name
    local value = entry.value(view)
    trail[#trail] = nil
    if value ~= nil then
      value = check_value(cell, name, value, entry.where)
    end
    return value
  end

  local function get(name)
    if done[name] then
      return found[name]
    end
    local entry = plan.entries[name]
    local value
    if not entry then
      return fallback(cell, name)
    elseif entry.kind == "function" then
      value = evaluate(name, entry)
    elseif entry.kind == "constant" then
      value = entry.value
    elseif search.kind == "grid" then
      local axis = plan.axes[name]
      value = entry.value:at((config - 1) // axis.stride % axis.count)
    else
      value = entry.value:draw(name, search.seed, config)
    end
    done[name], found[name] = true, value
    return value
  end

  -- What a function of settings sees: every setting of this cell by name, and `cell`.
  view = setmetatable({}, {
    __name = "cellbench.settings",
    __index = core.guard(function(_, name)
      if name == "cell" then
        return cell.name
      elseif type(name) ~= "string" or not target(cell, name) then
        local known = known_names { cell }
        known.cell = true
        fault("cell '%s' has no setting '%s'%s", cell.name, tostring(name),
          core.nearest(tostring(name), values.sorted_keys(known)))
      end
      local value = get(name)
      return type(value) == "table" and values.plain(value, name) or value
    end),
    __newindex = core.guard(function(_, name)
      fault("settings are read-only: '%s' cannot be set here; return the value", tostring(name))
    end),
  })

  for _, name in ipairs(values.sorted_keys(plan.entries)) do
    get(name)
  end
  return found, get
end

---------------------------------------------------------------------------------------------------
-- Trials.

-- Trials of the configurations before `config`, for all cells: configurations are the outer loop,
-- cells the middle one, seeds the inner one, and a cell with fewer configurations drops out.
local function trials_before(study, config)
  local n = 0
  for _, cell in ipairs(study.cells) do
    n = n + math.min(cell.plan.count, config - 1)
  end
  return n * #study.seeds
end

-- Trial 1..count: the cell, its configuration's number and the seed.
local function locate(study, index)
  local low, high = 1, study.configs
  while low < high do
    local middle = low + (high - low + 1) // 2
    if trials_before(study, middle) < index then
      low = middle
    else
      high = middle - 1
    end
  end
  local rest = index - 1 - trials_before(study, low)
  local skip, seed = rest // #study.seeds, study.seeds[rest % #study.seeds + 1]
  for _, cell in ipairs(study.cells) do
    if cell.plan.count >= low then
      if skip == 0 then
        return cell, low, seed
      end
      skip = skip - 1
    end
  end
end

local function layers(study, cell, set, depth)
  local text, overrides = cells.expand(cell, set)
  local list = {}
  for i = 1, depth do
    list[i] = { name = cell.name, text = text, settings = values.object(overrides) }
  end
  if cell.lowest then
    local below = study.by_name[cell.lowest] or cells.registered(cell.lowest)
    if not below then
      fault("cell '%s': its lowest layer '%s' is neither a cell of the study nor registered",
        cell.name, cell.lowest)
    elseif depth < 2 then
      fault("cell '%s' reads the layer below it: expected a depth of at least 2, got %d", cell.name,
        depth)
    end
    local below_text, below_set = cells.expand(below, below.set)
    list[1] = { name = below.name, text = below_text, settings = values.object(below_set) }
  end
  return list
end

local function make_trial(study, index)
  local cell, config, seed = locate(study, index)
  local found, get = resolve(study, cell, config)
  local given, set = values.object {}, values.object {}
  for name, value in next, cell.set do
    set[name] = value
  end
  for name, value in next, found do
    local place = target(cell, name)
    if place == "train" then
      if value ~= false or not train()[name].nullable then
        given[name] = value
      end
    elseif place == "set" then
      set[name] = value
    end
  end
  if (found.hidden == nil) == (found.params == nil) then
    fault("cell '%s': expected `hidden` or `params`, got %s", cell.name,
      found.hidden == nil and "neither" or "both")
  end
  local settings = { hidden = found.hidden }
  for _, name in ipairs(study.varied) do
    if target(cell, name) then
      settings[name] = get(name)
    end
  end
  local hidden = cell.plan.entries.hidden
  return {
    cell = cell.name, source = cell.source, seed = seed, config = config, settings = settings,
    hidden_drawn = hidden ~= nil and hidden.kind == "axis" and hidden.value.kind ~= "choice",
    spec = {
      task = { name = study.task.name, settings = study.task.settings },
      layers = layers(study, cell, set, found.depth == nil and 1 or found.depth),
      hidden = found.hidden, params = found.params, train = given, seed = seed,
    },
  }
end

-- The settings as values of a database: a list of { name, value }, in the order of their names.
local function columns(settings)
  local list = {}
  for _, name in ipairs(values.sorted_keys(settings)) do
    local value = settings[name]
    if type(value) == "boolean" then
      local row = train()[name]
      value = (value or not (row and row.nullable)) and (value and 1 or 0) or nil
    elseif type(value) == "table" then
      value = core.json(value)
    end
    list[#list + 1] = { name, value }
  end
  return list
end

-- Names whose values are recorded for every trial: what a space holds and what a cell has its own.
local function varied_names(study)
  local set = {}
  for _, cell in ipairs(study.cells) do
    for name, entry in pairs(cell.plan.entries) do
      if entry.varied and name ~= "hidden" then
        if #name > 32 then
          fault("%s: the name is longer than 32 letters", entry.where)
        end
        set[name] = true
      end
    end
  end
  return values.sorted_keys(set)
end

---------------------------------------------------------------------------------------------------
-- The study as a value. What it holds is kept apart, so that it cannot be changed afterwards.

local inside = setmetatable({}, { __mode = "k" })
local Study = core.study_class

local methods = {}

-- The resolved settings of trial 1..count.
function methods.trial(self, index)
  local study = inside[self]
  if not study then
    fault("trial: expected a study, got %s; call it as study:trial(i)", show(self))
  end
  return make_trial(study, values.integer(index, 1, study.count, "study:trial"))
end
methods.trial = core.guard(methods.trial)

function Study:__index(key)
  local study = inside[self]
  if key == "name" or key == "count" or key == "task" or key == "where" or key == "keep" then
    return study[key]
  elseif key == "cells" then
    local names = {}
    for i, cell in ipairs(study.cells) do
      names[i] = cell.name
    end
    return names
  elseif key == "seeds" then
    return table.move(study.seeds, 1, #study.seeds, 1, {})
  end
  return methods[key]
end

function Study:__len()
  return inside[self].count
end

Study.__newindex = core.guard(function(_, key)
  fault("a study cannot be changed: '%s' stands in the table given to cb.study", tostring(key))
end)

function Study:__tostring()
  local study = inside[self]
  return ("cellbench.study '%s': %d cells, %d trials"):format(study.name, #study.cells,
    study.count)
end

local KEEP = { best = true, none = false }

local function read_keep(keep)
  if keep == nil then
    return true
  elseif type(keep) == "boolean" then
    return keep
  elseif KEEP[keep] == nil then
    fault("cb.study: keep: expected \"best\" or \"none\", got %s", show(keep))
  end
  return KEEP[keep]
end

-- Without a word about the search it is a grid, where that is possible.
local function read_search(search)
  if search == nil then
    return setmetatable({ kind = "grid" }, values.Search)
  elseif not values.is(search, values.Search) then
    fault("cb.study: search: expected cb.grid{} or cb.random{ trials = ... }, got %s",
      show(search))
  end
  return search
end

local function create(where, options)
  values.check_keys(values.options(options, "cb.study"), STUDY_KEYS, "cb.study")
  local study = {
    where = where,
    name = values.text(options.name, "cb.study: name", 100),
    task = options.task,
    seeds = read_seeds(options.seeds),
    search = read_search(options.search),
    keep = read_keep(options.keep),
    configs = 0,
    count = 0,
  }
  if not values.is(study.task, cells.Task) then
    fault("cb.study: task: expected a task, as from cb.task.adding{}, got %s", show(study.task))
  end
  study.cells, study.by_name = read_cells(options.cells)
  local common = read_level(options, study.cells, "cb.study")
  for _, cell in ipairs(study.cells) do
    cell.plan = make_plan(cell, common, study.search)
    study.configs = math.max(study.configs, cell.plan.count)
    if cell.plan.count > (MOST - study.count) // #study.seeds then
      fault("cb.study: there are too many trials")
    end
    study.count = study.count + cell.plan.count * #study.seeds
  end
  study.varied = varied_names(study)
  local value = setmetatable({}, Study)
  inside[value] = study
  return value
end

-- For the program: a trial with the settings as columns; a fault carries the study's place.
local function trial(self, index)
  local study = inside[self]
  local ok, result = pcall(make_trial, study, index)
  if not ok then
    if type(result) == "table" and result.fault then
      result = study.where .. result.fault
    end
    error(result, 0)
  end
  result.columns = columns(result.settings)
  return result
end

return { create = create, trial = trial }
