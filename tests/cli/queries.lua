-- SPDX-License-Identifier: MIT
-- queries.lua DATABASE PAGE: each query of the page gives rows, in this program and in stock SQLite's
-- shell (with the extension EXTENSION, where both are given).
local database, page_path, extension = ...

local cb = require "cellbench"

local file = assert(io.open(page_path))
local page = file:read("a")
file:close()

local db <close> = assert(cb.open(database))
local count = 0
for query in page:gmatch("```sql\n(.-)\n```") do
  count = count + 1
  local n = 0
  for _ in db:rows(query) do
    n = n + 1
  end
  assert(n > 0, "no rows: " .. query)
  if extension and extension ~= "" then
    local script = os.tmpname()
    local to = assert(io.open(script, "w"))
    to:write(".bail on\n.load ", extension, "\n", query, "\n")
    to:close()
    local shell = assert(io.popen(("sqlite3 -readonly '%s' < '%s'"):format(database, script)))
    local rows = 0
    for _ in shell:lines() do
      rows = rows + 1
    end
    assert(shell:close() and rows > 0, "in the shell: " .. query)
    os.remove(script)
  end
end
assert(count >= 15, count)
