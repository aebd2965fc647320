-- SPDX-License-Identifier: MIT
-- What a study reproduces: claims and figures of a paper, and where the study departs from it. It
-- is checked here, stored with the study as JSON, and judged by core/report (reproduction.h).

local core, values, _, settings = ...

local fault, show = values.fault, values.show

local WHERE = "cb.study: reproduces"
local KEYS = {
  paper = true, baseline = true, best = true, trials = true, margin = true, margin_why = true,
  claims = true, figures = true, departures = true,
}
local ABOUT = { source = true, certainty = true }
local CELL_CLAIM = { cell = true, expected = true }
local SETTING_CLAIM = { setting = true, above = true, below = true, more_than = true }
local FIGURE = { cell = true, what = true, value = true }
local EXPECTED = {
  worse = true, better = true, ["not worse"] = true, ["not better"] = true,
  ["no difference"] = true,
}
local CERTAINTY = { published = true, ["second hand"] = true, memory = true }
local LONGEST = 2000

local function one_of(value, known, where)
  if type(value) ~= "string" or not known[value] then
    local names = values.sorted_keys(known)
    for i, name in ipairs(names) do
      names[i] = ('"%s"'):format(name)
    end
    fault("%s: expected %s, got %s", where, table.concat(names, " or "), show(value))
  end
  return value
end

local function sentence(value, where)
  if type(value) ~= "string" or not value:find("%S") then
    fault("%s: expected a text, got %s", where, show(value))
  end
  return values.text(value, where, LONGEST)
end

local function number(value, low, high, where)
  if not math.type(value) or not (value > low and value <= high) then
    fault("%s: expected a number above %g and at most %g, got %s", where, low, high, show(value))
  end
  return value + 0.0
end

local function each(list, where, read)
  local made = {}
  for i = 1, values.list(list == nil and {} or list, where) do
    local here = ("%s[%d]"):format(where, i)
    made[i] = read(list[i], here)
  end
  return made
end

local function check_keys(item, own, where)
  local known = {}
  for _, set in ipairs { own, ABOUT } do
    for name in pairs(set) do
      known[name] = true
    end
  end
  values.check_keys(values.options(item, where), known, where)
end

-- How sure a figure or a claim is, and where it stands.
local function about(item, made, where)
  made.certainty = one_of(item.certainty, CERTAINTY, where .. ".certainty")
  made.source = item.source ~= nil and sentence(item.source, where .. ".source") or nil
  return made
end

local function known_cell(study, name, where)
  if type(name) ~= "string" or not study.by_name[name] then
    local names = values.sorted_keys(study.by_name)
    fault("%s: expected a cell of the study, got %s%s", where, show(name),
      core.nearest(tostring(name), names))
  end
  return name
end

local function known_setting(study, name, where)
  for _, cell in ipairs(study.cells) do
    if type(name) == "string" and settings.target(cell, name) and cell.plan.entries[name] then
      return name
    end
  end
  fault("%s: expected a setting that the study varies, got %s", where, show(name))
end

local function setting_claim(study, item, where)
  check_keys(item, SETTING_CLAIM, where)
  local made = { setting = known_setting(study, item.setting, where .. ".setting") }
  local said = 0
  for _, bound in ipairs { "above", "below" } do
    if item[bound] ~= nil then
      made[bound], said = number(item[bound], 0, 1, where .. "." .. bound), said + 1
    end
  end
  if item.more_than ~= nil then
    made.more_than, said = each(item.more_than, where .. ".more_than", function(name, here)
      return known_setting(study, name, here)
    end), said + 1
  end
  if said ~= 1 then
    fault("%s: expected one of `above`, `below` and `more_than`, got %d", where, said)
  end
  return about(item, made, where)
end

local function claim(study, item, where)
  if type(item) == "table" and item.setting ~= nil then
    return setting_claim(study, item, where)
  end
  check_keys(item, CELL_CLAIM, where)
  local made = {
    cell = known_cell(study, item.cell, where .. ".cell"),
    expected = one_of(item.expected, EXPECTED, where .. ".expected"),
  }
  if made.cell == study.reproduces.baseline then
    fault("%s.cell: expected another cell than the baseline", where)
  end
  return about(item, made, where)
end

local function figure(study, item, where)
  check_keys(item, FIGURE, where)
  if math.type(item.value) == nil or item.value ~= item.value
    or math.abs(item.value) == math.huge then
    fault("%s.value: expected a finite number, got %s", where, show(item.value))
  end
  return about(item, {
    cell = known_cell(study, item.cell, where .. ".cell"),
    what = sentence(item.what, where .. ".what"), value = item.value + 0.0,
  }, where)
end

local reproduces = {}

-- Puts study.reproduces in place: what `given` says, checked, ready to become JSON.
function reproduces.read(study, given)
  if given == nil then
    return
  end
  values.check_keys(values.options(given, WHERE), KEYS, WHERE)
  local made = {
    paper = sentence(given.paper, WHERE .. ".paper"),
    baseline = known_cell(study, given.baseline, WHERE .. ".baseline"),
    best = number(given.best == nil and 0.1 or given.best, 0, 1, WHERE .. ".best"),
    trials = values.integer(given.trials, 1, 1000000, WHERE .. ".trials"),
    margin = number(given.margin, 0, 1e30, WHERE .. ".margin"),
    margin_why = sentence(given.margin_why, WHERE .. ".margin_why"),
  }
  study.reproduces = made
  made.claims = each(given.claims, WHERE .. ".claims", function(item, where)
    return claim(study, item, where)
  end)
  made.figures = each(given.figures, WHERE .. ".figures", function(item, where)
    return figure(study, item, where)
  end)
  made.departures = each(given.departures, WHERE .. ".departures", sentence)
end

return reproduces
