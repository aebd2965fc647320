-- SPDX-License-Identifier: MIT
-- Cells and tasks as a study names them: registered ones, a user's own, and tasks with settings.

local core, values = ...

local cells = {}

local fault, show = values.fault, values.show

local Cell = { __name = "cellbench.cell" }
Cell.__index = Cell
cells.Cell = Cell

function Cell:__tostring()
  return ("cellbench.%s '%s'"):format(self.layers and "stack" or "cell", self.name)
end

-- The settings that a text declares, by its lines `set name = literal, ...`: name -> default.
local function declared(text)
  local set = {}
  for line in text:gmatch("[^\n]+") do
    local name, literal = line:match("^%s*set%s+([a-z][a-z0-9]*)%s*=([^#]*)")
    if name then
      local list = {}
      for number in literal:gmatch("[^,%s]+") do
        list[#list + 1] = tonumber(number)
      end
      set[name] = #list == 1 and list[1] or list
    end
  end
  return set
end

-- The cell that takes the lowest layer's place, if the text names one.
local function lowest(text)
  return ("\n" .. text):match("\n%s*lowest%s+([%w_-]+)")
end

-- A name is a word of the tables that results are listed in.
function cells.check_name(name, where)
  if type(name) ~= "string" or #name > 64 or not name:find("^%a[%w_.-]*$") then
    fault("%s: expected a name of 1 to 64 letters, digits, '-', '_' and '.', got %s", where,
      show(name))
  end
  return name
end

-- Overrides of settings: numbers or lists of numbers; anything plain where a function makes the
-- text. They must be among `known`.
function cells.check_set(set, known, any, where)
  values.options(set, where)
  values.check_keys(set, known, where)
  local copy = {}
  for name, value in next, set do
    copy[name] = cells.check_set_value(value, any, where .. "." .. name)
  end
  return copy
end

function cells.check_set_value(value, any, where)
  value = values.plain(value, where)
  if not any and not math.type(value) then
    local good = type(value) == "table" and #value > 0
    for _, item in ipairs(good and value or {}) do
      good = good and math.type(item) ~= nil
    end
    if not good then
      fault("%s: expected a number or a list of numbers, got %s", where, show(value))
    end
  end
  return value
end

-- The expanded text of a cell and the settings that override those of the text.
function cells.expand(cell, set)
  if not cell.maker then
    return cell.text, set
  end
  local copy = {}
  for name, value in next, set do
    copy[name] = value
  end
  local text = cell.maker(copy)
  if type(text) ~= "string" then
    fault("cell '%s': its text function must return a text, got %s", cell.name, show(text))
  end
  local known, overrides = declared(text), {}
  for name, value in next, set do
    if known[name] ~= nil then
      overrides[name] = value
    end
  end
  return text, overrides
end

-- A registered cell as an object, or nil and a message that names the nearest one.
function cells.registered(name)
  local info, message = core.cell_info(name)
  if not info then
    return nil, message
  end
  local cell = setmetatable({
    name = info.name, text = info.text, source = info.source, settings = declared(info.text),
    set = {}, lowest = lowest(info.text), is_registered = true,
  }, Cell)
  if info.made_from then
    cell.maker = function(set)
      return core.cell_text(info.name, set)
    end
    for setting, value in next, info.made_from do
      cell.settings[setting], cell.set[setting] = value, value
    end
  end
  return cell
end

local CELL_KEYS = { name = true, text = true, source = true, set = true }

-- cb.cell{ name =, text =, source =, set = }
function cells.cell(options)
  values.check_keys(values.options(options, "cb.cell"), CELL_KEYS, "cb.cell")
  local name = cells.check_name(options.name, "cb.cell: name")
  local where = ("cell '%s'"):format(name)
  if core.cell_info(name) then
    fault("%s: the name is taken by a registered cell", where)
  end
  local source = options.source
  if source == nil then
    source = ""
  end
  values.text(source, where .. ": source", 1000)
  local given = options.set
  if given == nil then
    given = {}
  end
  local cell = setmetatable({ name = name, source = source }, Cell)
  if type(options.text) == "function" then
    cell.maker = options.text
    cell.set = cells.check_set(given, values.options(given, where .. ": set"), true,
      where .. ": set")
    cell.settings = cell.set
  elseif type(options.text) == "string" then
    cell.text = options.text
    cell.settings = declared(cell.text)
    cell.set = cells.check_set(given, cell.settings, false, where .. ": set")
  else
    fault("%s: text: expected a text or a function, got %s", where, show(options.text))
  end
  local text, overrides = cells.expand(cell, cell.set)
  cell.lowest = lowest(text)
  -- A cell that stands on one of the study's own cells is checked with the study.
  local below = cell.lowest and cells.registered(cell.lowest)
  if below or not cell.lowest then
    local message = core.cell_check(name, text, overrides, below and below.text)
    if message then
      fault("%s", message)
    end
  end
  return cell
end

---------------------------------------------------------------------------------------------------
-- Layers of different cells.

-- A cell as people give it: the name of a registered one, or a cb.cell.
function cells.given(item, where)
  if values.is(item, Cell) and not item.layers then
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

-- What one layer's cell is: its text, and overrides of its settings.
function cells.layer(cell, given, where)
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
  return { name = cell.name, text = text, settings = overrides }
end

function cells.flag(value, where)
  if value ~= nil and type(value) ~= "boolean" then
    fault("%s: expected true or false, got %s", where, show(value))
  end
  return value
end

local LAYER_KEYS = { set = true, hidden = true, bidirectional = true, residual = true }
cells.MOST_LAYERS, cells.MOST_SIZE = 256, 1 << 20

function cells.hidden(value, where)
  return values.integer(value, 1, cells.MOST_SIZE, where .. ": hidden")
end

-- Layers, the lowest first: each a cell, or { cell, set =, hidden =, bidirectional =, residual = }.
function cells.layers(list, n, where)
  if n == 0 or n > cells.MOST_LAYERS then
    fault("%s: expected 1 to %d layers, got %d", where, cells.MOST_LAYERS, n)
  end
  local layers = {}
  for i = 1, n do
    local place, item, own = ("%s[%d]"):format(where, i), list[i], {}
    if type(item) == "table" and getmetatable(item) == nil then
      own, item = item, item[1]
      values.check_keys(own, LAYER_KEYS, place, 1)
    end
    local layer = cells.layer(cells.given(item, place), own.set, place)
    if own.hidden ~= nil then
      layer.hidden = cells.hidden(own.hidden, place)
    end
    layer.bidirectional = cells.flag(own.bidirectional, place .. ": bidirectional")
    layer.residual = cells.flag(own.residual, place .. ": residual")
    layers[i] = layer
  end
  return layers
end

-- The same layers with what is said of all of them, where one does not say it itself. A link goes
-- around every layer but the lowest, which reads the data.
function cells.completed(layers, bidirectional, residual)
  local list = {}
  for i, layer in ipairs(layers) do
    local copy = {}
    for name, value in next, layer do
      copy[name] = value
    end
    if copy.bidirectional == nil then
      copy.bidirectional = bidirectional
    end
    if copy.residual == nil and i > 1 then
      copy.residual = residual
    end
    list[i] = copy
  end
  return list
end

local STACK_KEYS = { name = true, source = true, bidirectional = true, residual = true }

-- cb.stack{ layer, layer, ..., name =, source =, bidirectional =, residual = }: layers of different
-- cells that stand in a study as one.
function cells.stack(options)
  values.options(options, "cb.stack")
  local n = #options
  values.check_keys(options, STACK_KEYS, "cb.stack", n)
  local both = cells.flag(options.bidirectional, "cb.stack: bidirectional")
  local linked = cells.flag(options.residual, "cb.stack: residual")
  local layers = cells.completed(cells.layers(options, n, "cb.stack"), both, linked)
  local names, sized = {}, true
  for i, layer in ipairs(layers) do
    names[i] = layer.name
    sized = sized and layer.hidden ~= nil
    layer.settings = values.object(layer.settings)
  end
  local name = options.name
  if name == nil then
    name = table.concat(names, "-") .. (linked and "-residual" or "")
  end
  local where = "cb.stack: name"
  cells.check_name(name, where)
  if core.cell_info(name) then
    fault("%s: '%s' is a registered cell", where, name)
  end
  local source = options.source
  if source == nil then
    source = ""
  end
  values.text(source, "cb.stack: source", 1000)
  return setmetatable({
    name = name, source = source, settings = {}, set = {}, layers = layers, is_sized = sized,
  }, Cell)
end

-- cb.cells() and cb.cells(name)
function cells.cells(name)
  if name == nil then
    return core.cell_names()
  end
  local info, message = core.cell_info(values.text(name, "cb.cells: name", 100))
  if not info then
    fault("cb.cells: %s", message)
  end
  local aliases = {}
  for alias in info.aliases:gmatch("%S+") do
    aliases[#aliases + 1] = alias
  end
  info.aliases = aliases
  info.settings = declared(info.text)
  return info
end

---------------------------------------------------------------------------------------------------
-- Tasks.

local Task = { __name = "cellbench.task" }
cells.Task = Task

function Task:__tostring()
  return ("cellbench.task '%s' %s"):format(self.name, core.json(self.settings))
end

-- The constructor cb.task.NAME; its messages start with the caller's place, so it is guarded.
function cells.task(name)
  if type(name) ~= "string" then
    fault("cb.task: expected the name of a task, got %s", show(name))
  end
  local where = "cb.task." .. name
  local known = core.task_names()
  if not core.settings("task", name) then
    fault("cb.task: there is no task '%s'%s", name, core.nearest(name, known))
  end
  return core.guard(function(options)
    if options == nil then
      options = {}
    end
    local copy = values.object(values.plain(values.options(options, where), where))
    local message = core.check("task", name, copy, true)
    if message then
      fault("%s", message)
    end
    return setmetatable({ name = name, settings = copy }, Task)
  end)
end

-- cb.tasks() and cb.tasks(name)
function cells.tasks(name)
  if name == nil then
    return core.task_names()
  end
  local info = core.task_info(values.text(name, "cb.tasks: name", 100))
  if not info then
    fault("cb.tasks: there is no task '%s'%s", name, core.nearest(name, core.task_names()))
  end
  info.settings = core.settings("task", name)
  return info
end

return cells
