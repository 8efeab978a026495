-- What a pool may promise of units that are still to come.
--
-- Of each line of a purchase order at a location the pool sees, spare is what is outstanding and not promised, less what
-- the location owes first: its deficit and what other pools' fences lack, out of the earliest lines. Counted as free where
-- they arrive, the spare units due by a date go through the pool's own formula, so what it holds back now it holds back
-- then:
--
--    atp(p, date) = min(limit - promised(p), sum of spare, available(p) with those units)
--
-- LAW  Nothing here changes anything.

local promising = {}

do

local LIMIT = 9  -- of the terms

-- Whether any pool may promise units at all.
function promising.may(terms)
  for _, pool_terms in ipairs(terms) do
    if pool_terms[LIMIT] > 0 then return true end
  end
  return false
end

-- Units that go elsewhere when they come.
local function owed_on_arrival(position, pool)
  local units = position[DEFICIT]
  for _, fence in ipairs(position[FENCES]) do
    if fence[POOL] ~= pool then units = units + math.max(0, lacking_in(fence)) end
  end
  return units
end

-- Lines, the earliest first, and those of one time in the order in which they stand.
local function by_eta(lines)
  local ordered = {}
  for i, line in ipairs(lines) do ordered[i] = { line, i } end
  table.sort(ordered, function(a, b)
    local first, second = a[1][supply.ETA], b[1][supply.ETA]
    return first < second or first == second and a[2] < b[2]
  end)
  return ordered
end

-- What lines bring to locations the pool sees that is neither promised nor owed on arrival.
local function spare_of(positions, lines, pool, number, sight_of)
  local owed, found = {}, {}
  for _, ordered in ipairs(by_eta(lines)) do
    local line = ordered[1]
    local location, units = line[supply.WHERE], supply.outstanding_in(line) - supply.promised_in(line)
    if units > 0 then
      owed[location] = owed[location] or owed_on_arrival(positions[location] or NOWHERE, pool)
      local taken = math.min(units, owed[location])
      owed[location] = owed[location] - taken
      local sight = sight_of(location)
      if units > taken and sight and sight[2 * number - 1] > 0 then
        found[#found + 1] = { location = location, order = line[supply.ORDER], eta = line[supply.ETA], quantity = units - taken }
      end
    end
  end
  return found
end

-- The parts of a pool, from all positions.
local function parts_of(positions, terms, number, sight_of)
  local parts = {}
  for group = 1, #terms[8] do parts[group] = 0 end
  for location, position in pairs(positions) do
    local sight = sight_of(location)
    local seen, buffer = sight and sight[2 * number - 1] or 0, sight and sight[2 * number] or 0
    local group = math.max(1, seen)
    parts[group] = parts[group] + contribution(position, terms[1], seen, buffer)
  end
  return parts
end

local function with_free(position, units)
  local more = { unpack(position, 1, FENCES) }
  more[FREE] = position[FREE] + units
  return more
end

-- What a pool may promise: {spare, units, eta, rooms}; spare has the earliest first, rooms are the groups' once all is
-- there, and without an eta it may promise none. `sight_of` gives how all pools see a location, or nil. The limit does not
-- bind units that are promised, or ordered, already and need a purchase order that brings them.
function promising.of(positions, lines, terms, number, sight_of, is_anew)
  local pool, promised = terms[1], 0
  for _, line in ipairs(lines) do promised = promised + supply.promised_in(line, pool) end
  local coming = { spare = spare_of(positions, lines, pool, number, sight_of), units = 0, rooms = {} }
  local parts, more, sum = parts_of(positions, terms, number, sight_of), {}, 0
  for i, each in ipairs(coming.spare) do
    local sight, position = sight_of(each.location), positions[each.location] or NOWHERE
    local group, buffer = sight[2 * number - 1], sight[2 * number]
    local before = contribution(with_free(position, more[each.location] or 0), pool, group, buffer)
    more[each.location] = (more[each.location] or 0) + each.quantity
    local after = contribution(with_free(position, more[each.location]), pool, group, buffer)
    parts[group], sum = parts[group] + after - before, sum + each.quantity
    local following = coming.spare[i + 1]
    if not following or following.eta ~= each.eta then
      local by_then = math.min(is_anew and sum or terms[LIMIT] - promised, sum, available_in(terms, parts))
      if by_then > coming.units then
        coming.units, coming.eta = by_then, coming.eta or each.eta
      end
    end
  end
  for group, group_terms in ipairs(terms[8]) do
    coming.rooms[group] = parts[group] < group_terms[1] and 0 or math.max(0, parts[group] - group_terms[2])
  end
  return coming
end

-- Note for each pool that has nothing available when the first unit is expected that it may promise. `whole` gives all
-- positions and how pools see each location; it is asked only where any pool may promise and any line is known.
function promising.note(change, noted, whole)
  if not promising.may(noted.terms) then return end
  local lines = supply.lines_of(change, noted.state, change.skus[noted.sku + 1])
  if #lines == 0 then return end
  for number, terms in ipairs(noted.terms) do
    local pool = terms[1]
    local view = noted.state.views[pool]
    local parts = noted.pools[pool] or view and view[7]
    if terms[LIMIT] > 0 and available_in(terms, parts or NONE) == 0 then
      local positions, sight_of = whole()
      noted.etas[pool] = promising.of(positions, lines, terms, number, sight_of).eta
    end
    if terms[LIMIT] > 0 and not noted.pools[pool] and (view or noted.etas[pool]) then
      noted.pools[pool] = parts or parts_with(nil, #terms[8], 1, 0)
    end
  end
end

end
