-- Open a partition for one house: make it when it is new, and note a change of the house's rules in the journal.
--
-- KEYS   1 meta · 2 journal
-- ARGV   1 hub (uuid) · 2 epoch · 3 digest of the house · 4 create: 1 makes a partition that is not there
-- REPLY  {word, next number, rules version, first seen day, now ms}; word: opened, missing, other_hub, other_epoch, halted
-- LAW    A partition belongs to one hub; nothing is written unless it is this one's.

local hub, epoch, house, create = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local meta = redis.call('HMGET', KEYS[1], 'hub', 'epoch', 'next', 'booked_at', 'rules', 'house', 'halted', 'seen_from')
local time = redis.call('TIME')
local now = math.max(tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000), tonumber(meta[4] or 0))
local is_new = not meta[1]

if is_new and (create ~= '1' or redis.call('EXISTS', KEYS[2]) == 1) then return { 'missing' } end
if not is_new and meta[1] ~= hub then return { 'other_hub' } end
if not is_new and meta[2] ~= epoch then return { 'other_epoch' } end
if meta[7] then return { 'halted' } end

local number, rules = tonumber(meta[3] or 0), tonumber(meta[5] or 0)
-- Nothing was booked before a partition was made, so an id of the last week need not be looked for elsewhere.
local seen_from = tonumber(meta[8] or math.floor(now / 86400000) - 7)
if meta[6] == house then return { 'opened', number, rules, seen_from, now } end

rules = rules + 1
local payload = cjson.encode({ house = house })
local entry = cmsgpack.pack({ 1, 'rules', '', '', '', house, now, now, rules, payload, {}, {}, {}, {}, {}, {} })
-- Writes begin.
redis.call('XADD', KEYS[2], epoch .. '-' .. number, 'e', entry)
redis.call('HSET', KEYS[1], 'hub', hub, 'epoch', epoch, 'next', number + 1, 'booked_at', now, 'rules', rules,
  'house', house, 'seen_from', seen_from)
return { 'opened', number + 1, rules, seen_from, now }
