-- Runs in a darktable under test: executes what tests put into a folder, and answers there.
local dt = require "darktable"
local folder = os.getenv("LDRPS_TEST_FOLDER")

local function answer(number, words)
  local part = folder .. "/part-" .. number
  local file = io.open(part, "w")
  file:write(words)
  file:close()
  os.rename(part, folder .. "/answer-" .. number)
end

-- Each in a thread of its own: what takes long must not keep the next from being heard.
local function execute(number, source)
  dt.control.dispatch(function()
    local ask, wrong = load("local dt = require 'darktable' " .. source)
    local fine, words = pcall(ask or function() error(wrong, 0) end)
    answer(number, (fine and "ok " or "no ") .. tostring(words))
  end)
end

dt.control.dispatch(function()
  local number = 1
  while not dt.control.ending do
    local file = io.open(folder .. "/ask-" .. number, "r")
    if file then
      local source = file:read("a")
      file:close()
      execute(number, source)
      number = number + 1
    end
    dt.control.sleep(50)
  end
end)
