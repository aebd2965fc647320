-- SPDX-License-Identifier: MIT
-- cb.train: one trial, run here and now. It is the only trial of a study that is never stored, so
-- that a setting means and is checked as the same thing in both.

local core, values, _, _, _, _, study = ...

local fault, show = values.fault, values.show

local TRAIN_KEYS = {
  task = true, cell = true, hidden = true, params = true, depth = true, bidirectional = true,
  residual = true, init = true, train = true, seed = true, on_epoch = true,
}

-- Messages of the study are told as ours.
local function told(message)
  message = message:gsub("^cb%.study: cells%[1%]", "cb.train: cell"):gsub("^cb%.study", "cb.train")
  message = message:gsub("^cb%.train: seeds%[1%]", "cb.train: seed")
  fault("%s", message)
end

-- The specification of the one trial, unresolved, and its task.
local function specify(options)
  local ok, result = pcall(study.create, "", {
    name = "cb.train", task = options.task, cells = { options.cell }, hidden = options.hidden,
    params = options.params, depth = options.depth,
    bidirectional = options.bidirectional, residual = options.residual,
    init = options.init, train = options.train,
    seeds = options.seed ~= nil and { options.seed } or nil,
  })
  if ok and #result ~= 1 then
    fault("cb.train: expected one value of each setting, got axes that make %d trials; to search, "
      .. "use cb.study", #result)
  elseif ok then
    ok, result = pcall(study.trial, result, 1)
  end
  if ok then
    return result.spec
  elseif type(result) == "table" and result.fault then
    told(result.fault)
  elseif type(result) == "string" then
    told(result)
  end
  error(result, 0)
end

local train = {}

-- cb.train{ task =, cell =, hidden = | params =, depth =, bidirectional =, residual =, init =,
--           train =, seed =, on_epoch = }
function train.run(options)
  values.check_keys(values.options(options, "cb.train"), TRAIN_KEYS, "cb.train")
  local on_epoch = options.on_epoch
  if on_epoch ~= nil and type(on_epoch) ~= "function" then
    fault("cb.train: on_epoch: expected a function, got %s", show(on_epoch))
  elseif options.cell == nil then
    fault("cb.train: cell: expected the name of a cell or a cb.cell, got nothing")
  end
  local spec = specify(options)
  local curve, metric, latest = {}, nil, nil

  local function take(row)
    curve[#curve + 1] = row
    metric = metric or row.metric -- the first row is the deciding metric's
    if row.metric ~= metric then
      return
    elseif row.split == "train" then
      latest = row
    elseif row.split == "valid" and on_epoch then
      on_epoch {
        epoch = row.epoch, metric = metric, train = latest and latest.value, valid = row.value,
        seconds = row.seconds + (latest and latest.seconds or 0),
      }
    end
  end

  local result, message = core.train(spec, options.task.name, options.task.settings, take)
  if not result then
    fault("cb.train: %s", message)
  end
  result.curve = curve
  return result
end

return train
