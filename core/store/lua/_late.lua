-- Put before all else. Writes that are put off until the script ends or looks at their key: a hundred jobs
-- that one script records are one command for each index in place of a hundred. Only for what nobody has to
-- be told of, and of commands that have one key and take any number of members.
local server = redis

-- By key the command, the key, and what follows.
local late = {}

-- Lua's `unpack` has a limit.
local MOST_LATE = 1000

local function write_now(key)
  local command = late[key]
  late[key] = nil
  server.call(unpack(command))
end

local function later(name, key, ...)
  local command = late[key]
  if command and (command[1] ~= name or #command >= MOST_LATE) then
    write_now(key)
    command = nil
  end
  if not command then
    command = { name, key }
    late[key] = command
  end
  for i = 1, select('#', ...) do command[#command + 1] = (select(i, ...)) end
end

-- In place of Redis' own, which would not see what was put off.
local redis = setmetatable({
  call = function(name, ...)
    local key = ...
    if late[key] then write_now(key) end
    return server.call(name, ...)
  end,
}, { __index = server })

local function write_late()
  local fault
  while next(late) do
    local went_well, outcome = pcall(write_now, (next(late)))
    if not went_well then fault = outcome end
  end
  if fault then error(fault, 0) end
end
