-- SPDX-License-Identifier: MIT
-- Writes the tables of results/speed.md from the samples that scripts/speed and
-- scripts/baseline-torch have put into a database, against what is promised of them:
--
--   cellbench lua scripts/speed_report.lua results/speed.db results/speed.md [NOTE]
--
-- NOTE: a sentence on the conditions, for the page. Without a path it returns the page's text. Of
-- each case the last run counts. What was not measured is said to be not measured, and what is not
-- kept to be not met.

local cb = require "cellbench"

local db_path, page_path, note = ...
local db = assert(cb.open(db_path))

local SHAPES = {
  { 100, 1, 32, 32 }, { 100, 1, 128, 256 }, { 100, 16, 32, 64 }, { 100, 16, 64, 36 },
  { 100, 32, 128, 128 }, { 35, 20, 200, 200 }, { 28, 128, 28, 128 }, { 100, 64, 128, 256 },
  { 50, 64, 256, 512 }, { 35, 20, 650, 650 }, { 50, 64, 1024, 1024 },
}
local ONE_STAGE = { "lstm", "peephole", "coupled", "gru-after" }
local LIBRARY = {
  { "lstm", "nn.LSTM", least = 1.35, small = { 64, 2 }, batch_of_one = true },
  { "gru-after", "nn.GRU", least = 2.5, small = { 64, 4 } },
  { "rnn", "nn.RNN", least = 2, small = { 64, 4 } },
}
local CUSTOM = { { "eager", 5 }, { "compile", 2 } }

-- ---- asking ----

local function first(sql, ...)
  local found
  for row in db:rows(sql, ...) do
    found = found or row
  end
  return found
end

local function name_of(shape)
  return table.concat(shape, ",")
end

-- What a side of a comparison is, as a condition on table timing AS %s.
local function side(letter, what)
  local frames = what.lengths and "%s.frames < %s.steps * %s.batch" or
    "%s.frames = %s.steps * %s.batch"
  return (("%s.part = 'all' AND %s.jobs = " .. (what.jobs or 1) .. " AND %s.inputs = '"
    .. (what.inputs or "normal") .. "' AND " .. frames):gsub("%%s", letter))
end

-- Quartiles and median over rounds of the time of a over that of b, of the last run that has both;
-- nil if none has.
local function ratio(shape, a, b)
  local T, B, I, H = table.unpack(shape)
  return first(([[
    SELECT run_id, min(frames) AS frames, count(*) AS n, quantile(x, 0.25) AS low,
           median(x) AS median, quantile(x, 0.75) AS high
    FROM (SELECT a.run_id, a.frames,
                 1.0 * a.duration_ns / a.repeats / b.duration_ns * b.repeats AS x
          FROM timing AS a JOIN timing AS b ON b.run_id = a.run_id AND b.sample = a.sample
            AND b.steps = a.steps AND b.batch = a.batch AND b.input = a.input
            AND b.hidden = a.hidden AND b.phase = a.phase AND b.clock = a.clock
          WHERE a.engine = 'cellbench' AND b.engine = 'cellbench' AND a.phase = 'train'
            AND %s AND %s
            AND a.cell_id IN (SELECT cell_id FROM cell WHERE name = ?)
            AND b.cell_id IN (SELECT cell_id FROM cell WHERE name = ?)
            AND a.steps = ? AND a.batch = ? AND a.input = ? AND a.hidden = ?)
    GROUP BY run_id ORDER BY run_id DESC LIMIT 1]]):format(side("a", a), side("b", b)),
    a.cell, b.cell, T, B, I, H)
end

-- The row of a view for a plain training case; the last run counts. Cells of a database: by name.
local function plain(view, cell, shape, more, ...)
  local T, B, I, H = table.unpack(shape)
  return first("SELECT * FROM " .. view .. " WHERE cell = ? AND steps = ? AND batch = ?"
    .. " AND input = ? AND hidden = ? AND phase = 'train' AND frames = steps * batch"
    .. " AND inputs = 'normal' AND " .. more .. " ORDER BY run_id DESC LIMIT 1",
    cell, T, B, I, H, ...)
end

local runs = {} -- whose samples a table shows

local function used(row)
  if row then
    runs[row.run_id] = true
  end
  return row
end

local function speed(cell, shape)
  return used(plain("speed", cell, shape, "engine = 'cellbench' AND jobs = 1 AND clock = 'cpu'"))
end

-- ---- writing ----

local page, verdicts = {}, {}

local function add(line)
  page[#page + 1] = line or ""
end

local function head(title, text)
  add()
  add("## " .. title)
  add()
  if text then
    add(text)
    add()
  end
end

local function columns(...)
  add("| " .. table.concat({ ... }, " | ") .. " |")
  add("|" .. (" --- |"):rep(select("#", ...)))
end

local function row(list)
  add("| " .. table.concat(list, " | ") .. " |")
end

local function number(format, value)
  return value and format:format(value) or "-"
end

local function spread(r, format)
  format = format or "%.2f"
  return r and ("%s (%s to %s)"):format(format:format(r.median or r.faster), format:format(r.low),
    format:format(r.high)) or "-"
end

-- A promise: found is nil where nothing was measured; whole is false where something was not.
local function promise(what, floor, found, met, format, whole)
  local verdict = "not measured"
  if found then
    verdict = not met and "**not met**" or whole == false and "met as far as measured" or "met"
  end
  verdicts[#verdicts + 1] = { what, floor, number(format or "%.2f", found), verdict }
end

local function median(values)
  table.sort(values)
  local n = #values
  return n > 0 and (values[(n + 1) // 2] + values[n // 2 + 1]) / 2 or nil
end

local function geometric_mean(values)
  local sum = 0
  for _, value in ipairs(values) do
    sum = sum + math.log(value)
  end
  return #values > 0 and math.exp(sum / #values) or nil
end

-- Least or largest of a list; nil of an empty one.
local function extreme(pick, values)
  return #values > 0 and pick(table.unpack(values)) or nil
end

-- ---- the share of the peak ----

local function shares()
  local cells = { "lstm", "peephole", "coupled", "gru-after", "gru", "rnn" }
  head("Share of the multiply-add peak",
    "Training. GFLOP/s of the matrix products (median), and their share of the peak of one core\n"
    .. "measured beside each sample (median). The aim is 70 %.")
  columns("T,B,I,H", table.unpack(cells))
  local one, two = {}, {}
  for _, shape in ipairs(SHAPES) do
    local list = { name_of(shape) }
    for _, cell in ipairs(cells) do
      local s = speed(cell, shape)
      list[#list + 1] = s and ("%.0f, %.0f %%"):format(s.gflops, 100 * s.share) or "-"
      if s and shape[2] >= 20 and shape[4] >= 128 and cell ~= "rnn" then
        local to = cell == "gru" and two or one
        to[#to + 1] = s.share
      end
    end
    row(list)
  end
  local least_one, least_two = extreme(math.min, one), extreme(math.min, two)
  local median_one, median_two = median(one), median(two)
  local at = ", B >= 20 and H >= 128: "
  promise(table.concat(ONE_STAGE, ", ") .. at .. "median share", ">= 0.60", median_one,
    median_one and median_one >= 0.60)
  promise("the same: least share", ">= 0.50", least_one, least_one and least_one >= 0.50)
  promise("gru" .. at .. "median share", ">= 0.52", median_two, median_two and median_two >= 0.52)
  promise("the same: least share", ">= 0.45", least_two, least_two and least_two >= 0.45)
end

-- ---- PyTorch ----

local function torch_ratio(cell, kernel, shape)
  return used(plain("speed_ratio", cell, shape, "engine = 'torch' AND kernel = ?", kernel))
end

local function library_floor(l, shape)
  local H, small = shape[4], l.small
  if H <= small[1] and (not l.batch_of_one or shape[2] == 1) then
    return small[2]
  end
  return H <= 256 and 1.1 or 1
end

local function library()
  head("Against PyTorch's own layers",
    "How many times faster a training step is (median over rounds, quartiles). Below 1: slower.\n"
    .. "nn.GRU is compared with gru-after, which is the same function.")
  columns("T,B,I,H", "nn.LSTM", "nn.GRU", "nn.RNN")
  local found = { {}, {}, {} }
  local worst = { math.huge, math.huge, math.huge } -- of ratio over floor
  for _, shape in ipairs(SHAPES) do
    local list = { name_of(shape) }
    for i, l in ipairs(LIBRARY) do
      local r = torch_ratio(l[1], l[2], shape)
      list[#list + 1] = spread(r)
      if r then
        found[i][#found[i] + 1] = r.faster
        worst[i] = math.min(worst[i], r.faster / library_floor(l, shape))
      end
    end
    row(list)
  end
  for i, l in ipairs(LIBRARY) do
    local mean = geometric_mean(found[i])
    local whole = #found[i] == #SHAPES
    promise(l[2] .. ": geometric mean over " .. #found[i] .. " shapes", ">= " .. l.least, mean,
      mean and mean >= l.least, "%.2f", whole)
    promise(("%s: ratio over the floor of its shape, the worst (floors: %d where %sH <= 64, 1.1 "
      .. "where H <= 256, else 1)"):format(l[2], l.small[2], l.batch_of_one and "B = 1 and " or ""),
      ">= 1", mean and worst[i], worst[i] >= 1, "%.2f", whole)
  end
end

local function compile_seconds(shape)
  local T, B, I, H = table.unpack(shape)
  local r = first("SELECT max(duration_ns) AS ns FROM timing WHERE engine = 'torch'"
    .. " AND phase = 'first' AND steps = ? AND batch = ? AND input = ? AND hidden = ?", T, B, I, H)
  return r and r.ns and 1e-9 * r.ns
end

local function custom()
  head("Against a cell written in PyTorch",
    "A peephole LSTM as a person writes it (one product for all inputs, one for all gates of a\n"
    .. "step), eager and by torch.compile over the whole sequence. Compilation is not in the\n"
    .. "ratio; its time is the processor's, and little where PyTorch had the result in its cache.\n"
    .. "At most: how many times faster than eager a program would be that did nothing but these\n"
    .. "products, at the peak.")
  columns("T,B,I,H", "eager", "at most", "torch.compile", "compile, s")
  local found, bounds = { {}, {} }, {}
  for _, shape in ipairs(SHAPES) do
    local list = { name_of(shape) }
    for i, c in ipairs(CUSTOM) do
      local r = torch_ratio("peephole", c[1], shape)
      list[#list + 1] = spread(r)
      found[i][#found[i] + 1] = r and r.faster
      if c[1] == "eager" then
        local which = "engine = 'torch' AND kernel = 'eager'"
        local eager = used(plain("speed", "peephole", shape, which))
        bounds[#bounds + 1] = eager and 1 / eager.share
        list[#list + 1] = number("%.1f", eager and 1 / eager.share)
      end
    end
    list[#list + 1] = number("%.0f", compile_seconds(shape))
    row(list)
  end
  local bound = geometric_mean(bounds)
  if bound then
    add()
    add(("In the geometric mean no program can be more than %.1f times faster than eager here; %d\n"
      .. "times would need %.0f %% of the peak at each of the shapes, batches of one included."):format(
      bound, CUSTOM[1][2], 100 * CUSTOM[1][2] / bound))
  end
  for i, c in ipairs(CUSTOM) do
    local mean = geometric_mean(found[i])
    promise(("custom peephole cell, %s: geometric mean over %d shapes"):format(c[1], #found[i]),
      ">= " .. c[2], mean, mean and mean >= c[2], "%.2f", #found[i] == #SHAPES)
  end
end

-- ---- cells of one's own ----

local function own_cells()
  head("A cell of one's own",
    "The equations of lstm, given by a cell of one's own (`cb.cell` in Lua) under another name,\n"
    .. "against the registered one: time as a multiple.")
  columns("T,B,I,H", "time", "n")
  local found = {}
  for _, shape in ipairs(SHAPES) do
    local r = used(ratio(shape, { cell = "own.cell" }, { cell = "lstm" }))
    if r then
      row { name_of(shape), spread(r, "%.3f"), r.n }
      found[#found + 1] = r.median
    end
  end
  local most = extreme(math.max, found)
  promise("a cell from Lua against the registered one: largest ratio of times", "<= 1.05", most,
    most and most <= 1.05, "%.3f")
end

local function first_steps()
  head("From text to the first step",
    "Reading the equations, deriving and scheduling the backward pass, making room, packing, and\n"
    .. "one training step of one sequence of one step.")
  columns("cell", "H", "ms (quartiles)", "n")
  local most
  local which = " WHERE phase = 'first' AND engine = 'cellbench' AND steps = 1"
  for r in db:rows("SELECT * FROM speed" .. which .. " AND run_id = (SELECT max(run_id) FROM speed"
    .. which .. ") ORDER BY ms DESC") do
    used(r)
    most = math.max(most or 0, r.ms)
    if r.ms == most or r.cell == "lstm" or r.cell == "peephole" then
      row { r.cell .. (r.ms == most and " (slowest of all cells)" or ""), r.hidden,
        ("%.3f (%.3f to %.3f)"):format(r.ms, r.low_ms, r.high_ms), r.n }
    end
  end
  promise("text to first step, slowest registered cell, ms", "< 5", most, most and most < 5)
end

-- ---- what is skipped, unequal, small, together ----

local function clockwork()
  head("Clockwork with 8 modules against rnn of the same H",
    "Periods 1, 2, 4, ..., 128. How many times faster a training step is.")
  columns("T,B,I,H", "times faster", "n")
  local found = {}
  for _, shape in ipairs(SHAPES) do
    local r = used(ratio(shape, { cell = "rnn" }, { cell = "clockwork8.cell" }))
    if r then
      row { name_of(shape), spread(r), r.n }
      if shape[4] >= 256 then
        found[#found + 1] = r.median
      end
    end
  end
  local least = extreme(math.min, found)
  promise("clockwork with 8 modules against rnn, H >= 256: least ratio", ">= 2", least,
    least and least >= 2)
end

local function kinds()
  local most = { {}, {} }
  head("Unequal lengths, and denormal inputs",
    "lstm. Lengths go evenly from T down: time as a multiple of what it would be if it were in\n"
    .. "proportion to the sum of the lengths (frames over T B). Denormal inputs: time as a\n"
    .. "multiple of that with normal ones.")
  columns("T,B,I,H", "unequal lengths", "denormal inputs", "n")
  local small = {}
  for _, shape in ipairs(SHAPES) do
    local a = used(ratio(shape, { cell = "lstm", lengths = true }, { cell = "lstm" }))
    local b = used(ratio(shape, { cell = "lstm", inputs = "denormal" }, { cell = "lstm" }))
    if a then
      local share = a.frames / (shape[1] * shape[2])
      a.low, a.median, a.high = a.low / share, a.median / share, a.high / share
      if shape[2] >= 32 then
        table.insert(most[1], a.median)
      elseif shape[2] == 16 then
        table.insert(most[2], a.median)
      end
    end
    if b then
      table.insert(small, b.median)
    end
    if a or b then
      row { name_of(shape), spread(a), spread(b, "%.3f"), (a or b).n }
    end
  end
  local large, sixteen, tiny = extreme(math.max, most[1]), extreme(math.max, most[2]),
    extreme(math.max, small)
  promise("unequal lengths, B >= 32: time over the share of frames", "<= 1.10", large,
    large and large <= 1.10)
  promise("the same, B = 16", "<= 1.25", sixteen, sixteen and sixteen <= 1.25)
  promise("denormal inputs: largest ratio of times", "<= 1.05", tiny, tiny and tiny <= 1.05, "%.3f")
end

local function parts()
  head("Where the time goes",
    "lstm and gru, training, in percent of the shortest of three samples with clocks around\n"
    .. "every part.")
  columns("T,B,I,H", "cell", "products", "gradients", "pointwise", "packing", "rest")
  local packing, pointwise, rest = {}, {}, {}
  for _, shape in ipairs(SHAPES) do
    for _, cell in ipairs { "lstm", "gru" } do
      local p = used(plain("speed_part", cell, shape, "engine = 'cellbench'"))
      if p then
        local list = { name_of(shape), cell }
        for _, part in ipairs { "products", "gradients", "pointwise", "packing", "rest" } do
          list[#list + 1] = ("%.1f"):format(100 * p[part])
        end
        row(list)
        if shape[2] >= 16 then
          rest[#rest + 1] = 100 * p.rest
          packing[#packing + 1] = shape[1] == 100 and 100 * p.packing or nil
          pointwise[#pointwise + 1] = shape[4] >= 128 and 100 * p.pointwise or nil
        end
      end
    end
  end
  local a, b, c = extreme(math.max, packing), extreme(math.max, pointwise), extreme(math.max, rest)
  promise("packing at T = 100, B >= 16, percent", "<= 1", a, a and a <= 1)
  promise("pointwise at H >= 128, B >= 16, percent", "<= 15", b, b and b <= 15, "%.1f")
  promise("neither product nor pointwise nor packing, B >= 16, percent", "<= 5", c, c and c <= 5,
    "%.1f")
end

local function together()
  head("Two workers at once",
    "lstm. How many training steps two workers make in the time in which one makes one, by the\n"
    .. "wall.")
  columns("T,B,I,H", "steps", "n")
  local found = {}
  for _, shape in ipairs(SHAPES) do
    local r = used(ratio(shape, { cell = "lstm" }, { cell = "lstm", jobs = 2 }))
    if r then
      row { name_of(shape), spread(r), r.n }
      found[#found + 1] = r.median
    end
  end
  local least = extreme(math.min, found)
  promise("two workers: least throughput", ">= 1.85 times one", least, least and least >= 1.85)
end

-- The study of scripts/speed: each epoch but the first, before training, has its time.
local function chorales()
  local r = first([[
    SELECT count(*) AS n, quantile(e.seconds, 0.25) AS low, median(e.seconds) AS median,
           quantile(e.seconds, 0.75) AS high
    FROM study AS s JOIN study_trial AS st ON st.study_id = s.study_id
    JOIN trial AS t ON t.trial_id = st.trial_id
    JOIN epoch AS e ON e.attempt_id = t.result_attempt_id
    WHERE s.name = 'speed-chorales' AND e.split = 'train' AND e.epoch > 0 AND e.metric = t.metric]])
  local found = r and r.n > 0 and r.median or nil
  if found then
    head("Training online",
      "Bach's chorales, 229 sequences, batch 1, Nesterov, peephole with H = 64: seconds of an\n"
      .. "epoch, by the wall.")
    columns("s", "epochs")
    row { spread(r, "%.4f"), r.n }
  end
  promise("chorales online: an epoch, s", "<= 0.08", found, found and found <= 0.08, "%.4f")
end

local function samples()
  head("Every series", "Training, one execution: median and quartiles over n samples.")
  columns("T,B,I,H", "cell", "program", "n", "ms", "low", "high", "GFLOP/s", "share")
  local seen = {}
  local list = {}
  for r in db:rows("SELECT * FROM speed WHERE phase = 'train' AND frames = steps * batch"
    .. " AND inputs = 'normal' AND jobs = 1 AND clock = 'cpu' ORDER BY run_id DESC") do
    local key = table.concat({ r.steps, r.batch, r.input, r.hidden, r.cell, r.engine, r.kernel },
      "|")
    if runs[r.run_id] and not seen[key] then
      seen[key] = true
      list[#list + 1] = r
    end
  end
  local order = {}
  for i, shape in ipairs(SHAPES) do
    order[name_of(shape)] = i
  end
  local function place(r)
    return ("%02d %s %s %s"):format(
      order[name_of { r.steps, r.batch, r.input, r.hidden }] or 99, r.cell, r.engine, r.kernel)
  end
  table.sort(list, function(a, b)
    return place(a) < place(b)
  end)
  for _, r in ipairs(list) do
    row { name_of { r.steps, r.batch, r.input, r.hidden }, r.cell,
      r.engine == "cellbench" and r.kernel or r.engine .. " " .. r.kernel, r.n,
      ("%.4g"):format(r.ms), ("%.4g"):format(r.low_ms), ("%.4g"):format(r.high_ms),
      number("%.1f", r.gflops), r.share and ("%.0f %%"):format(100 * r.share) or "-" }
  end
end

-- ---- what it was measured with ----

local function conditions()
  local seen = {}
  local function once(format, ...)
    local line = format:format(...)
    if not seen[line] then
      seen[line] = true
      add(line)
    end
  end
  head "What it was measured with"
  for r in db:rows("SELECT r.*, m.cpu, m.cores, m.system, m.instruction_set FROM run AS r"
    .. " JOIN machine AS m ON m.machine_id = r.machine_id ORDER BY r.run_id") do
    if runs[r.run_id] then
      once("- %s, %d cores, %s; kernels %s (%s), BLIS %s", r.cpu, r.cores, r.system, r.kernel,
        r.instruction_set, r.blis_version)
      once("- cellbench %s, commit %s, numerics %d, %s %s", r.version, r.git_commit, r.numerics,
        r.compiler, r.flags)
    end
  end
  for r in db:rows("SELECT DISTINCT engine, version FROM timing WHERE engine <> 'cellbench'") do
    once("- %s %s, one thread, denormals flushed", r.engine, r.version)
  end
  if note then
    add("- " .. note)
  end
  add()
  add "Commands, in their order:"
  add()
  add "```sh"
  for r in db:rows("SELECT run_id, command FROM run ORDER BY run_id") do
    if runs[r.run_id] then
      once("%s", (r.command:gsub("^%S+", "cellbench"):gsub("%S*/(%S+%.cell)", "%1")
        :gsub("%S*/(%S+%.db)", "%1")))
    end
  end
  add "```"
end

-- ---- the page ----

shares()
library()
custom()
own_cells()
first_steps()
chorales()
clockwork()
kinds()
parts()
together()
conditions()
samples()

local front = {
  "# Speed",
  "",
  "Made by `scripts/speed_report.lua` from the samples of `scripts/speed` and, for PyTorch,",
  "`scripts/baseline-torch`; both say how. One core, f32, by the time of the thread's processor",
  "where nothing else is said; samples of all that is compared are interleaved, round by round. A",
  "ratio is the median over the rounds of one run, with its quartiles.",
  "",
  "| what | asked | found | |",
  "| --- | --- | --- | --- |",
}
for _, v in ipairs(verdicts) do
  front[#front + 1] = "| " .. table.concat(v, " | ") .. " |"
end
local text = table.concat(front, "\n") .. "\n" .. table.concat(page, "\n") .. "\n"
db:close()
if page_path then
  local file = assert(io.open(page_path, "w"))
  assert(file:write(text))
  assert(file:close())
end
return text
