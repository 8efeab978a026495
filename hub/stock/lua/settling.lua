-- What follows for holds when a command took units that somebody held.
--
-- LAW  The newest hold loses first, one that nobody confirmed before one that somebody did; `reserved` at a place is the
--      sum of what its holds keep there.

do

local UNITS = 2
local PAGE = 1000

-- The next holds that keep units of a SKU, the newest first, and where the page after them begins; nil at the end.
local function page_of(call, sku, from)
  local found = redis.call('ZREVRANGEBYLEX', KEYS[HELD_INDEX], from, '[' .. sku .. '\0', 'LIMIT', 0, PAGE)
  local names = {}
  for i, member in ipairs(found) do names[i] = string.sub(member, #sku + 19) end
  return names, #found == PAGE and '(' .. found[PAGE] or nil
end

-- The names of a page and, in the first one, those that this call made or changed.
local function in_order(change, call, sku, names, is_first)
  local unique, holds = {}, {}
  for _, list in ipairs({ names, is_first and holding.fresh[sku] or NONE }) do
    for _, name in ipairs(list) do
      local hold = not holds[name] and record_of(change, call, 'holds', name)
      if hold then
        holds[name] = hold
        unique[#unique + 1] = name
      end
    end
  end
  table.sort(unique, function(a, b)
    local first, second = holds[a][holding.NUMBER], holds[b][holding.NUMBER]
    return first > second or first == second and a < b
  end)
  return unique, holds
end

local function held_there(hold, sku, states, location)
  local units = 0
  for _, part in ipairs(hold[holding.PARTS]) do
    if part[1] == sku and states[part[3]] then
      for _, each in ipairs(part[5]) do
        if holding.is_at(each, location) then units = units + each[UNITS] end
      end
    end
  end
  return units
end

-- Take up to so many units of the place out of a hold; returns how many it had.
local function break_hold(change, call, place, name, hold, units, states)
  local there = held_there(hold, place.name, states, place.location)
  if there == 0 then return 0 end
  if accounts.id_of(name) then return accounts.lose(change, call, place, name, there, units) end
  local lost = math.min(units, there)
  local broken, rest = holding.detach(hold[holding.PARTS], place.name, lost, states, place.location)
  for _, part in ipairs(broken) do
    for _, each in ipairs(part[5]) do
      holding.forget(place, hold[holding.POOL], each)
    end
    holding.replace(change, call, place.line, place.location, name, hold, part, rest)
  end
  holding.keep(change, call, name, holding.with_parts(hold, rest))
  return lost
end

local function break_at(change, call, place, state)
  local from, is_first = '[' .. place.name .. '\0\255', true
  while from and place.lost > 0 do
    local names
    names, from = page_of(call, place.name, from)
    local ordered, holds = in_order(change, call, place.name, names, is_first)
    is_first = false
    for _, name in ipairs(ordered) do
      if place.lost == 0 then return end
      local lost = break_hold(change, call, place, name, holds[name], place.lost, { [state] = true })
      place.lost = place.lost - lost
    end
  end
end

function holding.settle(change, call)
  for i = 1, #change.places do
    local place = change.places[i]
    if place.lost > 0 then
      holding.need_whole(call, place.line)
      for state = holding.HELD, holding.CONFIRMED do break_at(change, call, place, state) end
      place.lost = 0
    end
  end
  redeeming.serve(change, call)
  accounts.serve_all(change, call)
  redeeming.mend(change, call)
  redeeming.tell_delays(change, call)
  redeeming.promise_owed(change, call)
end

end
