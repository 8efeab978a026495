-- What this call has read and changed so far.
--
-- LAW  Commands of one call see each other's effects, yet a command that fails its checks leaves none:
--      a command works on copies (a `change`), and only `keep` makes them the state.

local SKU_KEY, SKU, PLACE_KEY, LOCATION, AMOUNT, PROFILE, SIGHT, BUCKET, REVISION, TO, SERIALS, HAPPENED =
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12

local skus       -- SKU key → {rules, revision, views, positions, expected, dirty: the fields to write}
local dirty_keys -- in the order of first change
local entries    -- packed journal entries, in order
local fresh_seen -- dedupe field → {kind, hash, epoch, number}, of this call
local fresh_fields
local members    -- {set key, SKU} of positions made in this call
local views_at   -- packed → the view, which many pools may have
local fields_of  -- terms → the fields to read; the second is the position's, set at each read

per_call(function()
  skus, dirty_keys, entries, fresh_seen, fresh_fields, members, views_at, fields_of = {}, {}, {}, {}, {}, {}, {}, {}
end)

local function stored(value)
  local fine, thing = pcall(cmsgpack.unpack, value)
  if not fine or type(thing) ~= 'table' then error('a stored value cannot be read', 0) end
  return thing
end

local function stored_view(value)
  local view = views_at[value] or stored(value)
  views_at[value] = view
  return view
end

-- What is stored of a SKU, but for other positions: one read, and nothing is noted before all of it proved readable.
local function load(key, location, terms)
  local fields = fields_of[terms]
  if not fields then
    fields = { 'r', '', 'c' }
    for i, pool_terms in ipairs(terms) do fields[i + 3] = 'p:' .. pool_terms[1] end
    fields_of[terms] = fields
  end
  fields[2] = 'l:' .. location
  local found = redis.call('HMGET', key, unpack(fields))
  local state = { key = key, rules = tonumber(found[1] or nil), revision = tonumber(found[3] or 0), views = {}, positions = {} }
  state.positions[location] = found[2] and stored(found[2])  -- false: it is known not to be there
  for i, pool_terms in ipairs(terms) do
    if found[i + 3] then state.views[pool_terms[1]] = stored_view(found[i + 3]) end
  end
  skus[key] = state
  return state
end

local function position_in(state, place_key, sku, location)
  local position = state.positions[location]
  if position == nil then
    local found = redis.call('HGET', state.key, 'l:' .. location)
    position = found and stored(found)
    state.positions[location] = position
  end
  if position then return position, false end
  -- Reading the index now finds a key of the wrong type before any write.
  redis.call('SISMEMBER', place_key, sku)
  return { 0, 0, 0, NONE, NONE }, true
end

-- Note a field of a SKU's hash that the call will write.
local function mark(state, field, value)
  if not state.dirty then
    state.dirty = {}
    dirty_keys[#dirty_keys + 1] = state.key
  end
  state.dirty[field] = value
end

local function new_change()
  return {
    skus = {}, numbers = {}, places = {}, by_place = {}, lines = {}, views = {}, noted = {}, movements = {}, alerts = {},
    records = {}, record_at = {}, expected = {}, counted = {}, about = '',
    -- SKU → a line about it; what came of purchase orders of which units are promised, as a list and by name.
    line_at = {}, came = {}, came_at = {}, delayed = {}, alert_at = {},
    -- {SKU, name of an order's hold, units that were not there for it, nor any that its pool may promise}.
    lacking = {},
  }
end

-- The SKU's place among those of the entry; one that is new there joins them.
local function sku_number(change, sku)
  if not change.numbers[sku] then
    change.skus[#change.skus + 1] = sku
    change.numbers[sku] = #change.skus - 1  -- readers count from 0
  end
  return change.numbers[sku]
end

-- The state of the SKU that a line names, with views by the rules of now.
local function state_of(call, line)
  local key = KEYS[line[SKU_KEY]]
  local state = skus[key] or load(key, line[LOCATION], call.profiles[line[PROFILE]])
  if state.rules and state.rules ~= call.rules or state.revision ~= line[REVISION] then error({ stale = line[SKU] }, 0) end
  return state
end

-- What is expected of a SKU: only who asks for it reads it: a sale does where a pool may promise. It is never changed
-- in place.
local function expected_in(state)
  if state.expected == nil then
    local found = redis.call('HGET', state.key, 'e')
    state.expected = found and stored(found)
  end
  return state.expected or NONE
end

-- The working copy of the position that a line names.
local function place_of(change, call, line)
  local key, location = KEYS[line[SKU_KEY]], line[LOCATION]
  change.line_at[line[SKU]] = change.line_at[line[SKU]] or line
  local by_location = change.by_place[key] or {}
  change.by_place[key] = by_location
  local place = by_location[location]
  if place then return place end
  local state, terms = state_of(call, line), call.profiles[line[PROFILE]]
  local before, is_new = position_in(state, KEYS[line[PLACE_KEY]], line[SKU], location)
  place = {
    state = state, sku = sku_number(change, line[SKU]), name = line[SKU], location = location,
    before = before, after = copy_of(before), is_new = is_new, place_key = KEYS[line[PLACE_KEY]],
    terms = terms, sight = call.sights[line[SIGHT]], line = line, lost = 0,
  }
  by_location[location] = place
  change.places[#change.places + 1] = place
  return place
end

-- When a line happened, never later than now; its movements are noted with it.
local function time_of(change, call, command, line)
  local time = line[HAPPENED] and math.min(line[HAPPENED], call.now) or command[TIME]
  change.moment = time ~= command[TIME] and time or nil
  return time
end
