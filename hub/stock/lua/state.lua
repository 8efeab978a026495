-- What this call has read and changed so far.
--
-- LAW  Commands of one call see each other's effects, yet a command that fails its checks leaves none:
--      a command works on copies (a `change`), and only `keep` makes them the state.

local SKU_KEY, SKU, PLACE_KEY, LOCATION, AMOUNT, PROFILE, SIGHT, BUCKET = 1, 2, 3, 4, 5, 6, 7, 8

local skus = {}       -- SKU key → {rules, views, positions, dirty fields}
local dirty_keys = {} -- in the order of first change
local entries = {}    -- packed journal entries, in order
local fresh_seen = {} -- dedupe field → {kind, hash, epoch, number}, of this call
local fresh_fields = {}
local members = {}    -- {set key, SKU} of positions made in this call

local function unpacked(value, otherwise)
  return value and cmsgpack.unpack(value) or otherwise
end

local function state_of(key)
  local state = skus[key]
  if not state then
    local found = redis.call('HMGET', key, 'r', 'v')
    state = { key = key, rules = tonumber(found[1] or nil), views = unpacked(found[2], {}), positions = {} }
    skus[key] = state
  end
  return state
end

local function position_in(state, place_key, sku, location)
  local position = state.positions[location]
  if position then return position end
  local found = redis.call('HGET', state.key, 'l:' .. location)
  if not found then
    -- Reading the index now finds a key of the wrong type before any write.
    redis.call('SISMEMBER', place_key, sku)
    return { 0, 0, 0, NONE, NONE }, true
  end
  position = cmsgpack.unpack(found)
  state.positions[location] = position
  return position
end

local function new_change()
  return { keys = {}, skus = {}, index = {}, places = {}, by_place = {}, lines = {}, views = {}, movements = {}, alerts = {} }
end

local function index_of(change, key, sku)
  if not change.index[key] then
    change.skus[#change.skus + 1] = sku
    change.keys[#change.keys + 1] = key
    change.index[key] = #change.skus - 1  -- readers count from 0
  end
  return change.index[key]
end

-- The working copy of the position that a line names.
local function place_of(change, call, line)
  local key, location = KEYS[line[SKU_KEY]], line[LOCATION]
  local by_location = change.by_place[key] or {}
  change.by_place[key] = by_location
  local place = by_location[location]
  if place then return place end
  local state = state_of(key)
  if state.rules and state.rules ~= call.rules then error({ stale = line[SKU] }, 0) end
  local before, is_new = position_in(state, KEYS[line[PLACE_KEY]], line[SKU], location)
  place = {
    key = key, state = state, sku = index_of(change, key, line[SKU]), name = line[SKU], location = location,
    before = before, after = copy_of(before), is_new = is_new, place_key = KEYS[line[PLACE_KEY]],
    terms = call.profiles[line[PROFILE]], sight = call.sights[line[SIGHT]],
  }
  by_location[location] = place
  change.places[#change.places + 1] = place
  return place
end

local function mark(state, field)
  if not state.dirty then
    state.dirty = {}
    dirty_keys[#dirty_keys + 1] = state.key
  end
  state.dirty[field] = true
end

-- Make a command's copies the state that the next command sees.
local function keep(change, views, rules)
  for _, place in ipairs(change.places) do
    place.state.positions[place.location] = place.after
    mark(place.state, place.location)
    if place.is_new then members[#members + 1] = { place.place_key, place.name } end
  end
  for _, set in ipairs(views) do
    local state = skus[change.keys[set[1] + 1]]
    state.views[set[2]] = set[3]
    state.views_dirty = true
  end
  for _, key in ipairs(change.keys) do
    local state = skus[key]
    mark(state, '')
    if state.rules ~= rules then
      state.rules = rules
      state.rules_dirty = true
    end
  end
end
