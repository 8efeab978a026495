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

local function begin_call(keys, args)
  KEYS, ARGV = keys, args
  for _, make in ipairs(makers) do make() end
end
