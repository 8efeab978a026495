-- One call: a batch of commands, each booked whole or not at all, with everything that it set.
--
-- KEYS   1 meta · 2 journal · 3 ahead · 4 transfers · 5 voids · 6 counts · 7 serials · 8 catalogue · 9 aliases
--        · 10 holds · 11 owners · 12 held · 13 expiry · 14 orders · 15 shortfalls
--        · 16… the seen days, first to last · then SKU hashes and location sets, by index
-- ARGV   1 msgpack {epoch, floor, rules, first day, days, profiles, sights, statuses, wholes, commands}
--          floor: the number after the highest one that any caller was answered
--          command: {verb, type, source, id, hash, time ms, stated ms, ledger checked 0/1, payload, pool, standing 0/1, lines,
--                    detail as the verb wants it}
--          wholes: for each profile a list of {location, sight}, or false where no command needs it
--          line: {SKU key, SKU, location set key, location, quantity, profile, sight, bucket, revision, to, serials, time ms},
--                keys by index into KEYS, the last three only where there is something to say
-- REPLY  msgpack {word, epoch, next number, booked at ms, first live day, answers, why}
--          word: ok, closed, fenced, behind, halted, stale_rules, stale_days; only `ok` has answers and wrote anything
--          answer: {applied, number, alerts, views, SKUs, lines} · {parked, epoch, number, why} · {duplicate, epoch, number, entry or false}
--                  · {conflict, epoch, number} · {ask_ledger} · {look_again} · {stale, SKU} · {refused, why}
--                  · {busy, why} · {broken, why} · {unchanged}
--          · {granted, number, hold} · {as_it_is, hold} · {denied, problem, shortages} · {needs_whole}
-- LAW    Redis rolls nothing back: all checks and all packing come before `-- Writes begin.`, and if a write fails
--        after it the partition is halted.

local ENTRY_FORMAT = 1
-- Verb -> kind of the entry, of what the hub says by itself; and the kinds of entry of which an id is remembered here.
local OWN_KINDS = { alert = 'alert', reverse = 'reversal' }
local EVENT_KINDS = { fact = true, alert = true, reversal = true }

local function read_call()
  local sent = cmsgpack.unpack(ARGV[1])
  for i = 1, 5 do
    if not is_whole(sent[i], 0, INSTANT_MAX) then error('the head of the call is malformed') end
  end
  return {
    epoch = sent[1], floor = sent[2], rules = sent[3], first_day = sent[4], days = sent[5], profiles = sent[6],
    sights = sent[7], statuses = sent[8], wholes = sent[9], commands = sent[10],
  }
end

-- Why this call may not write, or nil; fills in what the partition says of itself.
local function closed_because(call)
  local meta = redis.call('HMGET', KEYS[META], 'epoch', 'next', 'booked_at', 'rules', 'halted', 'seen_from')
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  call.now = math.max(now, tonumber(meta[3] or 0))
  call.next = tonumber(meta[2] or 0)
  call.next_at_start = call.next
  call.today = math.floor(call.now / DAY_MS)
  call.seen_from = tonumber(meta[6] or 0)
  if not meta[1] then return 'closed' end
  if tonumber(meta[1]) ~= call.epoch then return 'fenced' end
  if call.next < call.floor then return 'behind' end
  if meta[5] then return 'halted' end
  if tonumber(meta[4]) ~= call.rules then return 'stale_rules' end
  if call.first_day > call.seen_from or call.first_day + call.days <= call.today then return 'stale_days' end
  expect_type(KEYS[JOURNAL], 'stream')
  call.has_ahead = expect_type(KEYS[AHEAD], 'set')
end

local function packed_entry(call, kind, command, change, views)
  local positions = {}
  for i, place in ipairs(change.places) do positions[i] = { place.sku, place.location, place.after } end
  return cmsgpack.pack({
    ENTRY_FORMAT, kind, command[TYPE], command[SOURCE], command[ID], command[CONTENT],
    math.min(command[TIME], call.now), call.now,
    call.rules, command[PAYLOAD], change.skus, change.lines, positions, views, change.movements, change.alerts,
    change.records, change.counted, change.about, change.why, change.reach,
  })
end

local function append(call, packed)
  entries[#entries + 1] = { id = string.format('%d-%d', call.epoch, call.next), packed = packed }
  call.next = call.next + 1
  return call.next - 1
end

local function book(call, command, change, kind, hold)
  local views = views_of(change, call.now)
  local shown = not hold and shown_after(change)
  local packed = packed_entry(call, kind, command, change, views)
  -- Whatever could fail has not; from here on the command is part of the call.
  local number = append(call, packed)
  keep(change, views, call, number)
  if hold then return { 'granted', number, hold } end
  if EVENT_KINDS[kind] then remember_booked(call, command, kind, number) end
  return { 'applied', number, alerts_told(change, views), shown, change.skus, change.lines }
end

local function conflict(call, command)
  local field = field_of(command) .. '\0' .. command[CONTENT]
  local record = recall_one(call, field)
  if record then return { 'conflict', record[EPOCH], record[NUMBER] } end
  local change = new_change()
  raise(change, 'conflict', 1)
  local number = append(call, packed_entry(call, 'conflict', command, change, {}))
  remember(field, { 'conflict', command[CONTENT], call.epoch, number })
  return { 'conflict', call.epoch, number }
end

-- Keep a command whole, once, that names what nobody knows or has no room; `why` and `reach` as in `no_room`.
local function park(call, command, why, reach)
  local record = fresh_seen[field_of(command)] or seen[field_of(command)]
  if record then return { 'parked', record[EPOCH], record[NUMBER], why } end
  local change = new_change()
  change.why, change.reach = why, why and (reach or NONE)
  local number = append(call, packed_entry(call, 'parked', command, change, {}))
  remember_booked(call, command, 'parked', number)
  return { 'parked', call.epoch, number, why }
end

local function answer(call, command)
  local own = OWN[command[VERB]]
  if own then
    command[TIME] = call.now
    local change = own.apply(call, command)
    return change and book(call, command, change, own.kind) or { 'unchanged' }
  end
  check_command(command)
  if REQUESTS[command[VERB]] then
    local change, hold = requests.apply(call, command)
    return book(call, command, change, 'request', hold)
  end
  if command[VERB] == 'conflict' then return conflict(call, command) end  -- the ledger found it
  if command[VERB] == 'close' then return book(call, command, apply_fact(call, command), 'closed') end
  local known_answer, is_conflict = known(call, command)
  if known_answer then return known_answer end
  if is_conflict then return conflict(call, command) end
  if command[VERB] == 'park' then return park(call, command) end
  return book(call, command, apply_fact(call, command), OWN_KINDS[command[VERB]] or 'fact')
end

-- One bad command is its own fault only: what it raised is its answer.
local function protected(call, command)
  local fine, result = pcall(answer, call, command)
  if fine then return result end
  -- The place in the script says nothing to who asked.
  if type(result) ~= 'table' then return { 'broken', (string.gsub(tostring(result), '^[%w_@]+:%d+: ', '')) } end
  if result.denied then return { 'denied', result.denied, result.shortages } end
  if result.parked then return park(call, command, result.parked, result.reach) end
  for _, word in ipairs({ 'refused', 'stale', 'busy', 'as_it_is' }) do
    if result[word] then return { word, result[word] } end
  end
  for _, word in ipairs({ 'look_again', 'unchanged', 'needs_whole' }) do
    if result[word] then return { word } end
  end
  return { 'broken', result.err or 'unknown' }
end

local function write(call, ready)
  for _, entry in ipairs(entries) do redis.call('XADD', KEYS[JOURNAL], entry.id, 'e', entry.packed) end
  for i, key in ipairs(dirty_keys) do redis.call('HSET', key, unpack(ready.hashes[i])) end
  for _, member in ipairs(members) do redis.call('SADD', member[1], member[2]) end
  for _, told in ipairs(ready.records) do redis.call(unpack(told)) end
  if #ready.seen > 0 then redis.call('HSET', KEYS[FIRST_DAY + call.today - call.first_day], unpack(ready.seen)) end
  for _, indexed in ipairs(holding.indexed) do redis.call(unpack(indexed)) end
  for _, member in ipairs(fresh_ahead) do redis.call('SADD', KEYS[AHEAD], member) end
  redis.call('HSET', KEYS[META], 'next', call.next, 'booked_at', call.now)
end

local function reply_of(call, word, answers, why)
  return cmsgpack.pack({ word, call.epoch, call.next, call.now, call.seen_from, answers, why or '' })
end

local function run()
  local call = read_call()
  local closed = closed_because(call)
  if closed then return reply_of(call, closed, {}) end
  recall(call)
  local answers = {}
  for i, command in ipairs(call.commands) do answers[i] = protected(call, command) end
  local reply = reply_of(call, 'ok', answers)
  if #entries == 0 and #fresh_fields == 0 then return reply end
  local ready = prepared()
  -- Writes begin.
  local written, why = pcall(write, call, ready)
  if written then return reply end
  redis.call('HSET', KEYS[META], 'halted', 1)
  return reply_of(call, 'halted', {}, type(why) == 'table' and why.err or tostring(why))
end

-- What Redis calls, by the name of the library.
local function kernel(keys, args)
  begin_call(keys, args)
  return run()
end
