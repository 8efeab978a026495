-- Other units for those that a hold has lost.
--
-- LAW  They are held as the lost ones were, with their state and their time; what was on a shelf is never replaced by what
--      is only promised.

do

local LOCATED, UNITS = 1, 2
local HELD = { [holding.HELD] = true }

-- Up to so many units of a line's SKU, as many as there are, as parts that are held.
local function as_many(change, call, line, wish, units)
  if units == 0 or not offers.has_pool(call, wish.pool) then return {} end
  units = math.min(units, placing.room_for(change, call, line, wish))
  if units == 0 then return {} end
  local lines = { [line[SKU]] = line }
  local found = placing.find(change, call, lines, wish, { { sku = line[SKU], quantity = units, location = '' } })
  return holding.taken(change, call, lines, wish.pool, found.places, holding.HELD, 0)
end

-- Units of a SKU that are still to come, promised to a hold, as many as may be; parts that are held. Those that were promised
-- or ordered before are promised anew: no limit binds them.
function holding.promised_parts(change, call, line, hold, units, is_anew)
  return as_many(change, call, line, {
    pool = hold[holding.POOL], only = hold[holding.ONLY], prefer = hold[holding.PREFER], is_split = true,
    is_promised = true, is_promised_anew = is_anew,
  }, units)
end

function holding.units_of(parts)
  local units = 0
  for _, part in ipairs(parts) do units = units + part[2] end
  return units
end

-- Units that were found, each with the state and time of the one it stands in for.
function holding.standing_in(found, lost)
  local parts, some = {}, nil
  for _, part in ipairs(lost) do
    some, found = holding.detach(found, part[1], part[2], HELD, '')
    for _, each in ipairs(some) do parts[#parts + 1] = { each[1], each[2], part[3], part[4], each[5] } end
  end
  return parts
end

-- Say that units that were promised to a {hold, pool} are there now.
function holding.tell_arrived(change, whose, parts)
  for _, part in ipairs(parts) do
    for _, each in ipairs(part[5]) do
      local place = { sku = sku_number(change, part[1]), location = each[LOCATED] }
      alert(change, place, 'promise_arrived', each[UNITS], whose[2], whose[1])
    end
  end
end

-- Say that units that were promised for a time are now promised for a later one, to a {hold, pool}.
function holding.tell_late(change, call, line, whose, parts, eta)
  local sku, state = line[SKU], state_of(call, line)
  for _, part in ipairs(parts) do
    for _, each in ipairs(part[5]) do
      if supply.line_of(change, state, sku, each[LOCATED], holding.order_of(each))[supply.ETA] > eta then
        alert(change, { sku = sku_number(change, sku), location = each[LOCATED] }, 'promise_late', each[UNITS], whose[2], whose[1])
      end
    end
  end
end

-- Add to the parts one of a reservation that was lost, held elsewhere as far as its pool has units there. With an eta, when
-- units were expected that were promised, others may be promised in their place. The rest is broken; returns its units.
function holding.replace(change, call, line, location, name, hold, part, rest, eta)
  local pool = hold[holding.POOL]
  local wish = { pool = pool, only = hold[holding.ONLY], prefer = hold[holding.PREFER], is_split = true }
  local kept = holding.standing_in(as_many(change, call, line, wish, part[2]), { part })
  local left = part[2] - holding.units_of(kept)
  if eta then
    holding.tell_arrived(change, { name, pool }, kept)
    local more = holding.promised_parts(change, call, line, hold, left, true)
    holding.tell_late(change, call, line, { name, pool }, more, eta)
    left = left - holding.units_of(more)
    for _, each in ipairs(holding.standing_in(more, { part })) do kept[#kept + 1] = each end
  end
  for _, each in ipairs(kept) do rest[#rest + 1] = each end
  if left > 0 then
    alert(change, { sku = sku_number(change, part[1]), location = location }, 'reservation_broken', left, '', name)
    rest[#rest + 1] = { part[1], left, holding.BROKEN, 0, {} }
  end
  return left
end

end
