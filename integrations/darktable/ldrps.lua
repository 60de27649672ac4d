-- Restore photos with LD-RPS from darktable's lighttable.
--
-- Installed by `ldrps darktable install`. Needs darktable 4.2 or later and the `ldrps` command,
-- whose place is in command.txt next to this file.
--
-- Adds a module with recipe and strength, a button in the module "selected images" with a shortcut
-- of its own, and a target storage. Each photo is exported as a 16-bit TIFF in linear Rec. 2020,
-- restored by `ldrps restore`, and the result is imported next to the original and grouped with it.

local dt = require "darktable"

local ME = "ldrps"
local TITLE = "restore (LD-RPS)"
local SHORTCUT = "restore selected photos (LD-RPS)"
local RECIPES = {"auto", "fast", "low-light", "haze", "noise", "colour", "old-photo", "paper"}
local LABELS = {"red", "yellow", "green", "blue", "purple"}
local FIELDS = {"title", "description", "creator", "publisher", "rights", "notes"}
local PLACE = {"latitude", "longitude", "elevation"}
-- The number that it has in darktable's own settings.
local LINEAR_REC2020 = 4
local MOST_PROFILES = 100
local WINDOWS = dt.configuration.running_os == "windows"
local HERE = dt.configuration.config_dir .. "/lua/ldrps/"

-- Words of the command line -------------------------------------------------------------------

local function quoted(text)
  if WINDOWS then return '"' .. text:gsub('"', '') .. '"' end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

local function command()
  local file = io.open(HERE .. "command.txt", "r")
  local line = file and file:read("l")
  if file then file:close() end
  if line and line ~= "" and not exists(line) then
    return nil, line .. " is no longer there; run 'ldrps darktable install' again"
  end
  return line and line ~= "" and line or "ldrps"
end

-- One line of `ldrps restore --json-lines` as a table; nil where it is anything else.
local function decoded(text)
  local at, value = 1, nil
  local ESCAPES = {b = "\b", f = "\f", n = "\n", r = "\r", t = "\t"}
  local function skip() at = text:find("%S", at) or #text + 1 end
  local function take(token)
    skip()
    if text:sub(at, at + #token - 1) ~= token then error("not JSON") end
    at = at + #token
  end
  local function peek() skip() return text:sub(at, at) end
  local function hex() at = at + 4 return tonumber(text:sub(at - 4, at - 1), 16) end
  local function string_()
    local parts = {}
    take('"')
    while true do
      local stop = text:find('["\\]', at) or error("not JSON")
      parts[#parts + 1] = text:sub(at, stop - 1)
      at = stop + 1
      if text:sub(stop, stop) == '"' then return table.concat(parts) end
      local letter = text:sub(at, at)
      at = at + 1
      if letter == "u" then
        local code = hex()
        if code >= 0xD800 and code < 0xDC00 and text:sub(at, at + 1) == "\\u" then
          at = at + 2
          code = 0x10000 + (code - 0xD800) * 0x400 + hex() - 0xDC00
        end
        letter = utf8.char(code)
      end
      parts[#parts + 1] = ESCAPES[letter] or letter
    end
  end
  local function many(open, close, each)
    local found = {}
    take(open)
    if peek() ~= close then
      repeat
        each(found)
        local more = peek() == ","
        if more then take(",") end
      until not more
    end
    take(close)
    return found
  end
  function value()
    local first = peek()
    if first == '"' then return string_() end
    if first == "{" then
      return many("{", "}", function(found)
        local key = string_()
        take(":")
        found[key] = value()
      end)
    end
    if first == "[" then
      return many("[", "]", function(found) found[#found + 1] = value() end)
    end
    local word = text:match("^[%w+.-]+", at) or error("not JSON")
    at = at + #word
    if word == "true" then return true end
    return tonumber(word)
  end
  local fine, found = pcall(value)
  return fine and type(found) == "table" and found or nil
end

-- What the user chose, kept by darktable ---------------------------------------------------------

local function chosen(name, kind, otherwise)
  local value = dt.preferences.read(ME, name, kind)
  if value == nil or value == "" then return otherwise end
  return value
end

local slider

local function options()
  -- Stored as text: a number that was never stored reads as 0, which is a strength too.
  if slider then
    dt.preferences.write(ME, "strength", "string", string.format("%.2f", slider.value))
  end
  return {
    recipe = chosen("recipe", "string", "auto"),
    strength = tonumber(chosen("strength", "string", "1")) or 1,
    allow_colour = chosen("allow_colour", "bool", false),
    leader = chosen("leader", "bool", false),
  }
end

-- Export and import ------------------------------------------------------------------------------

local function profile()
  local kind = dt.preferences.read("darktable", "plugins/lighttable/export/icctype", "integer")
  local file = dt.preferences.read("darktable", "plugins/lighttable/export/iccprofile", "string")
  return kind, kind .. " " .. file
end

-- Go through the profiles of the module "export" until one is found; whether there is one.
local function choose_profile(is_wanted)
  -- darktable stores a choice a little after it was made, and none where it is as before.
  local function step(effect)
    local _, before = profile()
    dt.gui.action("lib/export/profile", 0, "selection", effect, 1.0)
    for _ = 1, 20 do
      dt.control.sleep(10)
      local _, now = profile()
      if now ~= before then return end
    end
  end
  if is_wanted(profile()) then return true end
  step("first")
  for _ = 1, MOST_PROFILES do
    if is_wanted(profile()) then return true end
    step("next")
  end
  return false
end

-- Lua's exports have the profile that is chosen in the module "export", and Lua can write no
-- settings of darktable's own: so it is chosen there, and what was chosen before chosen again.
local function with_wide_profile(action)
  local _, before = profile()
  if not choose_profile(function(kind) return kind == LINEAR_REC2020 end) then
    dt.print_log("LD-RPS: no linear Rec2020 to choose in the module export")
  end
  local fine, words = pcall(action)
  choose_profile(function(_, name) return name == before end)
  if not fine then error(words, 0) end
end

local function export(image, path)
  local format = dt.new_format("tiff")
  format.bpp = 16
  with_wide_profile(function() format:write_image(image, path, false) end)
  if not exists(path) then
    error("darktable could not export it; is its file still there?", 0)
  end
end

-- Rating, keywords and titles, which an export by Lua leaves out, come into the result from a
-- sidecar next to the exported file. Without one they are in darktable's library alone.
local function copy_sidecar(image, path)
  local from = io.open(image.sidecar, "rb")
  if not from then return end
  local to = io.open(path, "wb")
  if to then
    to:write(from:read("a"))
    to:close()
  end
  from:close()
end

local function stem_of(image)
  local stem = image.filename:match("^(.+)%.[^.]*$") or image.filename
  if image.duplicate_index > 0 then stem = stem .. string.format("_%02d", image.duplicate_index) end
  return stem
end

local function free_name(image)
  local number = 1
  while true do
    local mark = number > 1 and "_restored_" .. number or "_restored"
    local path = image.path .. "/" .. stem_of(image) .. mark .. ".tif"
    if not exists(path) then return path end
    number = number + 1
  end
end

local function copy_metadata(from, to)
  for _, tag in ipairs(dt.tags.get_tags(from)) do
    -- Those are darktable's own notes, such as how a file was exported.
    if not tag.name:find("^darktable|") then dt.tags.attach(tag, to) end
  end
  for _, name in ipairs(LABELS) do to[name] = from[name] end
  for _, name in ipairs(FIELDS) do to[name] = from[name] end
  for _, name in ipairs(PLACE) do
    -- A photo without a place has no number there.
    if from[name] and from[name] == from[name] then to[name] = from[name] end
  end
  to.exif_datetime_taken = from.exif_datetime_taken
  to.rating = from.rating
end

local function import(image, path, leader)
  local result = dt.database.import(path)
  if not result then error("darktable did not import " .. path, 0) end
  -- What the file brought along came by way of darktable's export, which may leave things out.
  copy_metadata(image, result)
  result:group_with(image)
  if leader then result:make_group_leader() end
  return result
end

-- Running `ldrps restore` ------------------------------------------------------------------------

local function kill(pid)
  os.execute(WINDOWS and "taskkill /PID " .. pid or "kill -TERM " .. pid)
end

local function words_of(input, output, wanted)
  local program, wrong = command()
  if not program then error(wrong, 0) end
  local words = {
    quoted(program), "restore", quoted(input), "-o", quoted(output), "--json-lines", "--sidecars",
    "--recipe", quoted(wanted.recipe), "--strength", (tostring(wanted.strength):gsub(",", ".")),
  }
  if wanted.allow_colour then words[#words + 1] = "--allow-colour" end
  return table.concat(words, " ") .. " 2>&1"
end

-- Restore a file; run.on_fraction hears how far it is, run.cancelled ends it.
local function restore(input, output, wanted, run)
  local pipe = io.popen(words_of(input, output, wanted), "r")
  -- Otherwise lines could wait in a buffer while darktable waits for the pipe.
  pipe:setvbuf("no")
  local done, trouble, last = false, nil, ""
  while true do
    dt.control.read(pipe)
    local line = pipe:read("l")
    if not line then break end
    local told = decoded(line)
    if not told then last = line
    elseif told.pid then run.pid = math.tointeger(told.pid)
    elseif told.event == "step" then run.on_fraction(told.index / told.count)
    elseif told.event == "done" then done = true
    elseif told.error then trouble = told.error.message end
    if run.cancelled and run.pid then kill(run.pid) run.pid = nil end
  end
  pipe:close()
  run.pid = nil
  if done then return end
  if run.cancelled then error("cancelled", 0) end
  -- The photo's name is told anyway, that of a temporary file says nothing.
  if trouble and trouble:sub(1, #input + 2) == input .. ": " then
    trouble = trouble:sub(#input + 3)
  end
  error(trouble or (last ~= "" and last) or "ldrps ended without a word", 0)
end

local function temporary_folder()
  local pipe = io.popen("mktemp -d " .. quoted(dt.configuration.cache_dir .. "/ldrps-XXXXXX"), "r")
  local folder = pipe:read("l")
  pipe:close()
  if not folder then error("no folder can be made in " .. dt.configuration.cache_dir, 0) end
  return folder
end

-- One photo: exported unless that was done, restored, imported, grouped.
local function process(image, exported, wanted, run)
  local folder, made
  if not exported then
    folder = temporary_folder()
    made = folder .. "/" .. stem_of(image) .. ".tif"
  end
  local fine, result = pcall(function()
    if made then
      export(image, made)
      copy_sidecar(image, made .. ".xmp")
    end
    if run.cancelled then error("cancelled", 0) end
    local output = free_name(image)
    restore(exported or made, output, wanted, run)
    local imported, words = pcall(import, image, output, wanted.leader)
    if not imported then
      error("the result is " .. output .. ", but it is not in the library (" .. words .. ")", 0)
    end
    return words
  end)
  if made then
    os.remove(made)
    os.remove(made .. ".xmp")
  end
  if folder then os.remove(folder) end
  return fine, result
end

-- Told on the screen, and for `darktable -d lua` in its log.
local function say(words)
  dt.print("LD-RPS: " .. words)
  dt.print_log("LD-RPS: " .. words)
end

-- What an image is called, also when it has left the library meanwhile.
local function name_of(image)
  local fine, name = pcall(function() return image.filename end)
  return fine and name or "a photo that was removed"
end

local running = nil

local function cancel()
  if not running then return end
  running.cancelled = true
  if running.pid then kill(running.pid) end
  running.pid = nil
end

-- `photos` is a list of {image = ..., file = an exported file or nil}.
local function run_all(photos)
  if #photos == 0 then return say("select photos first") end
  if running then return say("photos are being restored already; wait for them or cancel") end
  local run, count, wanted = {cancelled = false}, 0, options()
  running = run
  local what = #photos == 1 and name_of(photos[1].image) or #photos .. " photos"
  local job = dt.gui.create_job("LD-RPS: restoring " .. what, true, function(self)
    cancel()
    self.valid = false
  end)
  for index, each in ipairs(photos) do
    run.on_fraction = function(fraction)
      if job.valid then job.percent = (index - 1 + fraction) / #photos end
    end
    local name = name_of(each.image)
    local fine, words = process(each.image, each.file, wanted, run)
    if run.cancelled then break end
    if fine then count = count + 1 else say(name .. ": " .. tostring(words)) end
    run.on_fraction(1)
  end
  if job.valid then job.valid = false end
  running = nil
  say((run.cancelled and "cancelled; " or "") .. count .. " of " .. #photos .. " restored")
end

local function run_guarded(photos)
  local fine, words = pcall(run_all, photos)
  if not fine then
    running = nil
    say("an unforeseen error (" .. tostring(words) .. "); please report it")
  end
end

local function restore_selected()
  local photos = {}
  for _, image in ipairs(dt.gui.selection()) do photos[#photos + 1] = {image = image} end
  run_guarded(photos)
end

-- What there is to see -----------------------------------------------------------------------------

local function recipe_box()
  local at = 1
  for index, name in ipairs(RECIPES) do if name == options().recipe then at = index end end
  return dt.new_widget("combobox"){
    label = "recipe", tooltip = "auto finds out by itself what is wrong with a photo",
    selected = at,
    changed_callback = function(self)
      dt.preferences.write(ME, "recipe", "string", self.value)
    end,
    table.unpack(RECIPES),
  }
end

local function strength_slider()
  return dt.new_widget("slider"){
    label = "strength", tooltip = "0 leaves a photo as it is, 1 restores it entirely",
    soft_min = 0, soft_max = 1, hard_min = 0, hard_max = 1, step = 0.05, digits = 2,
    value = options().strength,
  }
end

local function check(name, label, tooltip)
  return dt.new_widget("check_button"){
    label = label, tooltip = tooltip, value = options()[name],
    clicked_callback = function(self) dt.preferences.write(ME, name, "bool", self.value) end,
  }
end

local function module_widget()
  slider = strength_slider()
  return dt.new_widget("box"){
    orientation = "vertical",
    recipe_box(),
    slider,
    check("allow_colour", "colour grey photos", "lets auto and fast make up colours"),
    check("leader", "result on top of the group", "instead of the original"),
    dt.new_widget("button"){
      label = "restore", tooltip = "restore the selected photos",
      clicked_callback = restore_selected,
    },
  }
end

local function register_module()
  local right = "DT_UI_CONTAINER_PANEL_RIGHT_CENTER"
  local lighttable = dt.gui.views.lighttable
  dt.register_lib(ME, TITLE, true, false, {[lighttable] = {right, 480}}, module_widget())
end

local function register_storage()
  dt.register_storage(ME, TITLE, nil, function(_, exported)
    local photos = {}
    for image, file in pairs(exported) do photos[#photos + 1] = {image = image, file = file} end
    run_guarded(photos)
    for _, each in ipairs(photos) do os.remove(each.file) end
  end, function(_, format) return format.plugin_name == "tiff" end)
end

if dt.configuration.api_version_major < 9 then
  say("needs darktable 4.2 or later; this is " .. dt.configuration.version)
else
  register_module()
  register_storage()
  dt.gui.libs.image.register_action(ME, TITLE, restore_selected, "restore the selected photos")
  dt.register_event(ME, "shortcut", restore_selected, SHORTCUT)
end

return {restore_selected = restore_selected, cancel = cancel, decoded = decoded}
