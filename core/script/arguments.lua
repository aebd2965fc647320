-- SPDX-License-Identifier: MIT
-- cb.arguments: what a script may be told on the command line, as NAME=VALUE.

local core, values = ...

local fault, show = values.fault, values.show

-- What a text means where the default is of a certain type.
local READERS = {
  integer = math.tointeger,
  float = function(text)
    local number = tonumber(text)
    return number and number == number and math.abs(number) < math.huge and number + 0.0 or nil
  end,
  string = function(text)
    return text
  end,
  boolean = function(text)
    return text == "true" or (text ~= "false" and nil)
  end,
}
local EXPECTED = {
  integer = "an integer", float = "a number", string = "a text", boolean = "true or false",
}

local arguments = {}

-- cb.arguments{ name = default, ... }: a table with the same names, each with the value that the
-- command line gives it, else its default. The default's type says what a value is.
function arguments.read(defaults)
  local where = "cb.arguments"
  local read, given = {}, {}
  for name, default in pairs(values.options(defaults, where)) do
    local kind = math.type(default) or type(default)
    if type(name) ~= "string" or not name:find("^[a-z][a-z0-9_]*$") then
      fault("%s: expected names of small letters, digits and '_', got %s", where, show(name))
    elseif not READERS[kind] then
      fault("%s: %s: expected a number, a text or a boolean as default, got %s", where, name,
        show(default))
    end
    read[name] = default
  end
  for _, text in ipairs(type(_G.arg) == "table" and _G.arg or {}) do
    local name, value = tostring(text):match("^([^=]*)=(.*)$")
    if not name then
      fault("%s: expected NAME=VALUE, got '%s'", where, text)
    elseif defaults[name] == nil then
      fault("%s: unknown argument '%s'%s", where, name,
        core.nearest(name, values.sorted_keys(defaults)))
    elseif given[name] then
      fault("%s: '%s' is given twice", where, name)
    end
    local kind = math.type(defaults[name]) or type(defaults[name])
    local result = READERS[kind](value)
    if result == nil then
      fault("%s: %s: expected %s, got '%s'", where, name, EXPECTED[kind], value)
    end
    given[name], read[name] = true, result
  end
  core.arguments_read()
  return read
end

return arguments
