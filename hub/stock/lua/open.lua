-- Open a partition for one house, or give it another: make it when it is new, keep what the house is, and note a change
-- in the journal.
--
-- KEYS   1 meta · 2 journal · 3 house
-- ARGV   1 hub (uuid) · 2 epoch · 3 digest of what the house resolves to · 4 create: 1 makes a partition that is not there
--        5 the house's document (JSON) · 6 its token · 7 the token of the document it takes the place of, empty for any
-- REPLY  {word, next number, rules version, first seen day, now ms}
--        word: opened, missing, other_hub, other_epoch, halted, changed (the partition holds another document than 7)
-- LAW    A partition belongs to one hub; nothing is written unless it is this one's. The rules version rises when, and
--        only when, the digest changes; document, digest and version always belong together.

local hub, epoch, house, create, document, token, expected = unpack(ARGV)
local meta = redis.call('HMGET', KEYS[1], 'hub', 'epoch', 'next', 'booked_at', 'rules', 'house', 'halted', 'seen_from',
  'document')
local time = redis.call('TIME')
local now = math.max(tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000), tonumber(meta[4] or 0))
local is_new = not meta[1]

if is_new and (create ~= '1' or redis.call('EXISTS', KEYS[2]) == 1) then return { 'missing' } end
if not is_new and meta[1] ~= hub then return { 'other_hub' } end
if not is_new and meta[2] ~= epoch then return { 'other_epoch' } end
if meta[7] then return { 'halted' } end
if expected ~= '' and meta[9] ~= expected then return { 'changed' } end

local number, rules = tonumber(meta[3] or 0), tonumber(meta[5] or 0)
-- Nothing was booked before a partition was made, so an id of the last week need not be looked for elsewhere.
local seen_from = tonumber(meta[8] or math.floor(now / 86400000) - 7)
if meta[6] == house and meta[9] == token then return { 'opened', number, rules, seen_from, now } end

if meta[6] ~= house then rules = rules + 1 end
local entry = cmsgpack.pack({ 1, 'rules', '', '', '', house, now, now, rules, document, {}, {}, {}, {}, {}, {} })
-- Writes begin.
redis.call('XADD', KEYS[2], epoch .. '-' .. number, 'e', entry)
redis.call('SET', KEYS[3], document)
redis.call('HSET', KEYS[1], 'hub', hub, 'epoch', epoch, 'next', number + 1, 'booked_at', now, 'rules', rules,
  'house', house, 'document', token, 'seen_from', seen_from)
return { 'opened', number + 1, rules, seen_from, now }
