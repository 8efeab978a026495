-- Recompute what every pool shows of a SKU after the rules changed.
--
-- LAW  After a refresh the parts are the plain sums over all positions of the SKU, and no bucket has moved.

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

local NOWHERE = { 0, 0, 0, NONE, NONE }

local function unseen(terms)
  local sight = {}
  for i = 1, 2 * #terms do sight[i] = 0 end
  return sight
end

-- Note the parts of all pools anew, from all positions; the line is a refresh's.
local function recompute(change, call, line, state)
  local terms, sights = call.profiles[line[PROFILE]], line[SIGHT]
  local noted = note_sku(change, sku_number(change, line[SKU]), terms, state)
  for location, position in pairs(state.positions) do
    local sight = sights[location] and call.sights[sights[location]] or unseen(terms)
    position = position or NOWHERE
    for i, pool_terms in ipairs(terms) do
      local group = sight[2 * i - 1]
      local units = contribution(position, pool_terms[1], group, sight[2 * i])
      local parts = noted.pools[pool_terms[1]]
      if not parts and (group > 0 or units > 0 or state.views[pool_terms[1]]) then
        parts = {}
        for g = 1, #pool_terms[8] do parts[g] = 0 end
        noted.pools[pool_terms[1]] = parts
      end
      if parts then
        group = math.max(1, group)
        parts[group] = parts[group] + units
      end
    end
  end
end

-- One line: {SKU key, SKU, 0, '', 0, profile, location → sight, 'free', revision}.
local function apply_refresh(call, command)
  local line = command[LINES][1]
  local state = load_whole(KEYS[line[SKU_KEY]])
  if not state.rules or state.rules == call.rules then return nil end
  if state.revision ~= line[REVISION] then error({ stale = line[SKU] }, 0) end
  local change = new_change()
  change.about = line[SKU]
  recompute(change, call, line, state)
  return change
end
