-- SPDX-License-Identifier: MIT
-- What every part of the module needs: faults, checks of keys and values, axes and searches.
--
-- A fault is a mistake of the caller. It is raised as a table { fault = text }; the guard around
-- each public function (module.c) turns it into a message with the caller's file and line.

local core = ...

local values = {}

local function fault(format, ...)
  error({ fault = format:format(...) }, 0)
end
values.fault = fault

-- A value for a message, never longer than a line.
local function show(value)
  local kind = math.type(value) or type(value)
  if kind == "string" then
    local short = #value > 40 and value:sub(1, 37) .. "..." or value
    return "the text " .. ("%q"):format(short):gsub("\\\n", "\\n")
  elseif kind == "integer" or kind == "float" then
    return ("the %s %s"):format(kind == "integer" and "integer" or "number", value)
  elseif kind == "boolean" then
    return tostring(value)
  elseif kind == "nil" then
    return "nothing"
  end
  local mt = getmetatable(value)
  local name = type(mt) == "table" and rawget(mt, "__name")
  return "a " .. (type(name) == "string" and name or kind)
end
values.show = show

function values.is(value, class)
  return getmetatable(value) == class
end

function values.sorted_keys(t)
  local keys = {}
  for key in pairs(t) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

-- Options come as one plain table.
function values.options(t, where)
  if type(t) ~= "table" or getmetatable(t) ~= nil then
    fault("%s: expected a table of named settings, got %s", where, show(t))
  end
  return t
end

-- Every key must be one of `known` (a map from name); positions 1..positional are allowed too.
function values.check_keys(t, known, where, positional)
  local bad
  for key in pairs(t) do
    if type(key) ~= "string" then
      if not (math.type(key) == "integer" and key >= 1 and key <= (positional or 0)) then
        fault("%s: expected named settings, got %s as a key", where, show(key))
      end
    elseif known[key] == nil and (bad == nil or key < bad) then
      bad = key
    end
  end
  if bad then
    fault("%s: unknown key '%s'%s", where, bad, core.nearest(bad, values.sorted_keys(known)))
  end
end

function values.integer(value, low, high, where)
  local n = math.type(value) and math.tointeger(value)
  if n == nil or n < low or n > high then
    fault("%s: expected an integer from %d to %d, got %s", where, low, high, show(value))
  end
  return n
end

-- Characters that a text for people does not need, and that make it look like another one:
-- controls, and what has no width or turns the direction of writing. Both ends of each range.
local HIDDEN = {
  { 0x00, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad }, { 0x61c, 0x61c }, { 0x200b, 0x200f },
  { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff }, { 0xfff0, 0xfffb },
  { 0xfffe, 0xffff }, { 0xe0000, 0xe0fff },
}

-- Whether a text is UTF-8 without such characters; those in `allowed`, a set of codes, may.
local function is_printable(text, allowed)
  if not utf8.len(text) then
    return false
  end
  for _, code in utf8.codes(text) do
    for _, range in ipairs(HIDDEN) do
      if code >= range[1] and code <= range[2] and not (allowed and allowed[code]) then
        return false
      end
    end
  end
  return true
end

-- A name for people, in one line. It becomes a field of CSV files too: spreadsheets take a text
-- that begins with one of = + - @ for a formula.
function values.name(value, where, most)
  if type(value) ~= "string" or #value > most or not value:find("%S")
    or not is_printable(value) then
    fault("%s: expected a text of 1 to %d printable characters (UTF-8), got %s", where, most,
      show(value))
  elseif value:find("^[=+@-]") then
    fault("%s: expected a name that does not begin with '%s', got %s", where, value:sub(1, 1),
      show(value))
  end
  return value
end

-- A text of several lines.
local LINES = { [9] = true, [10] = true }
function values.text(value, where, most)
  if type(value) ~= "string" then
    fault("%s: expected a text, got %s", where, show(value))
  elseif #value > most or not is_printable(value, LINES) then
    fault("%s: expected at most %d printable characters (UTF-8), got %s", where, most, show(value))
  end
  return value
end

-- A copy of plain data: finite numbers, texts, booleans, and lists or records of such.
local function plain(value, where, depth)
  local kind = math.type(value) or type(value)
  if kind == "integer" or kind == "boolean" or kind == "string" then
    return value
  elseif kind == "float" then
    if value ~= value or value == math.huge or value == -math.huge then
      fault("%s: expected a finite number, got %s", where, value)
    end
    return value
  elseif kind ~= "table" or getmetatable(value) ~= nil and getmetatable(value) ~= core.object then
    fault("%s: expected a number, a text, a boolean or a list, got %s", where, show(value))
  elseif depth > 8 then
    fault("%s: nested too deeply", where)
  end
  local copy, named = {}, 0
  for key, item in next, value do
    local here
    if type(key) == "string" then
      named = named + 1
      here = where .. "." .. key
    elseif math.type(key) == "integer" and key >= 1 and key <= #value then
      here = ("%s[%d]"):format(where, key)
    else
      fault("%s: expected a list or names, got %s as a key", where, show(key))
    end
    copy[key] = plain(item, here, depth + 1)
  end
  if named > 0 and #value > 0 then
    fault("%s: a list and names are mixed", where)
  end
  return setmetatable(copy, getmetatable(value))
end

function values.plain(value, where)
  return plain(value, where, 0)
end

-- Marks a table as a JSON object, also when it is empty.
function values.object(t)
  return setmetatable(t, core.object)
end

-- A list without holes; returns its length.
function values.list(t, where)
  if type(t) ~= "table" or getmetatable(t) ~= nil then
    fault("%s: expected a list, got %s", where, show(t))
  end
  local n = #t
  for key in next, t do
    if math.type(key) ~= "integer" or key < 1 or key > n then
      fault("%s: expected a list without names or holes, got %s as a key", where, show(key))
    end
  end
  return n
end

---------------------------------------------------------------------------------------------------
-- Axes of a search space: { kind =, low =, high = } or { kind = "choice", values = }.

local Axis = { __name = "cellbench.axis" }
Axis.__index = Axis
values.Axis = Axis

function Axis:__tostring()
  if self.kind == "choice" then
    return ("cb.choice of %d"):format(#self.values)
  end
  return ("cb.%s(%s, %s)"):format(self.kind, self.low, self.high)
end

-- The value behind what C draws or counts: a choice's index counts from 0.
function Axis:value(number)
  if self.kind == "choice" then
    return self.values[math.tointeger(number) + 1]
  elseif self.kind == "int" or self.kind == "log_int" then
    return math.tointeger(number)
  end
  return number
end

function Axis:arguments()
  return self.kind, self.low or 0, self.high or 0, self.values and #self.values or 0
end

function Axis:draw(name, seed, index)
  return self:value(core.axis_draw(name, seed, index, self:arguments()))
end

function Axis:count()
  return core.axis_count(self:arguments())
end

function Axis:at(i)
  return self:value(core.axis_value(i, self:arguments()))
end

function values.choice(list)
  local n = values.list(list, "cb.choice")
  if n == 0 then
    fault("cb.choice: expected at least one value, got an empty list")
  end
  local copy = {}
  for i = 1, n do
    copy[i] = values.plain(list[i], ("cb.choice[%d]"):format(i))
  end
  return setmetatable({ kind = "choice", values = copy }, Axis)
end

local function range(kind, whole)
  local where = "cb." .. kind
  local function bound(value, name)
    local n = math.type(value) and value
    if n and whole then
      n = math.tointeger(n)
    end
    if not n then
      fault("%s: %s: expected %s, got %s", where, name, whole and "an integer" or "a number",
        show(value))
    end
    return n
  end
  return function(low, high)
    local axis = setmetatable({ kind = kind, low = bound(low, "low"), high = bound(high, "high") },
      Axis)
    local message = core.axis_check(where, axis:arguments())
    if message then
      fault("%s", message)
    end
    return axis
  end
end

values.int = range("int", true)
values.log_int = range("log_int", true)
values.uniform = range("uniform", false)
values.log_uniform = range("log_uniform", false)

---------------------------------------------------------------------------------------------------
-- Searches.

local Search = { __name = "cellbench.search" }
Search.__index = Search
values.Search = Search

local RANDOM_KEYS = { trials = true, seed = true, draws = true }

-- The value of an axis at configuration `config` of a random search: the same for all cells, or a
-- cell's own, where the cell's name is part of what names the draw.
function Search:draw(axis, name, cell, config)
  return axis:draw(self.own and ("%s/%s"):format(cell, name) or name, self.seed, config)
end

function Search:__tostring()
  if self.kind == "grid" then
    return "cb.grid{}"
  end
  return ("cb.random{ trials = %d, seed = %d%s }"):format(self.trials, self.seed,
    self.own and ', draws = "own"' or "")
end

function values.grid(options)
  if options ~= nil then
    values.check_keys(values.options(options, "cb.grid"), {}, "cb.grid")
  end
  return setmetatable({ kind = "grid" }, Search)
end

function values.random(options)
  values.check_keys(values.options(options, "cb.random"), RANDOM_KEYS, "cb.random")
  local seed, draws = options.seed, options.draws
  if seed == nil then
    seed = 1
  end
  if draws ~= nil and draws ~= "shared" and draws ~= "own" then
    fault("cb.random: draws: expected \"shared\" or \"own\", got %s", show(draws))
  end
  return setmetatable({
    kind = "random",
    trials = values.integer(options.trials, 1, 1 << 40, "cb.random: trials"),
    seed = values.integer(seed, 0, math.maxinteger, "cb.random: seed"),
    own = draws == "own",
  }, Search)
end

return values
