-- SPDX-License-Identifier: MIT
-- Every Lua block of MODULE.md (option doc) runs as it stands; the studies' trials are made too.
local test, check, options = ...

local file = assert(io.open(options.doc))
local text = file:read("a")
file:close()

local count = 0
for place, block in text:gmatch("()```lua\n(.-)\n```") do
  count = count + 1
  local line = select(2, text:sub(1, place):gsub("\n", "")) + 1
  test(("MODULE.md, line %d"):format(line), function()
    -- As many empty lines before it as make the messages' line numbers those of the file.
    local result = assert(load(("\n"):rep(line) .. block, "@MODULE.md", "t"))()
    local mt = getmetatable(result)
    if mt and mt.__name == "cellbench.study" then
      for i = 1, math.min(#result, 100) do
        assert(result:trial(i).cell)
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
