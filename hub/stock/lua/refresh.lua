-- Recompute what every pool shows of a SKU after the rules changed.
--
-- LAW  After a refresh the parts are the plain sums over all positions of the SKU, and no bucket has moved.

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
  -- What is only expected has no position.
  for _, pool_terms in ipairs(terms) do
    if state.views[pool_terms[1]] and not noted.pools[pool_terms[1]] then
      noted.pools[pool_terms[1]] = parts_with(nil, #pool_terms[8], 1, 0)
    end
  end
  promising.note(change, noted, function()
    return offers.positions_of(change, state), function(location)
      return sights[location] and call.sights[sights[location]]
    end
  end)
end

-- One line: {SKU key, SKU, 0, '', 0, profile, location → sight, 'free', revision}.
local function apply_refresh(call, command)
  local line = command[LINES][1]
  local state = load_whole(KEYS[line[SKU_KEY]])
  local is_as_known = state.revision == line[REVISION]
  if is_as_known and (not state.rules or state.rules == call.rules) then return nil end
  local change = new_change()
  change.about = line[SKU]
  if not is_as_known then
    -- What the sender knows is what is remembered: then the SKU's hash has lost its revision.
    local article = record_of(change, call, 'catalogue', line[SKU])
    if not article or article[1] ~= line[REVISION] then error({ stale = line[SKU] }, 0) end
    change.revisions = { { state, line[REVISION] } }
  end
  recompute(change, call, line, state)
  return change
end
