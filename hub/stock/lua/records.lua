-- What is remembered beside positions and views: small tables, each a hash, or beside the dedupe records of a day, or, as
-- what is expected of a SKU, in the SKU's own hash.
--
-- LAW  A record that is read is never changed in place: a command that fails its checks leaves none behind.

-- Where the table's hash stands among the keys.
local TRANSFERS, VOIDS, COUNTS, SERIAL_PLACES, CATALOGUE, ALIASES = 4, 5, 6, 7, 8, 9
local TABLES = {
  transfers = TRANSFERS, voids = VOIDS, counts = COUNTS, serials = SERIAL_PLACES, catalogue = CATALOGUE, aliases = ALIASES,
  holds = 10, owners = 11, orders = 14, shortfalls = 15,
}
-- These are forgotten with the day they were booked on, like the dedupe records among which they lie.
local OF_THE_DAY = { voided = true, closed_transfers = true, ended_holds = true, ended_orders = true }

-- table → what else follows from a record in place of another; it may not fail.
local follows = {}

local known_records -- table, NUL, field → value of this call; false: it is known not to be there
local dirty_records -- {key, field, value}, in the order of keeping
local dirty_record_at
local is_hash       -- key → true, once that was seen
per_call(function() known_records, dirty_records, dirty_record_at, is_hash = {}, {}, {}, {} end)

local function read_record(call, table_name, field)
  if OF_THE_DAY[table_name] then
    local found = recall_one(call, table_name .. '\0' .. field)
    return found and found[NUMBER + 1]
  end
  local key = KEYS[TABLES[table_name]]
  if not is_hash[key] then
    expect_type(key, 'hash')
    is_hash[key] = true
  end
  local found = redis.call('HGET', key, field)
  return found and stored(found)
end

-- What is remembered, as this command left it; nil is nothing. Whoever changes it makes a new one.
local function record_of(change, call, table_name, field)
  local name = table_name .. '\0' .. field
  local own = change.record_at[name]
  if own then return own[3] end
  if known_records[name] == nil then known_records[name] = read_record(call, table_name, field) or false end
  return known_records[name] or nil
end

-- Remember a value, or with nil forget it.
local function set_record(change, table_name, field, value)
  local name = table_name .. '\0' .. field
  local own = change.record_at[name]
  if not own then
    own = { table_name, field }
    change.record_at[name] = own
    change.records[#change.records + 1] = own
  end
  own[3] = value
end

-- What a name means by now: what waited for another fact may have been told by a name that became an alias meanwhile.
local function house_name(change, call, name)
  local owner = record_of(change, call, 'aliases', name)
  return owner and owner[1] or name
end

local function keep_records(change, call, number)
  for _, set in ipairs(change.records) do
    local table_name, field, value = set[1], set[2], set[3]
    local name = table_name .. '\0' .. field
    if follows[table_name] then follows[table_name](field, known_records[name], value) end
    known_records[name] = value or false
    if table_name == 'expected' then
      local state = change.expected[field]
      state.expected = value
      mark(state, 'e', value)
    elseif OF_THE_DAY[table_name] then
      remember(name, { table_name, '', call.epoch, number, value })
    else
      local dirty = dirty_record_at[name]
      if not dirty then
        dirty = { TABLES[table_name], field }
        dirty_record_at[name] = dirty
        dirty_records[#dirty_records + 1] = dirty
      end
      dirty[3] = value
    end
  end
end
