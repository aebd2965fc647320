-- SPDX-License-Identifier: MIT
-- The runner of the Lua tests: lua run.lua OPTION=VALUE... FILE_spec.lua...
--
-- Each file is called with (test, check, options). test(name, function) runs one test; a name may
-- not come twice. What fails is printed with its place, and the exit status is 1.

local options, files = {}, {}
for _, argument in ipairs(arg) do
  local name, value = argument:match("^(%w+)=(.*)$")
  if name then
    options[name] = value
  else
    files[#files + 1] = argument
  end
end

_G.arg = {} -- what the runner was told is not for the scripts under test

local function show(value)
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

local check = {}

function check.equal(got, want, what)
  if got ~= want or math.type(got) ~= math.type(want) then
    error(("%sexpected %s, got %s"):format(what and what .. ": " or "", show(want), show(got)), 2)
  end
end

function check.contains(text, ...)
  for _, piece in ipairs { ... } do
    if type(text) ~= "string" or not text:find(piece, 1, true) then
      error(("expected a text with %s, got %s"):format(show(piece), show(text)), 2)
    end
  end
end

-- f must raise a message that starts with the place in the test's file and has all the pieces.
function check.raises(f, ...)
  local ok, message = pcall(f)
  if ok then
    error("expected an error, got none", 2)
  end
  if type(message) ~= "string" or not message:find("^[^\n]*_spec%.lua:%d+: ") then
    error("expected a message with file and line, got " .. show(message), 2)
  end
  for _, piece in ipairs { ... } do
    if not message:find(piece, 1, true) then
      error(("expected a message with %s, got %s"):format(show(piece), show(message)), 2)
    end
  end
end

local names, passed, failed = {}, 0, 0

local function test(name, f)
  if names[name] then
    error("two tests are named " .. show(name), 2)
  end
  names[name] = true
  local ok, message = xpcall(f, debug.traceback)
  if ok then
    passed = passed + 1
  else
    failed = failed + 1
    print(("FAILED %s\n%s"):format(name, message))
  end
end

for _, file in ipairs(files) do
  assert(loadfile(file, "t"))(test, check, options)
end
print(("%d passed, %d failed"):format(passed, failed))
if failed > 0 or passed == 0 then
  error("tests failed", 0)
end
