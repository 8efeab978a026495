-- Take from what a vendor allows one account, leave the account alone for a while, or hear how much is left of it.
--
-- KEYS   1 what the account has left: a hash of left, at (ms), rest (until, ms), rate (units a second, as the vendor said)
-- ARGV   1 units to take · 2 units that come back a second · 3 units that may be saved up
--        4 ms to leave the account alone from now on, 0 for none · 5 units left as the vendor counts them, empty for
--        not said · 6 units that come back a second as the vendor says, empty for not said
-- REPLY  ms until it may be asked for the same again; 0: it is taken
-- LAW    One bucket for all processes: what is taken never exceeds what is saved up and came back since, and nothing is
--        taken while the account is left alone.

local units, per_second, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local pause, said_left, said_rate = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local known = redis.call('HMGET', KEYS[1], 'left', 'at', 'rest', 'rate')
local rate = said_rate or tonumber(known[4])
if rate and rate > 0 then per_second = math.min(per_second, rate) end
local at = math.min(tonumber(known[2] or now), now)
local left = math.min(burst, tonumber(known[1] or burst) + (now - at) / 1000 * per_second)
if said_left then left = math.min(left, said_left) end
local rest = math.max(tonumber(known[3] or 0), now + pause)

local wait = math.max(0, rest - now)
-- What costs more than can be saved up is taken when all is there, and owed.
local wanted = math.min(units, burst)
if units > 0 and wait == 0 then
  if left >= wanted then left = left - units else wait = math.ceil((wanted - left) / per_second * 1000) end
end
local fields = { 'left', tostring(left), 'at', now, 'rest', rest }
if rate then fields[#fields + 1] = 'rate'; fields[#fields + 1] = tostring(rate) end
-- Writes begin.
redis.call('HSET', KEYS[1], unpack(fields))
redis.call('PEXPIRE', KEYS[1], math.ceil(math.max(0, rest - now) + (burst - left) / per_second * 1000) + 60000)
return wait
