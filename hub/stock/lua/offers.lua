-- What a pool may give of a SKU at each location, and in all.
--
-- LAW  Nothing here changes anything. A group and the pool bound what their locations give.

local offers = {}

do

function offers.rank_of(list, location)
  for i, name in ipairs(list) do
    if name == location then return i - 1 end
  end
  return #list
end

local function is_in(list, location) return offers.rank_of(list, location) < #list end

function offers.allows(wish, location)
  return not (wish.never and is_in(wish.never, location)) and (#wish.only == 0 or is_in(wish.only, location))
end

-- Whether units that may be anywhere may be put there.
function offers.is_beside(wish, location) return not wish.beside or is_in(wish.beside, location) end

-- All positions of the SKU as this command left them, by location.
function offers.positions_of(change, state)
  local positions = {}
  for location, position in pairs(state.positions) do positions[location] = position or nil end
  for location, place in pairs(change.by_place[state.key] or NONE) do positions[location] = place.after end
  return positions
end

local function terms_of(call, line, pool)
  for i, terms in ipairs(call.profiles[line[PROFILE]]) do
    if terms[1] == pool then return terms, i end
  end
end

-- Whether the house has the pool, still; all profiles have the same.
function offers.has_pool(call, pool) return terms_of(call, { [PROFILE] = 1 }, pool) ~= nil end

local function above(units, threshold, safety) return units < threshold and 0 or math.max(0, units - safety) end

-- Where the sight of each location of the house stands, by location, for the profile of a line.
function offers.whole_of(call, line)
  local profile = line[PROFILE]
  call.whole_at = call.whole_at or {}
  local at = call.whole_at[profile]
  if not at then
    at = {}
    for i, named in ipairs(call.wholes[profile]) do at[named[1]] = { named[2], i } end
    call.whole_at[profile] = at
  end
  return at
end

-- How all pools see a location of the house, for the profile of a line; nil for any other.
function offers.sight_of(call, line)
  local at = offers.whole_of(call, line)
  return function(location) return at[location] and call.sights[at[location][1]] end
end

-- How a pool sees the locations where the SKU lies: location → {group, buffer, place in the house's order}.
local function sights_of(call, line, number, positions)
  local sights, at = {}, offers.whole_of(call, line)
  for location in pairs(positions) do
    local known_place = at[location]
    if known_place then
      local sight = call.sights[known_place[1]]
      sights[location] = { sight[2 * number - 1], sight[2 * number], known_place[2] }
    end
  end
  return sights
end

local UNSEEN = { 0, 0 }

-- Offer what is still to come.
local function offer_promises(change, call, line, number, offer)
  local sku = line[SKU]
  local lines = supply.lines_of(change, offers.state_of(call, line), sku)
  local sight_of, is_anew = offers.sight_of(call, line), offer.wish.is_promised_anew
  local coming = promising.of(offer.positions, lines, offer.terms, number, sight_of, is_anew)
  offer.room_in_all, offer.rooms, offer.spare = coming.units, coming.rooms, {}
  local at = offers.whole_of(call, line)
  for _, each in ipairs(coming.spare) do
    local location = each.location
    offer.spare[location] = offer.spare[location] or {}
    table.insert(offer.spare[location], each)
    local sight = call.sights[at[location][1]]
    offer.sights[location] = { sight[2 * number - 1], sight[2 * number], at[location][2] }
  end
end

-- What a pool may give of one SKU, less what was taken already: units it has, or units that are still to come.
function offers.offer_of(change, call, line, wish)
  local terms, number = terms_of(call, line, wish.pool)
  local offer = { wish = wish, terms = terms, positions = offers.positions_of(change, offers.state_of(call, line)), taken = {}, rooms = {} }
  offer.sights = sights_of(call, line, number, offer.positions)
  for group = 1, #terms[8] do offer.rooms[group] = 0 end
  for location, position in pairs(offer.positions) do
    local sight = offer.sights[location] or UNSEEN
    local group = math.max(1, sight[1])
    offer.rooms[group] = offer.rooms[group] + contribution(position, wish.pool, sight[1], sight[2])
  end
  local supply = 0
  for group, group_terms in ipairs(terms[8]) do
    offer.rooms[group] = above(offer.rooms[group], group_terms[1], group_terms[2])
    supply = supply + offer.rooms[group]
  end
  offer.room_in_all = terms[2] == 1 and above(supply, terms[3], terms[4]) or 0
  if wish.is_forced then
    offer.room_in_all = 0
    for location in pairs(offer.positions) do offer.room_in_all = offer.room_in_all + offers.lying(offer, location) end
  elseif wish.is_promised or wish.may_be_promised and offer.room_in_all == 0 and terms[9] > 0 then
    offer_promises(change, call, line, number, offer)
  end
  return offer
end

function offers.fenced_in(offer, location)
  local position = offer.positions[location]
  local fence = position and fence_of(position, offer.wish.pool)
  return fence and fence[QUANTITY] or 0
end

function offers.lying(offer, location)
  local sight, position = offer.sights[location], offer.positions[location]
  if not sight then return 0 end
  local buffer = offer.wish.is_forced and 0 or sight[2]
  return (sight[1] > 0 and math.max(0, position[FREE] - buffer) or 0) + offers.fenced_in(offer, location)
end

-- Calls back with each location where any of it is.
function offers.each_location(offer, call_back)
  for location in pairs(offer.spare or offer.positions) do call_back(location) end
end

-- Units at a location, before any was taken.
local function here_of(offer, location)
  if not offer.spare then return offer.positions[location] and offers.lying(offer, location) or 0 end
  local units = 0
  for _, each in ipairs(offer.spare[location] or NONE) do units = units + each.quantity end
  return units
end

function offers.room(offer, location)
  if not offer.sights[location] or not offers.allows(offer.wish, location) then return 0 end
  local here = here_of(offer, location) - (offer.taken[location] or 0)
  if offer.wish.is_forced then return math.max(0, here) end
  return math.max(0, math.min(here, offer.rooms[math.max(1, offer.sights[location][1])], offer.room_in_all))
end

-- Count units as taken; returns which: {units, purchase order that is to bring them, or ''}.
function offers.take(offer, location, units)
  local group, already = math.max(1, offer.sights[location][1]), offer.taken[location] or 0
  offer.taken[location] = already + units
  offer.rooms[group] = offer.rooms[group] - units
  offer.room_in_all = offer.room_in_all - units
  if not offer.spare then return { { units, '' } } end
  local taken = {}
  for _, each in ipairs(offer.spare[location]) do
    local passed = math.min(already, each.quantity)
    local some = math.min(units, each.quantity - passed)
    already, units = already - passed, units - some
    if some > 0 then taken[#taken + 1] = { some, each.order } end
  end
  return taken
end

-- A number of units as the pool shows it.
function offers.shown(offer, units)
  if offer.terms[7] == 1 then return -1 end
  return offer.terms[6] < 0 and units or math.min(units, offer.terms[6])
end

-- What is stored of the SKU of a line that is about it at all its locations, with views by the rules of now.
function offers.state_of(call, line)
  local key = KEYS[line[SKU_KEY]]
  local state = skus[key]
  if not (state and state.is_whole) then
    state = load_whole(key)
    state.is_whole = true
  end
  if state.rules and state.rules ~= call.rules or state.revision ~= line[REVISION] then error({ stale = line[SKU] }, 0) end
  return state
end

end
