-- SPDX-License-Identifier: MIT
-- The manual's page on the database: up to date with the schema, and its queries run (option db).
local test, check, options = ...

local cb = require "cellbench"

local store = options.source .. "/core/store/"

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

test("DATABASE.md is up to date", function()
  local make = assert(loadfile(options.source .. "/scripts/database_page.lua", "t"))
  local page = make(store .. "schema.sql", store .. "views.sql", store .. "queries.sql")
  if page ~= read(store .. "DATABASE.md") then
    error("core/store/DATABASE.md is not what scripts/database_page.lua makes; its head says how")
  end
end)

test("every table, view and column is in it", function()
  local db <close> = assert(cb.open(options.db))
  local page = read(store .. "DATABASE.md")
  for row in db:rows("select name, type from sqlite_schema where type in ('table', 'view') "
    .. "and name not glob 'sqlite_*' and name not glob 'study_[0-9]*'") do
    local _, at = page:find("### `" .. row.name .. "`\n", 1, true)
    assert(at, row.name)
    local section = page:sub(at, page:find("\n##", at, true))
    for column in db:rows("select name from pragma_table_info(?)", row.name) do
      if row.type == "table" then
        check.contains(section, "\n| `" .. column.name .. "` | ")
      end
    end
  end
end)

local count = 0
for block in read(store .. "DATABASE.md"):gmatch("```sql\n(.-)\n```") do
  count = count + 1
  test("query " .. block:gsub("%s+", " "):sub(1, 60) .. ", " .. count, function()
    local db <close> = assert(cb.open(options.db))
    local n = 0
    for _ in db:rows((block:gsub("'quickstart'", "'sample'"))) do
      n = n + 1
    end
    assert(n > 0, "it gives no rows")
  end)
end

test("there are queries", function()
  assert(count >= 8)
end)
