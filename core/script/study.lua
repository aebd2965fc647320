-- SPDX-License-Identifier: MIT
-- cb.study: checks a study and makes it a list of trials, each resolved when it is asked for.

local core, values, cells, settings, plans, reproduces = ...

local fault, show = values.fault, values.show
local train, target = settings.train, settings.target

local STUDY_KEYS = {
  name = true, task = true, cells = true, search = true, space = true, train = true, seeds = true,
  hidden = true, params = true, depth = true, bidirectional = true, residual = true, keep = true,
  init = true, confirm = true, factors = true, reproduces = true,
}
local CONFIRM_KEYS = { top = true, seeds = true }
local ENTRY_KEYS = {
  name = true, set = true, space = true, train = true, hidden = true, params = true, depth = true,
  bidirectional = true, residual = true, init = true,
}
---------------------------------------------------------------------------------------------------
-- Reading the study.

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
    fault("%s: expected the name of a cell, a cb.cell or a cb.stack, got %s", where, show(item))
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
    if settings.is_common(name) then
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
    cell.level = settings.read_level(own, { cell }, where)
    if own.set ~= nil and cell.layers then
      fault("%s: set: the settings of a stack's cells stand with its layers", where)
    elseif own.set ~= nil then
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

-- A trial's own seed is one of 1..OWN_SEEDS; fresh seeds lie behind them.
local OWN_SEEDS = (1 << 31) - 1

-- The seeds of all trials as a list; or "own": each trial has one for itself.
local function read_seeds(seeds)
  if seeds == nil then
    return { 1 }
  elseif seeds == "own" then
    return seeds
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

-- Confirmation: how many of a cell's best settings, and the fresh seeds, which go on behind the
-- largest of the study's.
local function read_confirm(confirm, seeds)
  if confirm == nil then
    return { top = 0, seeds = {} }
  end
  local where = "cb.study: confirm"
  values.check_keys(values.options(confirm, where), CONFIRM_KEYS, where)
  local top, count = confirm.top, confirm.seeds
  top = values.integer(top == nil and 1 or top, 1, 1000000, where .. ".top")
  count = values.integer(count == nil and 5 or count, 1, 1000000, where .. ".seeds")
  local largest, fresh = seeds == "own" and OWN_SEEDS or 0, {}
  for _, seed in ipairs(seeds == "own" and {} or seeds) do
    largest = math.max(largest, seed)
  end
  if largest > math.maxinteger - count then
    fault("%s: there is no seed behind the study's largest, %d", where, largest)
  end
  for k = 1, count do
    fresh[k] = largest + k
  end
  return { top = top, seeds = fresh }
end

---------------------------------------------------------------------------------------------------
-- Trials.

local function seed_count(study)
  return study.seeds == "own" and 1 or #study.seeds
end

-- A trial's own seed: drawn like an axis, so that it depends on the search's seed, the cell's name
-- and the number of the configuration, and on nothing else.
local function own_seed(study, cell, config)
  return values.int(1, OWN_SEEDS):draw(cell.name .. "/seed", study.search.seed or 1, config)
end

-- Trials of the configurations before `config`, for all cells: configurations are the outer loop,
-- cells the middle one, seeds the inner one, and a cell with fewer configurations drops out.
local function trials_before(study, config)
  local n = 0
  for _, cell in ipairs(study.cells) do
    n = n + math.min(cell.plan.count, config - 1)
  end
  return n * seed_count(study)
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
  local count = seed_count(study)
  local skip = rest // count
  for _, cell in ipairs(study.cells) do
    if cell.plan.count >= low then
      if skip == 0 then
        return cell, low,
          study.seeds == "own" and own_seed(study, cell, low) or study.seeds[rest % count + 1]
      end
      skip = skip - 1
    end
  end
end

local function layers(study, cell, set, depth, both, linked)
  if cell.layers then
    return cells.completed(cell.layers, both, linked)
  end
  local text, overrides = cells.expand(cell, set)
  local list = {}
  for i = 1, depth do
    list[i] = { name = cell.name, text = text, settings = values.object(overrides) }
  end
  list = cells.completed(list, both, linked)
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

-- Trial 1..count; with `fresh`, its k-th confirmation instead.
local function make_trial(study, index, fresh)
  local cell, config, seed = locate(study, index)
  seed = fresh and study.confirm.seeds[fresh] or seed
  local found, get = plans.resolve(cell, study.search, config)
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
  if not cell.is_sized and (found.hidden == nil) == (found.params == nil) then
    fault("cell '%s': expected `hidden` or `params`, got %s", cell.name,
      found.hidden == nil and "neither" or "both")
  end
  local varied = { hidden = found.hidden }
  for _, name in ipairs(study.varied) do
    if target(cell, name) then
      varied[name] = get(name)
    end
  end
  local hidden = cell.plan.entries.hidden
  return {
    cell = cell.name, source = cell.source, seed = seed, config = config, settings = varied,
    hidden_drawn = hidden ~= nil and hidden.kind == "axis" and hidden.value.kind ~= "choice",
    spec = {
      task = { name = study.task.name, settings = study.task.settings },
      layers = layers(study, cell, set, found.depth == nil and 1 or found.depth,
        found.bidirectional or nil, found.residual or nil),
      hidden = found.hidden, params = found.params, train = given, seed = seed,
    },
  }
end

-- The settings as values of a database: a list of { name, value }, in the order of their names.
local function columns(varied)
  local list = {}
  for _, name in ipairs(values.sorted_keys(varied)) do
    local value = varied[name]
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
  elseif key == "configs" then
    local counts = {}
    for i, cell in ipairs(study.cells) do
      counts[i] = cell.plan.count
    end
    return counts
  elseif key == "seeds" then
    return study.seeds == "own" and "own" or table.move(study.seeds, 1, #study.seeds, 1, {})
  elseif key == "reproduces" then
    return study.reproduces and core.json(study.reproduces)
  elseif key == "seed_count" then
    return seed_count(study)
  elseif key == "confirm" then
    local fresh = study.confirm.seeds
    return { top = study.confirm.top, seeds = table.move(fresh, 1, #fresh, 1, {}) }
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
    name = values.name(options.name, "cb.study: name", 100),
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
  local factors = settings.read_factors(options.factors, study.cells)
  for _, cell in ipairs(study.cells) do
    cell.factors = factors
  end
  local common = settings.read_level(options, study.cells, "cb.study")
  for _, cell in ipairs(study.cells) do
    cell.plan = plans.make(cell, common, study.search)
    study.configs = math.max(study.configs, cell.plan.count)
    if cell.plan.count > (plans.MOST - study.count) // seed_count(study) then
      fault("cb.study: there are too many trials")
    end
    study.count = study.count + cell.plan.count * seed_count(study)
  end
  study.varied = varied_names(study)
  study.confirm = read_confirm(options.confirm, study.seeds)
  reproduces.read(study, options.reproduces)
  local value = setmetatable({}, Study)
  inside[value] = study
  return value
end

-- For the program: a trial, or its confirmation, with the settings as columns; a fault carries the
-- study's place.
local function trial(self, index, fresh)
  local study = inside[self]
  local ok, result = pcall(make_trial, study, index, fresh)
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
