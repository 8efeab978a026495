-- A SKU at all its locations.
--
-- LAW  What this call has read or changed already stays.

-- Everything that is stored of a SKU; what this call has read or changed already stays.
local function load_whole(key)
  local state = skus[key] or { key = key, views = {}, positions = {} }
  local found = redis.call('HGETALL', key)
  for i = 1, #found, 2 do
    local kind, name, value = string.sub(found[i], 1, 2), string.sub(found[i], 3), found[i + 1]
    if kind == 'r' then
      state.rules = state.rules or tonumber(value)
    elseif kind == 'c' then
      state.revision = state.revision or tonumber(value)
    elseif kind == 'l:' then
      state.positions[name] = state.positions[name] or stored(value)
    elseif kind == 'p:' then
      state.views[name] = state.views[name] or stored_view(value)
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
