-- Holds: units kept for somebody, in parts that each have a state and places of their own.
--
-- A hold is {number, pool, owner, kind, hash, made at, split 0/1, only, prefer, order, named 0/1, parts, steps, pins}; a part is
-- {SKU, quantity, state, expires at, allocations}; an allocation is {location, quantity, fenced, coming by}, without a location
-- where the units are nowhere yet; coming by is '' for units on the shelf, else what brings them there, `transfer:<id>` or
-- `purchase_order:<id>`.
--
-- LAW  A hold that is read is never changed in place. What is kept of a SKU, and what is due, follow from the holds.

local holding = {
  NUMBER = 1, POOL = 2, OWNER = 3, KIND = 4, CONTENT = 5, SPLIT = 7, ONLY = 8, PREFER = 9, ORDER = 10, IS_NAMED = 11, PARTS = 12,
  STEPS = 13, PINS = 14,
  HELD = 0, CONFIRMED = 1, FULFILLED = 2, RELEASED = 3, EXPIRED = 4, BROKEN = 5, ORDERED = 6,
  KEPT = { [0] = true, [1] = true },
}
-- What will be written of the indexes; SKU → names of holds that this call changed.
per_call(function() holding.indexed, holding.fresh = { last = {} }, {} end)

do

local OF_SKU, UNITS, STATE, EXPIRES_AT, PLACES = 1, 2, 3, 4, 5
local LOCATED, FENCED, COMING_BY = 1, 3, 4
local STRONGEST_FIRST = { 0, 1, 6, 2, 5, 4, 3 }

-- So many units of an allocation: those that came out of the fence go last.
function holding.of_allocation(allocation, units)
  local fenced = math.max(0, units - (allocation[UNITS] - allocation[FENCED]))
  return { allocation[LOCATED], units, fenced, allocation[COMING_BY] or '' }
end

-- What is left of an allocation.
function holding.without(allocation, taken)
  local units, fenced = allocation[UNITS] - taken[UNITS], allocation[FENCED] - taken[FENCED]
  return { allocation[LOCATED], units, fenced, taken[COMING_BY] }
end

-- Whether the units of an allocation lie on a shelf.
function holding.is_placed(allocation) return allocation[LOCATED] ~= '' and (allocation[COMING_BY] or '') == '' end

-- Whether they lie on the shelf of this location.
function holding.is_at(allocation, location) return allocation[LOCATED] == location and holding.is_placed(allocation) end

local function part_of(part, units, allocations)
  return { part[OF_SKU], units, part[STATE], part[EXPIRES_AT], allocations }
end

-- A part when its units are kept no more.
function holding.over(part, state) return { part[OF_SKU], part[UNITS], state, 0, {} } end

-- Where units may be taken from: {part, allocation or 0}, those at the location first.
local function sources(parts, sku, states, at, fits)
  local there, elsewhere = {}, {}
  for i, part in ipairs(parts) do
    if part[OF_SKU] == sku and states[part[STATE]] then
      if #part[PLACES] == 0 and not fits then elsewhere[#elsewhere + 1] = { i, 0 } end
      for j, allocation in ipairs(part[PLACES]) do
        local list = at ~= '' and holding.is_at(allocation, at) and there or elsewhere
        if not fits or fits(allocation) then list[#list + 1] = { i, j } end
      end
    end
  end
  for _, source in ipairs(elsewhere) do there[#there + 1] = source end
  return there
end

-- Takes units of a SKU out of the parts in these states, if `fits` is nil or says so of their allocation; returns what was
-- taken and what is left, both in order.
function holding.detach(parts, sku, quantity, states, at, fits)
  local takes, left = {}, quantity
  for _, source in ipairs(sources(parts, sku, states, at, fits)) do
    local part = parts[source[1]]
    local units = math.min(left, source[2] == 0 and part[UNITS] or part[PLACES][source[2]][UNITS])
    takes[source[1]] = takes[source[1]] or {}
    takes[source[1]][source[2]] = units
    left = left - units
  end
  local taken, rest = {}, {}
  for i, part in ipairs(parts) do
    local own, sum, mine, others = takes[i] or {}, 0, {}, {}
    for _, units in pairs(own) do sum = sum + units end
    for j, allocation in ipairs(part[PLACES]) do
      local some = holding.of_allocation(allocation, own[j] or 0)
      if some[UNITS] > 0 then mine[#mine + 1] = some end
      if some[UNITS] < allocation[UNITS] then
        others[#others + 1] = holding.without(allocation, some)
      end
    end
    if sum > 0 then taken[#taken + 1] = part_of(part, sum, mine) end
    if sum < part[UNITS] then rest[#rest + 1] = part_of(part, part[UNITS] - sum, others) end
  end
  return taken, rest
end

local function join(places, at, allocations)
  for _, each in ipairs(allocations) do
    local coming_by = each[COMING_BY] or ''
    local name = each[LOCATED] .. '\0' .. coming_by
    local old = at[name]
    if old then
      old[UNITS], old[FENCED] = old[UNITS] + each[UNITS], old[FENCED] + each[FENCED]
    else
      at[name] = { each[LOCATED], each[UNITS], each[FENCED], coming_by }
      places[#places + 1] = at[name]
    end
  end
end

-- The parts, those that differ in nothing but units and places being one.
local function merged(parts)
  local kept, by_key = {}, {}
  for _, part in ipairs(parts) do
    local key = part[OF_SKU] .. '\0' .. part[STATE] .. '\0' .. string.format('%d', part[EXPIRES_AT])
    local old = by_key[key]
    if not old then
      old = { part = part_of(part, 0, {}), at = {} }
      by_key[key] = old
      kept[#kept + 1] = old.part
    end
    old.part[UNITS] = old.part[UNITS] + part[UNITS]
    join(old.part[PLACES], old.at, part[PLACES])
  end
  return kept
end

-- The state of the whole.
function holding.state_of(hold)
  local states = {}
  for _, part in ipairs(hold[holding.PARTS]) do states[part[STATE]] = true end
  for _, state in ipairs(STRONGEST_FIRST) do
    if states[state] then return state end
  end
end

-- Whether any part is in one of these states.
function holding.has(hold, states)
  for _, part in ipairs(hold[holding.PARTS]) do
    if states[part[STATE]] then return true end
  end
  return false
end

-- The hold with other parts.
function holding.with_parts(hold, parts)
  local new = { unpack(hold, 1, 14) }
  new[holding.PARTS] = parts
  return new
end

function holding.known(change, call, name)
  return record_of(change, call, 'holds', name) or record_of(change, call, 'ended_holds', name)
end

-- Remember a hold, in another table once nothing is kept for it.
function holding.keep(change, call, name, hold)
  local old = record_of(change, call, 'holds', name)
  hold = holding.with_parts(hold, merged(hold[holding.PARTS]))
  holding.note_coming(change, call, name, old, hold)
  if holding.has(hold, holding.KEPT) then
    set_record(change, 'holds', name, hold)
  else
    if old then set_record(change, 'holds', name, nil) end
    set_record(change, 'ended_holds', name, hold)
  end
  -- An order finds what was reserved for it by an owner that no token has.
  if hold[holding.ORDER] ~= '' and hold[holding.KIND] ~= '' then
    holding.note_owner(change, call, name, hold, '\0' .. hold[holding.ORDER])
  end
  if hold[holding.IS_NAMED] == 1 then holding.note_owner(change, call, name, hold, hold[holding.OWNER]) end
  return hold
end

end
