-- Where the units of a request can be had.
--
-- A wish is {pool, only, prefer, beside, never, is_split, is_forced, may_be_promised, is_promised, is_promised_anew}, a demand {sku, quantity, location}, location '' being anywhere;
-- `lines` has the line of each SKU, by name. A line of a request is about a SKU at all its locations.
--
-- LAW  Nothing here changes anything. What is found was available before, and no unit is found twice.

local placing = {}

do

-- The locations where any of the SKUs lies, of those that will do, the best first; `key` gives what is compared, less is
-- better.
local function ordered(wish, offered, key)
  local found, known_place = {}, {}
  for _, offer in pairs(offered) do
    offers.each_location(offer, function(location)
      if offer.sights[location] and not known_place[location] and offers.is_beside(wish, location) then
        known_place[location] = true
        found[#found + 1] = { location, 0, offer.sights[location][3] }
      end
    end)
  end
  if #found > 1 then
    for _, each in ipairs(found) do each[2] = key(each[1]) end
    table.sort(found, function(a, b) return a[2] < b[2] or a[2] == b[2] and a[3] < b[3] end)
  end
  local locations = {}
  for i, each in ipairs(found) do locations[i] = each[1] end
  return locations
end

local function sum_over(demands, offered, amount, location)
  local units = 0
  for _, demand in ipairs(demands) do
    units = units + math.min(demand.quantity, amount(offered[demand.sku], location))
  end
  return units
end

local function place(found, offer, demand, locations)
  local left = demand.quantity
  for _, location in ipairs(locations) do
    local units = math.min(left, offers.room(offer, location))
    if units > 0 then
      for _, taken in ipairs(offers.take(offer, location, units)) do
        found.places[#found.places + 1] = { sku = demand.sku, location = location, quantity = taken[1], order = taken[2] }
      end
      left = left - units
    end
  end
  if left > 0 and not found.is_short[demand.sku] then
    found.is_short[demand.sku] = true
    found.shortages[#found.shortages + 1] = { demand.sku, demand.quantity, offers.shown(offer, demand.quantity - left) }
  end
end

local function has_all(offered, demands, location)
  for _, demand in ipairs(demands) do
    if offers.room(offered[demand.sku], location) < demand.quantity then return false end
  end
  return true
end

local function place_anywhere(found, wish, offered, demands)
  local named = wish.beside or #wish.only > 0 and wish.only or wish.prefer
  local locations = ordered(wish, offered, function(location)
    -- A rank beats whatever the fences hold.
    return offers.rank_of(named, location) * 1e9 - sum_over(demands, offered, offers.fenced_in, location)
  end)
  local whole
  for _, location in ipairs(locations) do
    whole = whole or has_all(offered, demands, location) and location
  end
  if whole then
    for _, demand in ipairs(demands) do place(found, offered[demand.sku], demand, { whole }) end
    return
  end
  if not wish.is_split then
    local rank = {}
    for i, location in ipairs(locations) do rank[location] = i end
    -- The one that lacks least tells best what is short.
    locations = { ordered(wish, offered, function(location)
      return rank[location] - 1e6 * sum_over(demands, offered, offers.room, location)
    end)[1] }
  end
  for _, demand in ipairs(demands) do
    local alone
    for _, location in ipairs(locations) do
      alone = alone or offers.room(offered[demand.sku], location) >= demand.quantity and location
    end
    place(found, offered[demand.sku], demand, alone and { alone } or locations)
  end
end

-- Places for all demands, or what is short; by force, as much as there is: {places, shortages}.
function placing.find(change, call, lines, wish, demands)
  local offered, wanted, order = {}, {}, {}
  if not offers.has_pool(call, wish.pool) then
    local shortages = {}
    for i, demand in ipairs(demands) do shortages[i] = { demand.sku, demand.quantity, 0 } end
    return { places = {}, shortages = shortages }
  end
  for _, demand in ipairs(demands) do
    if not offered[demand.sku] then
      offered[demand.sku] = offers.offer_of(change, call, lines[demand.sku], wish)
      order[#order + 1] = demand.sku
    end
    wanted[demand.sku] = (wanted[demand.sku] or 0) + demand.quantity
  end
  local found, anywhere = { places = {}, shortages = {}, is_short = {} }, {}
  for _, sku in ipairs(order) do
    if wanted[sku] > offered[sku].room_in_all then
      found.is_short[sku] = true
      found.shortages[#found.shortages + 1] = { sku, wanted[sku], offers.shown(offered[sku], offered[sku].room_in_all) }
    end
  end
  if #found.shortages > 0 and not wish.is_forced then return found end
  for _, demand in ipairs(demands) do
    if demand.location == '' then
      anywhere[#anywhere + 1] = demand
    else
      place(found, offered[demand.sku], demand, { demand.location })
    end
  end
  if #anywhere > 0 then place_anywhere(found, wish, offered, anywhere) end
  return found
end

-- How many units of a SKU may be had, over all locations.
function placing.room_for(change, call, line, wish)
  local offer, units = offers.offer_of(change, call, line, wish), 0
  -- In whatever order: a group and the pool bound the sum, not the parts.
  offers.each_location(offer, function(location)
    local here = offers.room(offer, location)
    if here > 0 then offers.take(offer, location, here) end
    units = units + here
  end)
  return units
end

end
