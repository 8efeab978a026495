-- How units of a position become reserved, and what becomes of them: given back, gone to the customer, or lost.
--
-- A fence counts the units that its own pool holds out of it as filled; only when they leave does its target fall, unless
-- it is standing.
--
-- LAW  Whatever changes `reserved` here is told in the hold's allocations by the same command.

do

local LOCATED, UNITS, FENCED = 1, 2, 3

-- The working copy of a SKU's position anywhere; the line is about the SKU as a whole, or of another location.
function holding.place_at(change, call, line, location)
  local known_place = offers.whole_of(call, line)[location]
  local there = { unpack(line, 1, REVISION) }
  there[LOCATION], there[SIGHT], there[AMOUNT] = location, known_place and known_place[1] or 0, 0
  local place = place_of(change, call, there)
  place.sight = place.sight or unseen(call.profiles[line[PROFILE]])
  return place
end

-- Stops a command that was not sent with all locations of its SKUs; it is sent again with them.
function holding.need_whole(call, line)
  if not call.wholes[line[PROFILE]] then error({ needs_whole = true }, 0) end
end

-- A line says which pieces leave, never which ones are kept or go back: that movement names none.
local function record_unnamed(change, place, from, to, quantity)
  local serials = change.serials
  change.serials = nil
  record(change, place, from, to, quantity)
  change.serials = serials
end

local function hold_fenced(place, pool, units)
  local fence = fence_of(place.after, pool)
  if fence then fence[FENCE_HELD] = fence[FENCE_HELD] + units end
  return fence
end

-- Reserve units of a place, out of the pool's own fence, then out of `free`.
local function reserve(change, place, pool, quantity)
  local fence = fence_of(place.after, pool)
  local fenced = fence and math.min(quantity, fence[QUANTITY]) or 0
  if fence then
    fence[QUANTITY] = fence[QUANTITY] - fenced
    fence[FENCE_HELD] = fence[FENCE_HELD] + fenced
  end
  place.after[FREE] = place.after[FREE] - (quantity - fenced)
  place.after[RESERVED] = place.after[RESERVED] + quantity
  record_unnamed(change, place, 'ring_fenced:' .. pool, 'reserved', fenced)
  record_unnamed(change, place, 'free', 'reserved', quantity - fenced)
  return { place.location, quantity, fenced, '' }
end

-- Reserve the places that were found; returns the parts. What is promised is noted when the hold is kept.
function holding.taken(change, call, lines, pool, places, state, expires_at)
  local parts = {}
  for i, found in ipairs(places) do
    local allocation
    if found.order ~= '' then
      allocation = { found.location, found.quantity, 0, holding.by_order(found.order) }
    else
      allocation = reserve(change, holding.place_at(change, call, lines[found.sku], found.location), pool, found.quantity)
    end
    parts[i] = { found.sku, found.quantity, state, expires_at, { allocation } }
  end
  return parts
end

-- Give the units of an allocation back where they lie: first to the own fence as far as it lacks any of its target, then
-- to `free`. What is nowhere yet is nothing to give back.
function holding.let_go(change, call, line, pool, allocation)
  if not holding.is_placed(allocation) then return end
  local place = holding.place_at(change, call, line, allocation[LOCATED])
  local position, units = place.after, allocation[UNITS]
  local fence = hold_fenced(place, pool, -allocation[FENCED])
  local filled = fence and math.max(0, math.min(units, lacking_in(fence))) or 0
  if fence then fence[QUANTITY] = fence[QUANTITY] + filled end
  position[RESERVED] = position[RESERVED] - units
  position[FREE] = position[FREE] + units - filled
  record_unnamed(change, place, 'reserved', 'ring_fenced:' .. pool, filled)
  record_unnamed(change, place, 'reserved', 'free', units - filled)
end

-- The units of an allocation left the shelf, to the customer unless somewhere else is named.
function holding.leave(change, place, pool, allocation, to)
  place.after[RESERVED] = place.after[RESERVED] - allocation[UNITS]
  record(change, place, 'reserved', to or 'customer', allocation[UNITS])
  local fence = hold_fenced(place, pool, -allocation[FENCED])
  if fence and fence[STANDING] == 0 then fence[TARGET] = math.max(0, fence[TARGET] - allocation[FENCED]) end
end

-- Put units aside that a shop cannot find, so that nobody else is promised them.
function holding.look_for(change, place, pool, allocation)
  hold_fenced(place, pool, -allocation[FENCED])
  place.after[RESERVED] = place.after[RESERVED] - allocation[UNITS]
  put_aside(change, place, 'inspection', allocation[UNITS], 'reserved')
  alert(change, place, 'not_found', allocation[UNITS], '')
end

-- Give all units of a part back.
function holding.give_back(change, call, lines, pool, part)
  for _, each in ipairs(part[5]) do holding.let_go(change, call, lines[part[1]], pool, each) end
end

-- Units of an allocation are held no more, because something else took them.
function holding.forget(place, pool, allocation) hold_fenced(place, pool, -allocation[FENCED]) end

end
