-- Every event takes effect once.
--
-- A record is {kind, hash, epoch, number} under `source:id` in the hash of the day it was booked on; a conflict is
-- kept once for each distinct content, under `source:id`, NUL and the content's hash.
--
-- A record is dropped with the day it was booked on. An id that was booked then was stated at most 5 minutes after that
-- day's end, or it was stated further ahead, and then `ahead` holds its `source:day`, the day being the stated one.
--
-- LAW  An unknown id whose record may have been dropped is known only to the ledger: nothing is written until the
--      ledger was asked.

local KIND, HASH, EPOCH, NUMBER = 1, 2, 3, 4
local DAY_MS = 86400000
local AHEAD_MS = 300000

-- Verbs that ask, and can be denied.
local REQUESTS = {
  reserve = true, extend = true, confirm = true, release = true, fulfil = true, reallocate = true, expire = true,
}

local ABOUT_ORDERS = { order_place = true, order_change = true, order_cancel = true, order_fulfil = true }

local seen
local asked_for  -- fields that were looked up for the whole call
local fresh_ahead
per_call(function() seen, asked_for, fresh_ahead = {}, {}, {} end)

local function field_of(command)
  local field = command[FIELD]
  if not field then
    field = command[SOURCE] .. ':' .. command[ID]
    command[FIELD] = field
  end
  return field
end

-- Look up all ids of the call at once, in every live day.
local function recall(call)
  local fields = {}
  for _, command in ipairs(call.commands) do
    local detail = type(command[DETAIL]) == 'table' and command[DETAIL] or NONE
    local name = type(detail[1]) == 'string' and detail[1] or ''
    if REQUESTS[command[VERB]] then
      -- What is remembered of a reservation, not of an event.
      command[FIELD] = 'denied\0' .. name
      -- What another request is about is live, as a rule: then nothing of it lies here.
      if command[VERB] == 'reserve' then
        fields[#fields + 1] = command[FIELD]
        fields[#fields + 1] = 'ended_holds\0' .. name
      end
    elseif type(command[SOURCE]) == 'string' and type(command[ID]) == 'string' then
      fields[#fields + 1] = field_of(command)
      local order = ABOUT_ORDERS[command[VERB]] and name or command[VERB] == 'sale' and detail[2]
      if type(order) == 'string' and order ~= '' then
        fields[#fields + 1] = 'ended_orders\0' .. order
        fields[#fields + 1] = 'ended_holds\0order:' .. order
      end
    end
  end
  if #fields == 0 then return end
  for _, field in ipairs(fields) do asked_for[field] = true end
  for day = 1, call.days do
    local found = redis.call('HMGET', KEYS[FIRST_DAY - 1 + day], unpack(fields))
    for i, field in ipairs(fields) do
      if found[i] then seen[field] = cmsgpack.unpack(found[i]) end
    end
  end
end

-- The newest of a field, for a record may be kept again on a later day.
local function recall_one(call, field)
  if fresh_seen[field] then return fresh_seen[field] end
  if asked_for[field] then return seen[field] end
  for day = call.days, 1, -1 do
    local found = redis.call('HGET', KEYS[FIRST_DAY - 1 + day], field)
    if found then return cmsgpack.unpack(found) end
  end
end

local function remember(field, record)
  if not fresh_seen[field] then fresh_fields[#fresh_fields + 1] = field end
  fresh_seen[field] = record
end

local remember_booked, known

do

-- The first answer's entry; false when the journal no longer has it and the ledger must be asked.
local function first_entry(call, record)
  if record[EPOCH] == call.epoch and record[NUMBER] >= call.next_at_start then
    return cmsgpack.unpack(entries[record[NUMBER] - call.next_at_start + 1].packed)
  end
  local id = string.format('%d-%d', record[EPOCH], record[NUMBER])
  local found = redis.call('XRANGE', KEYS[2], id, id)
  return found[1] and cmsgpack.unpack(found[1][2][2]) or false
end

local function ahead_member(command)
  return command[SOURCE] .. ':' .. string.format('%d', math.floor(command[STATED_AT] / DAY_MS))
end

-- Whether the id may have been booked and its record dropped since.
local function may_be_forgotten(call, command)
  local stated = command[STATED_AT]
  if stated < call.seen_from * DAY_MS + AHEAD_MS or stated > call.now + AHEAD_MS then return true end
  return call.has_ahead and redis.call('SISMEMBER', KEYS[AHEAD], ahead_member(command)) == 1
end

-- Remember a booked command; one stated far ahead outlives its record in `ahead`.
function remember_booked(call, command, kind, number)
  remember(field_of(command), { kind, command[CONTENT], call.epoch, number })
  if command[STATED_AT] >= (call.today + 1) * DAY_MS + AHEAD_MS then
    fresh_ahead[#fresh_ahead + 1] = ahead_member(command)
  end
end

-- nil when the command is new and may go on; else its answer, a list led by a word.
function known(call, command)
  local field = field_of(command)
  local record = fresh_seen[field] or seen[field]
  if not record then
    if command[LEDGER_CHECKED] ~= 1 and may_be_forgotten(call, command) then return { 'ask_ledger' } end
    return nil
  end
  if record[HASH] ~= command[CONTENT] then return nil, 'conflict' end
  if record[KIND] == 'parked' then
    if command[VERB] ~= 'park' then return nil end
    return { 'parked', record[EPOCH], record[NUMBER] }
  end
  return { 'duplicate', record[EPOCH], record[NUMBER], first_entry(call, record) }
end

end
