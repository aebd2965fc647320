-- SPDX-License-Identifier: MIT
-- Makes the manual's page on the database from the schema's own comments and the example queries:
--
--   cellbench lua scripts/database_page.lua core/store/schema.sql core/store/views.sql \
--     core/store/queries.sql core/store/DATABASE.md
--
-- Without the last argument it returns the page's text. A test runs it so, and insists that the
-- page in the tree is up to date.

local schema_path, views_path, queries_path, page_path = ...

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

-- Paragraphs of a file: the comment that each begins with, and the statement after it.
local function paragraphs(text)
  local list = {}
  for block in (text .. "\n"):gmatch("(.-)\n\n+") do
    local comment, statement = {}, {}
    for line in (block .. "\n"):gmatch("(.-)\n") do
      if #statement == 0 and line:find("^%-%-") then
        comment[#comment + 1] = line:gsub("^%-%- ?", "")
      elseif line ~= "" then
        statement[#statement + 1] = line
      end
    end
    list[#list + 1] = { comment = comment, statement = statement }
  end
  return list
end

-- The rows of a table of columns. The comment of a column ends its definition, which may go over
-- several lines; what begins with a capital constrains the whole table.
local function columns(statement)
  local rows, definition = {}, ""
  for i = 2, #statement do
    local line = statement[i]
    if line:find("^%)") then
      break
    end
    local code, comment = line:match("^(.-)%-%- (.*)$")
    definition = definition .. (code or line)
    if comment then
      local name, kind = definition:match("^%s*([a-z][a-z0-9_]*)%s+(%u+)")
      if name then
        local null = not definition:find("NOT NULL", 1, true)
          and not definition:find("PRIMARY KEY", 1, true)
        local target = definition:match("REFERENCES ([a-z_]+)")
        rows[#rows + 1] = ("| `%s` | %s%s | %s%s |"):format(name, kind:lower(),
          null and ", may be null" or "", comment:gsub("[|<]", "\\%0"),
          target and target ~= name:gsub("_id$", "") and " (`" .. target .. "`)" or "")
      end
      definition = ""
    elseif line:find("^%s+%u") and definition == line then
      definition = "" -- a constraint of the table, or the rest of one
    end
  end
  return rows
end

local page = {}

local function add(line)
  page[#page + 1] = line or ""
end

local function add_comment(comment)
  for _, line in ipairs(comment) do
    add(line)
  end
end

add "# The database"
add()
add "Made from `schema.sql`, `views.sql` and `queries.sql` by `scripts/database_page.lua`; a test says"
add "when it is not up to date. Any tool that reads SQLite reads these tables, as"
add "`sqlite3 results/quickstart.db`; in Lua there is `cb.open`, see"
add "[MODULE.md](../script/MODULE.md)."
add()

-- The head: what holds for all, without the licence.
local function add_head(part)
  for k = 3, #part.comment do
    add(part.comment[k])
  end
end

for i, part in ipairs(paragraphs(read(schema_path))) do
  local kind, name = (part.statement[1] or ""):match("^CREATE (%u+) ([a-z_]+)")
  if i == 1 then
    add_head(part)
    add()
    add "## Tables"
  elseif kind == "TABLE" then
    add()
    add("### `" .. name .. "`")
    add()
    add_comment(part.comment)
    add()
    add "| column | type | |"
    add "| --- | --- | --- |"
    for _, row in ipairs(columns(part.statement)) do
      add(row)
    end
  end
end
add()
add "## Views"
for i, part in ipairs(paragraphs(read(views_path))) do
  add()
  if i == 1 then
    add_head(part)
  else
    add("### `" .. part.statement[1]:match("^CREATE VIEW ([a-z_]+)") .. "`")
    add()
    add_comment(part.comment)
  end
end
add()
add "### `study_1`, `study_2`, ..."
add()
add "One for each study, by its number: a row for each trial, with what the study varied as columns"
add "of their own type beside the results."
add()
add "## Functions"
add()
add [[
The views need SQLite alone. For what it lacks there are aggregate functions, which this program's
own queries know (`cb.open(db):rows`, `cellbench export`); in any other program with SQLite they
come from an extension: `.load lib/cellbench/cellbench_stats` in the sqlite3 shell, without the
suffix, below the prefix of the installation.

| function | |
| --- | --- |
| `median(x)`, `quantile(x, p)`, `mad(x)` | quantiles of type 7; `mad` is the median absolute deviation, without a factor |
| `stddev(x)`, `geometric_mean(x)` | with n - 1 |
| `mean_low(x)`, `mean_high(x)` | 95 % interval of the mean by Student's t; another level: `mean_low(x, 0.99)` |
| `bootstrap_low(x)`, `bootstrap_high(x)` | the same by the bootstrap (BCa, 9999 resamples, the same ones each time); at most 2000 values |
| `welch_t(x, g)`, `welch_p(x, g)` | Welch's test of x between the two groups of g, the lesser first: a negative t says that x is lower there |
| `mann_whitney_p(x, g)`, `cliffs_delta(x, g)` | the same by ranks, exact for few values; the effect size, from -1 to 1 |
| `paired_p(a, b)`, `wilcoxon_p(a, b)` | pairs in one row: t test, signed rank test (exact up to 200 pairs) |

NULL is left out. What is not defined (a deviation of one value, a test of one group) is NULL. A text
that is no number, and a third group, are errors. Formulas, sources and assumptions are in
[stats_test.h](../include/cellbench/stats_test.h) and beside it.]]
add()
add "## Queries"
add()
add "Each runs as it stands; tests do so, on results of `experiments/quickstart.lua` too."
for i, part in ipairs(paragraphs(read(queries_path))) do
  if i > 1 then
    add()
    add_comment(part.comment)
    add()
    add "```sql"
    add_comment(part.statement)
    add "```"
  end
end
local text = table.concat(page, "\n") .. "\n"
if page_path then
  local file = assert(io.open(page_path, "w"))
  assert(file:write(text))
  assert(file:close())
end
return text
