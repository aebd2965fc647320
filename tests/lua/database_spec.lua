-- SPDX-License-Identifier: MIT
-- cb.open: reading results. The program lua_host makes the database (option db).
local test, check, options = ...

local cb = require "cellbench"

local function open()
  return assert(cb.open(options.db))
end

test("rows come as tables with typed values", function()
  local db <close> = open()
  local n = 0
  for row in db:rows("select 1 as i, 2.5 as r, 'text' as t, null as u") do
    n = n + 1
    check.equal(row.i, 1)
    check.equal(row.r, 2.5)
    check.equal(row.t, "text")
    check.equal(row.u, nil)
  end
  check.equal(n, 1)
  check.contains(tostring(db), options.db)
end)

test("values are bound", function()
  local db <close> = open()
  local sql = "select ? as a, ? as b, ? as c, ? as d, typeof(?2) as t"
  for row in db:rows(sql, 7, 0.5, "x'y", nil) do
    check.equal(row.a, 7)
    check.equal(row.b, 0.5)
    check.equal(row.c, "x'y")
    check.equal(row.d, nil)
    check.equal(row.t, "real")
  end
  check.raises(function() db:rows("select ?", {}) end, "bind")
end)

test("a study is read", function()
  local db <close> = open()
  local rows = db:rows("select name from study where name = ?", "sample")
  check.equal(rows().name, "sample")
  check.equal(rows(), nil)
  check.equal(rows(), nil)
end)

test("a loop that is left closes its query, and closing twice is nothing", function()
  local db = open()
  local last
  for row in db:rows("select 1 as a union select 2 union select 3") do
    last = row.a
    if last == 2 then
      break
    end
  end
  check.equal(last, 2)
  local rows = db:rows("select 1 as a union select 2")
  check.equal(rows().a, 1)
  db:close()
  check.equal(rows(), nil)
  db:close()
  check.contains(tostring(db), "closed")
  check.raises(function() db:rows("select 1") end, "closed")
end)

test("errors of SQL are raised, and nothing can be written", function()
  local db <close> = open()
  check.raises(function() db:rows("selekt 1") end, "selekt")
  check.raises(function() db:rows("delete from study") end)
end)

test("a missing file is no error but nil and a message", function()
  local db, message, code = cb.open("/no/such/folder/x.db")
  check.equal(db, nil)
  check.contains(message, "/no/such/folder/x.db")
  check.equal(code, "CB_EIO")
end)
