-- SPDX-License-Identifier: MIT
-- What a database knows of its studies: methods of databases beside rows and close (database.c),
-- and the results of one study.

local core, values = ...

local fault, show = values.fault, values.show

-- The rows of a statement; what is wrong is the caller's fault.
local function rows(db, sql, ...)
  local results = table.pack(pcall(db.rows, db, sql, ...))
  if not results[1] then
    fault("%s", tostring(results[2]))
  end
  return table.unpack(results, 2, results.n)
end

local function all(db, sql, ...)
  local list = {}
  for row in rows(db, sql, ...) do
    list[#list + 1] = row
  end
  return list
end

local COUNT = [[
SELECT s.study_id AS id, s.name AS name, s.created_utc AS created_utc, s.updated_utc AS updated_utc,
       count(t.trial_id) AS trials,
       coalesce(sum(t.state = 'pending'), 0) AS pending,
       coalesce(sum(t.state = 'running'), 0) AS running,
       coalesce(sum(t.state = 'done'), 0) AS done,
       coalesce(sum(t.state = 'diverged'), 0) AS diverged,
       coalesce(sum(t.state = 'failed'), 0) AS failed
FROM study AS s
LEFT JOIN study_trial AS st ON st.study_id = s.study_id AND st.retired = 0
LEFT JOIN trial AS t ON t.trial_id = st.trial_id
GROUP BY s.study_id
ORDER BY s.name]]

local TRIALS = [[
SELECT t.trial_id AS id, c.name AS cell, st.config AS config, %s AS role, t.seed AS seed,
       t.state AS state, t.metric AS metric, a.train AS train, a.valid AS valid, a.test AS test,
       a.valid_error AS valid_error, a.test_error AS test_error, t.hidden AS hidden,
       t.param_count AS param_count, a.epochs AS epochs, a.best_epoch AS best_epoch,
       a.updates AS updates, a.wall_seconds AS wall_seconds, a.cpu_seconds AS cpu_seconds,
       a.flop AS flop, a.weights_file AS weights_file, a.error_text AS error_text, t.key AS key
FROM study_trial AS st
JOIN trial AS t ON t.trial_id = st.trial_id
JOIN cell AS c ON c.cell_id = st.cell_id
LEFT JOIN attempt AS a ON a.attempt_id = t.result_attempt_id
WHERE st.study_id = ? AND st.retired = 0]]

-- Conditions on trials: option -> column. That of the role stands in the results: databases that
-- were written before there were confirmation seeds have none.
local FILTERS = {
  cell = "c.name", config = "st.config", role = "%s", seed = "t.seed", state = "t.state",
}
local ROLES = { first = true, confirm = true }
local STATES = { pending = true, running = true, done = true, diverged = true, failed = true }
local MEASURES = {
  train = true, valid = true, test = true, valid_error = true, test_error = true,
}

---------------------------------------------------------------------------------------------------
-- One study.

local Results = { __name = "cellbench.results" }

function Results:__tostring()
  return ("cellbench.results of study '%s'"):format(self.name)
end

local methods = {}
Results.__index = methods

local function check_self(self, name)
  if not values.is(self, Results) then
    fault("%s: expected the results of a study, got %s; call it as study:%s(...)", name, show(self),
      name)
  end
end

-- The words of the study's cells, for messages.
local function check_cell(self, cell, where)
  if type(cell) ~= "string" then
    fault("%s: cell: expected the name of a cell, got %s", where, show(cell))
  end
  local names = {}
  for _, row in ipairs(all(self.db, "SELECT DISTINCT c.name AS name FROM study_trial AS st "
    .. "JOIN cell AS c ON c.cell_id = st.cell_id WHERE st.study_id = ? ORDER BY 1", self.id)) do
    if row.name == cell then
      return
    end
    names[#names + 1] = row.name
  end
  fault("%s: the study has no cell '%s'%s", where, cell, core.nearest(cell, names))
end

-- The statement that finds the trials that `options` ask for, and its values.
local function select_trials(self, options, known, where)
  local sql, bound = { TRIALS:format(self.role) }, { self.id }
  values.check_keys(values.options(options, where), known, where)
  if options.cell ~= nil then
    check_cell(self, options.cell, where)
  end
  if options.state ~= nil and not STATES[options.state] then
    fault("%s: state: expected %s, got %s", where,
      table.concat(values.sorted_keys(STATES), ", "), show(options.state))
  end
  if options.role ~= nil and not ROLES[options.role] then
    fault("%s: role: expected confirm or first, got %s", where, show(options.role))
  end
  for _, name in ipairs(values.sorted_keys(FILTERS)) do
    local value = options[name]
    if value ~= nil then
      if name == "config" or name == "seed" then
        values.integer(value, 0, math.maxinteger, where .. ": " .. name)
      end
      sql[#sql + 1] = ("AND %s = ?"):format(FILTERS[name]:format(self.role))
      bound[#bound + 1] = value
    end
  end
  return sql, bound
end

-- What the study varied in this trial, by name.
local function with_settings(self, trial)
  trial.settings = {}
  for row in rows(self.db, "SELECT name, coalesce(integer, real, text) AS value FROM setting "
    .. "WHERE study_id = ? AND trial_id = ?", self.id, trial.id) do
    trial.settings[row.name] = row.value
  end
  return trial
end

-- study:trials{ cell =, state =, config =, seed =, role = }: an iterator in the study's order.
function methods.trials(self, options)
  check_self(self, "trials")
  local sql, bound = select_trials(self, options == nil and {} or options, FILTERS, "study:trials")
  sql[#sql + 1] = "ORDER BY st.position"
  local next_row, _, _, query = rows(self.db, table.concat(sql, "\n"), table.unpack(bound))
  return function()
    local trial = next_row()
    return trial and with_settings(self, trial)
  end, nil, nil, query
end

local BEST_KEYS = {
  cell = true, config = true, role = true, seed = true, n = true, by = true,
}

-- study:best{ cell =, config =, seed =, role =, n =, by = }: a list, best first. Confirmation seeds
-- choose nothing, unless they are asked for.
function methods.best(self, options)
  check_self(self, "best")
  if options == nil then
    options = {}
  end
  local sql, bound = select_trials(self, options, BEST_KEYS, "study:best")
  if options.role == nil then
    sql[#sql + 1] = ("AND %s = 'first'"):format(self.role)
  end
  local n, by = options.n, options.by
  if n == nil then
    n = 1
  end
  values.integer(n, 1, math.maxinteger, "study:best: n")
  if by == nil then
    by = "valid"
  elseif not MEASURES[by] then
    fault("study:best: by: expected %s, got %s",
      table.concat(values.sorted_keys(MEASURES), ", "), show(by))
  end
  sql[#sql + 1] = ("AND t.state = 'done' AND a.%s IS NOT NULL ORDER BY a.%s, st.position LIMIT ?")
    :format(by, by)
  bound[#bound + 1] = n
  local list = all(self.db, table.concat(sql, "\n"), table.unpack(bound))
  for _, trial in ipairs(list) do
    with_settings(self, trial)
  end
  return list
end

-- study:curve(trial): an iterator over the rows of its learning curve.
function methods.curve(self, trial)
  check_self(self, "curve")
  local id = trial
  if type(trial) == "table" then
    id = trial.id
  end
  if math.type(id) ~= "integer" then
    fault("study:curve: expected a trial, as from study:trials, or its id, got %s", show(trial))
  end
  return rows(self.db, "SELECT e.epoch AS epoch, e.split AS split, e.metric AS metric, "
    .. "e.value AS value, e.seconds AS seconds FROM study_trial AS st "
    .. "JOIN trial AS t ON t.trial_id = st.trial_id "
    .. "JOIN epoch AS e ON e.attempt_id = t.result_attempt_id "
    .. "WHERE st.study_id = ? AND t.trial_id = ? "
    .. "ORDER BY e.split = 'test', e.epoch, e.split, e.metric <> t.metric, e.metric", self.id, id)
end

for name, method in pairs(methods) do
  methods[name] = core.guard(method)
end

---------------------------------------------------------------------------------------------------
-- Databases.

-- db:studies(): a list, in the order of the names.
core.database_methods.studies = core.guard(function(db)
  return all(db, COUNT)
end)

-- db:study(name): the results of one.
core.database_methods.study = core.guard(function(db, name)
  if type(name) ~= "string" then -- any text: another program may have written it
    fault("db:study: expected the name of a study, got %s", show(name))
  end
  local names = {}
  for _, row in ipairs(all(db, "SELECT study_id AS id, name FROM study ORDER BY name")) do
    if row.name == name then
      local has_role = #all(db, "SELECT 1 FROM pragma_table_info('study_trial') "
        .. "WHERE name = 'role'") > 0
      return setmetatable({
        db = db, id = row.id, name = name, role = has_role and "st.role" or "'first'",
      }, Results)
    end
    names[#names + 1] = row.name
  end
  fault("db:study: there is no study '%s' in this database%s", name, core.nearest(name, names))
end)

---------------------------------------------------------------------------------------------------
-- Statistics.

local results = {}

local function finite(value)
  return value == value and value or nil
end

-- cb.interval(list, level) -> { n =, mean =, sd =, low =, high = }
function results.interval(list, level)
  local n = values.list(list, "cb.interval")
  if level == nil then
    level = 0.95
  elseif not math.type(level) or level <= 0 or level >= 1 then
    fault("cb.interval: level: expected a number between 0 and 1, got %s", show(level))
  end
  for i = 1, n do
    local value = list[i]
    if not math.type(value) or value ~= value or value == math.huge or value == -math.huge then
      fault("cb.interval[%d]: expected a finite number, got %s", i, show(value))
    end
  end
  local count, mean, sd, low, high = core.interval(list, level)
  return {
    n = count, mean = finite(mean), sd = finite(sd), low = finite(low), high = finite(high),
  }
end

return results
