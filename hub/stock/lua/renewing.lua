-- What an owner's next reservation keeps of the one whose place it takes.
--
-- LAW  Nothing is kept but what is asked and what that one keeps of it, where it lies or as it is promised; the rest is found
--      as for anybody else.

local renewing = {}

do

local LOCATED, UNITS = 1, 2

-- What the old hold keeps still.
local function held_of(old)
  local held = {}
  for _, part in ipairs(old[holding.PARTS]) do
    if part[3] == holding.HELD then held[#held + 1] = part end
  end
  return held
end

local function add_place(own, demand, allocation)
  local location, units = allocation[LOCATED], allocation[UNITS]
  own.places[#own.places + 1] = { sku = demand.sku, location = location, quantity = units, order = holding.order_of(allocation) or '' }
  own.units[demand.sku] = (own.units[demand.sku] or 0) + units
  if demand.location == '' and not own.at[location] then
    own.at[location] = true
    own.locations[#own.locations + 1] = location
  end
end

-- What a hold keeps of the demands where the wish allows it: {places, rest, units by SKU, locations of what may be anywhere}.
function renewing.own_units(wish, demands, old)
  local held, some, ordered = held_of(old), nil, {}
  local own = { places = {}, rest = {}, units = {}, locations = {}, at = {} }
  -- Those that say where first, or one that does not might take their units.
  for _, is_pinned in ipairs({ true, false }) do
    for _, demand in ipairs(demands) do
      if (demand.location ~= '') == is_pinned then ordered[#ordered + 1] = demand end
    end
  end
  for _, demand in ipairs(ordered) do
    local left = demand.quantity
    -- What lies on shelves before what is promised.
    for _, is_such in ipairs({ holding.is_placed, holding.is_promised }) do
      some, held = holding.detach(held, demand.sku, left, HELD_ONLY, '', function(allocation)
        local location = allocation[LOCATED]
        return is_such(allocation) and (demand.location == '' or demand.location == location) and offers.allows(wish, location)
      end)
      for _, part in ipairs(some) do
        for _, allocation in ipairs(part[5]) do add_place(own, demand, allocation) end
        left = left - part[2]
      end
    end
    if left > 0 then own.rest[#own.rest + 1] = { sku = demand.sku, quantity = left, location = demand.location } end
  end
  return own
end

-- Whether it is kept rather than what was found without it: that falls short, or promises what lies there.
function renewing.comes_before(own, found)
  local there = {}
  if #found.shortages > 0 then return #own.places > 0 end
  for _, place in ipairs(own.places) do there[place.sku] = there[place.sku] or place.order == '' end
  for _, place in ipairs(found.places) do
    if place.order ~= '' and there[place.sku] then return true end
  end
  return false
end

-- Places for what the owner does not hold, once what she holds is hers again, or what is short of all. Without a split the
-- rest that names no place is where the owner's units are that name none. `first` is what was found without them: it is
-- told where that was more.
function renewing.find_rest(change, call, lines, wish, own, first)
  local rest_wish, first_of, shortages = {}, {}, {}
  for name, value in pairs(wish) do rest_wish[name] = value end
  if #own.locations > 0 and not wish.is_split then rest_wish.beside = own.locations end
  local found = placing.find(change, call, lines, rest_wish, own.rest)
  for _, short in ipairs(first.shortages) do first_of[short[1]] = short end
  for i, short in ipairs(found.shortages) do
    local sku, units = short[1], own.units[short[1]] or 0
    local before = first_of[sku] or { sku, 0, -1 }
    local shown = offers.shown(offers.offer_of(change, call, lines[sku], wish), units + short[3])
    shortages[i] = { sku, math.max(units + short[2], before[2]), math.max(shown, before[3]) }
  end
  return { places = found.places, shortages = shortages }
end

end
