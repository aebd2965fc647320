-- SPDX-License-Identifier: MIT
-- Makes results/cells.md, the table of all registered cells: parameters, operations, and how fast
-- they train at two shapes. On a quiet machine:
--
--   C=build/release/core/cli/cellbench
--   $C lua scripts/cells_table.lua $C results/cells.md [ROUNDS] [MILLISECONDS of a sample]
--
-- Cells are timed in groups, each beside lstm: all ratios are of samples that were taken in turns.

local command, path, rounds, sample_ms = ...
rounds, sample_ms = rounds or "11", sample_ms or "10"

local SHAPES = { { 100, 32, 128, 128 }, { 100, 16, 32, 64 } } -- T, B, I, H
local GROUP = 12
local FLOOR = 0.5

-- ---- what the command says ----

-- RFC 4180: a list of rows by column name.
local function parse_csv(text)
  local rows, names, row, at = {}, nil, {}, 1
  while at <= #text do
    local field, stop = text:match("^([^,\r]*)()", at)
    if field:sub(1, 1) == '"' then -- ends at a quote that is not one of two
      field, stop = "", at + 1
      repeat
        local part, next_at = text:match('^([^"]*"?)()', stop)
        field, stop = field .. part, next_at + (text:sub(next_at, next_at) == '"' and 1 or 0)
      until stop == next_at
      field = field:sub(1, -2)
    end
    row[#row + 1] = field
    at = stop + 1
    if text:sub(stop, stop) == "\r" then
      local named = {}
      for i, name in ipairs(names or {}) do
        named[name] = row[i]
      end
      rows[#rows + 1] = names and named
      names, row, at = names or row, {}, stop + 2
    end
  end
  return rows
end

local function ask(arguments)
  local pipe = assert(io.popen("'" .. command:gsub("'", "'\\''") .. "' " .. arguments))
  local text = pipe:read("a")
  if not pipe:close() then
    error("failed: " .. command .. " " .. arguments, 0)
  end
  return parse_csv(text)
end

-- ---- operations and times ----

-- Flop and element-wise operations of a training step of one sequence; with the cell that stands
-- below, where a cell cannot be the lowest layer: it is timed too.
local function operations(cells, cell)
  local below = cells[cell.lowest]
  local flop = cell.product_flop + cell.backward_product_flop
  local pointwise = cell.pointwise_ops + cell.backward_pointwise_ops
  return flop + (below and below.product_flop + below.backward_product_flop or 0),
    pointwise + (below and below.pointwise_ops + below.backward_pointwise_ops or 0)
end

-- Milliseconds that lstm takes for a flop, an operation, and everything else of a step.
local function unit_times(cells, row)
  local flop, pointwise = operations(cells, cells.lstm)
  local products = row.ms * (row["products_%"] + row["gradients_%"]) / 100
  local programs = row.ms * row["pointwise_%"] / 100
  return { flop = products / flop, pointwise = programs / pointwise,
    rest = row.ms - products - programs }
end

local function measure(shape)
  local T, B, I, H = table.unpack(shape)
  local listed = ask(("cells --csv --input %d --hidden %d"):format(I, H))
  local cells, times, group = {}, {}, {}
  for _, cell in ipairs(listed) do
    cells[cell.cell] = cell
  end
  local function run()
    local rows = ask(("bench lstm %s --shape %d,%d,%d,%d --rounds %s --sample-ms %s --csv"):format(
      table.concat(group, " "), T, B, I, H, rounds, sample_ms))
    local lstm = rows[1]
    local unit = unit_times(cells, lstm)
    for _, row in ipairs(rows) do
      local flop, pointwise = operations(cells, cells[row.cell])
      local expected = unit.flop * flop + unit.pointwise * pointwise + unit.rest
      times[row.cell] = { ms = row.ms, speed = row["GF/s"], of_lstm = row["GF/s"] / lstm["GF/s"],
        by_operation = expected / row.ms, pointwise = row["pointwise_%"] + 0, peak = row["peak_%"],
        density = 1000 * pointwise / flop }
    end
    group = {}
  end
  for _, cell in ipairs(listed) do
    if cell.cell ~= "lstm" then
      group[#group + 1] = cell.cell
    end
    if #group == GROUP then
      run()
    end
  end
  if #group > 0 then
    run()
  end
  return listed, times
end

-- ---- the page ----

local lines = {}
local function put(format, ...)
  lines[#lines + 1] = format:format(...)
end

local function explain(slow, shape, times)
  for _, name in ipairs(slow) do
    local t = times[name]
    put("- `%s` at H = %d: %.2f of lstm's GFLOP/s, %.2f by operation. It has %.0f element-wise",
      name, shape[4], t.of_lstm, t.by_operation, t.density)
    put("  operations to 1,000 flop, lstm %.0f, and %.0f %% of its time is spent on them.",
      times.lstm.density, t.pointwise)
  end
end

local function processor()
  local file = io.open("/proc/cpuinfo")
  local text = file and file:read("a") or ""
  return text:match("model name%s*:%s*([^\n]+)") or "processor not known"
end

local results, listed = {}, nil
for i, shape in ipairs(SHAPES) do
  local cells, times = measure(shape)
  listed = listed or cells
  results[i] = times
end

put("# The registered cells")
put("")
put("Written by `cellbench lua scripts/cells_table.lua`; its head says how. Parameters, flop")
put("(matrix products) and operations (element-wise) of a forward step at I = %d, H = %d.",
  SHAPES[1][3], SHAPES[1][4])
put("Training: ms of a pass with full back-propagation at T,B,I,H = %s and %s;",
  table.concat(SHAPES[1], ","), table.concat(SHAPES[2], ","))
put("GF/s of its products alone; `of lstm`: that rate as a share of lstm's, timed in turns with")
put("it; `by op`: what it would take if each flop, each operation and the rest went as fast as")
put("lstm's, as a share of what it takes. A cell that reads the layer below (`lower`) is timed")
put("with its lowest layer. Median of %s samples of %s ms, one thread, f32, %s;", rounds, sample_ms,
  processor())
put("lstm is there at %.0f %% and %.0f %% of the multiply-add peak that was measured beside it.",
  results[1].lstm.peak, results[2].lstm.peak)
put("")
local timed = (" ms | GF/s | of lstm | by op |"):rep(#SHAPES)
put("| cell | year | parameters | flop | operations |%s", timed)
put("| --- |%s", (" --: |"):rep(4 + 4 * #SHAPES))
local family
for _, cell in ipairs(listed) do
  if cell.family ~= family then
    family = cell.family
    put("| **%s** |%s", family, (" |"):rep(4 + 4 * #SHAPES))
  end
  local row = ("| %s | %s | %s | %s | %s |"):format(cell.cell, cell.year, cell.parameters,
    cell.product_flop, cell.pointwise_ops)
  for _, times in ipairs(results) do
    local t = times[cell.cell]
    row = row .. (" %.3g | %.0f | %.2f | %.2f |"):format(t.ms, t.speed, t.of_lstm, t.by_operation)
  end
  lines[#lines + 1] = row
end
put("")
put("## Below half of lstm's rate")
put("")
local lowest = { by_operation = math.huge }
for i, shape in ipairs(SHAPES) do
  for name, t in pairs(results[i]) do
    if t.by_operation < lowest.by_operation then
      lowest = { by_operation = t.by_operation, name = name, shape = shape }
    end
  end
end
put("By operation the lowest is `%s` with %.2f, at H = %d. A sum over a row counts as one",
  lowest.name, lowest.by_operation, lowest.shape[4])
put("operation, though it reads the row: so the normalised cells stand low there.")
put("")
local any = false
for i, shape in ipairs(SHAPES) do
  local slow = {}
  for _, cell in ipairs(listed) do
    local t = results[i][cell.cell]
    if t.of_lstm < FLOOR or t.by_operation < FLOOR then
      slow[#slow + 1] = cell.cell
      any = true
    end
  end
  explain(slow, shape, results[i])
end
if not any then
  put("No cell is below %.1f of lstm's GFLOP/s.", FLOOR)
end

local file = assert(io.open(path, "w"))
file:write(table.concat(lines, "\n"), "\n")
file:close()
