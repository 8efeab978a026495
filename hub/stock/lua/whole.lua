-- A SKU at all its locations.
--
-- LAW  What this call has read or changed already stays.

local POSITION, VIEW = 108, 112  -- the bytes of `l` and `p`, with which their fields begin

-- Everything that is stored of a SKU; what this call has read or changed already stays.
local function load_whole(key)
  local state = skus[key] or { key = key, views = {}, positions = {} }
  local found = redis.call('HGETALL', key)
  for i = 1, #found, 2 do
    local field, value = found[i], found[i + 1]
    local kind = string.byte(field)
    if kind == POSITION then
      local location = string.sub(field, 3)
      state.positions[location] = state.positions[location] or stored(value)
    elseif kind == VIEW then
      local pool = string.sub(field, 3)
      state.views[pool] = state.views[pool] or stored_view(value)
    elseif field == 'r' then
      state.rules = state.rules or tonumber(value)
    elseif field == 'c' then
      state.revision = state.revision or tonumber(value)
    end
  end
  state.revision = state.revision or 0
  skus[key] = state
  return state
end

local NOWHERE
per_call(function() NOWHERE = { 0, 0, 0, NONE, NONE } end)

local function unseen(terms)
  local sight = {}
  for i = 1, 2 * #terms do sight[i] = 0 end
  return sight
end
