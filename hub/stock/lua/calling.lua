-- One call: its keys and arguments, and what is made anew for it.
--
-- While a library is loaded its files have no library of Lua's own, not even `pairs`: they only define.
--
-- LAW  What one call noted is never there in the next, also after a call that raised: the functions are defined once and stay, so
--      whatever they change beyond what they were given is set under `per_call`.

local KEYS, ARGV
local makers = {}

-- Have something made anew at the start of each call.
local function per_call(make) makers[#makers + 1] = make end

local ARGUMENTS_MAX = 1000  -- about so many of one command of Redis: Lua passes no more than some thousands

-- Note a write among others that are done later; what follows at the same key by the same command is one command.
local function add_write(writes, command, key, first, second)
  local last = writes.last[key]
  if not last or last[1] ~= command or #last > ARGUMENTS_MAX then
    last = { command, key }
    writes.last[key] = last
    writes[#writes + 1] = last
  end
  last[#last + 1] = first
  last[#last + 1] = second
end

local function begin_call(keys, args)
  KEYS, ARGV = keys, args
  for _, make in ipairs(makers) do make() end
end
