-- SPDX-License-Identifier: MIT
-- Every Lua block of MODULE.md (option doc) runs as it stands, in a state of its own making.
local test, check, options = ...

local file = assert(io.open(options.doc))
local text = file:read("a")
file:close()

local count, line = 0, 1
local position = 1
for before, block, after in text:gmatch("()```lua\n(.-)\n```()") do
  line = line + select(2, text:sub(position, before - 1):gsub("\n", ""))
  position = before
  count = count + 1
  local source = ("\n"):rep(line) .. block
  test(("MODULE.md, line %d"):format(line), function()
    assert(after > before)
    local chunk = assert(load(source, "@MODULE.md", "t", setmetatable({}, { __index = _G })))
    local result = chunk()
    if type(result) == "userdata" or type(result) == "table" then
      local mt = getmetatable(result)
      if mt and mt.__name == "cellbench.study" then
        for i = 1, math.min(#result, 100) do
          assert(result:trial(i).cell)
        end
      end
    end
  end)
end

test("MODULE.md has examples of every function", function()
  assert(count >= 8)
  for name in pairs(require "cellbench") do
    check.contains(text, "cb." .. name)
  end
end)
