-- SPDX-License-Identifier: MIT
-- Plans: what holds for one cell of a study, how many configurations that makes, and the values of
-- each.
--
-- Configurations are numbered from 1. A grid reads the digits of the number in the mixed radix of
-- the plan's axes, in the order of their names, the last fastest; a random search draws each axis
-- from its name and the number. So no order of Lua's tables decides anything, and nothing is ever
-- expanded.

local core, values, _, settings = ...

local fault = values.fault
local train, target = settings.train, settings.target

local MOST = 1 << 53 -- configurations of a cell

local plans = { MOST = MOST }

-- The entries that hold for one cell, its axes with their strides, and how many configurations.
function plans.make(cell, common, search)
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
  if not plan.entries.hidden and not plan.entries.params and not cell.is_sized then
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

-- A setting's value when nobody gave one: the training setting's default, or the cell's own.
local function fallback(cell, name)
  local row = train()[name]
  if row then
    return row.default
  elseif name == "depth" then
    return 1
  elseif name == "bidirectional" or name == "residual" then
    return false
  end
  local value = cell.set[name]
  if value == nil then
    value = cell.settings[name]
  end
  return value
end

-- All values of a cell's plan at configuration `config`, functions last and on demand.
function plans.resolve(cell, search, config)
  local plan = cell.plan
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
      value = settings.check_value(cell, name, value, entry.where)
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
      value = search:draw(entry.value, name, cell.name, config)
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
        local known = settings.known_names { cell }
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

return plans
