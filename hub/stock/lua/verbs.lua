-- What each verb about a reservation does to its parts.
--
-- LAW  A verb returns the parts as they are then; one that cannot be granted stops the command.

local requests = {}

do

local DUE_STATES = { [holding.HELD] = true, [holding.EXPIRED] = true }

-- Give back what is due; returns the hold without it, and whether anything was.
function requests.without_due(change, call, lines, hold)
  local parts, was_due = {}, false
  for i, part in ipairs(hold[holding.PARTS]) do
    parts[i] = part
    if part[3] == holding.HELD and part[4] > 0 and part[4] <= call.now then
      holding.give_back(change, call, lines, hold[holding.POOL], part)
      parts[i], was_due = holding.over(part, holding.EXPIRED), true
    end
  end
  return holding.with_parts(hold, parts), was_due
end

local function wish_of(hold, never)
  return {
    pool = hold[holding.POOL], only = hold[holding.ONLY], prefer = hold[holding.PREFER],
    never = never, is_split = hold[holding.SPLIT] == 1,
  }
end

-- The units on shelves that are asked for, and the others; what is still to come stays as it is.
local function chosen_here(hold, detail)
  local here, coming, told = hold[holding.PARTS], {}, {}
  for _, part in ipairs(hold[holding.PARTS]) do
    if not told[part[1]] then
      local some
      here, some = accounts.sorted_parts(here, part[1])
      asking.add_all(coming, some)
    end
    told[part[1]] = true
  end
  if #coming == 0 then return asking.chosen(hold, detail, holding.KEPT) end
  local fine, mine, rest = pcall(asking.chosen, holding.with_parts(hold, here), detail, holding.KEPT)
  if not fine or #mine == 0 then
    asking.chosen(hold, detail, holding.KEPT)
    asking.deny('not_arrived')
  end
  return mine, asking.add_all(rest, coming)
end

local function asked_of(parts)
  local asked = {}
  for i, part in ipairs(parts) do asked[i] = { part[1], '', part[2] } end
  return asking.demands_of(asked)
end

-- Units that are taken again, where they were asked for first.
local function as_asked(hold, parts)
  local asked, left = {}, {}
  for i, pin in ipairs(hold[holding.PINS]) do left[i] = pin[3] end
  for _, part in ipairs(parts) do
    local rest = part[2]
    for i, pin in ipairs(hold[holding.PINS]) do
      local some = pin[1] == part[1] and math.min(rest, left[i]) or 0
      if some > 0 then
        asked[#asked + 1] = { part[1], pin[2], some }
        left[i], rest = left[i] - some, rest - some
      end
    end
    if rest > 0 then asked[#asked + 1] = { part[1], '', rest } end
  end
  return asking.demands_of(asked)
end

requests.verbs = {
  expire = function(_, _, _, hold, _, was_due)
    if not was_due then asking.as_it_is(hold) end
    return hold[holding.PARTS]
  end,

  extend = function(_, call, _, hold, detail)
    local longer, rest = asking.chosen(hold, detail, HELD_ONLY)
    if #longer == 0 then asking.ended(hold) end
    for _, part in ipairs(longer) do rest[#rest + 1] = { part[1], part[2], part[3], call.now + detail[asking.TTL], part[5] } end
    return rest
  end,

  -- Units whose time is over are taken again, by the rule by which they were taken first.
  confirm = function(change, call, lines, hold, detail)
    local wanted, rest = asking.chosen(hold, detail, DUE_STATES)
    if #wanted == 0 then
      local state = holding.state_of(hold)
      if state == holding.CONFIRMED or state == holding.FULFILLED or state == holding.ORDERED then
        asking.as_it_is(hold)
      end
      asking.ended(hold)
    end
    local late, again = {}, {}
    for _, part in ipairs(wanted) do
      if part[3] == holding.EXPIRED then late[#late + 1] = part end
    end
    if #late > 0 then
      local found = placing.find(change, call, lines, wish_of(hold), as_asked(hold, late))
      if #found.shortages > 0 then asking.deny('expired') end
      again = holding.taken(change, call, lines, hold[holding.POOL], found.places, holding.CONFIRMED, 0)
    end
    for _, part in ipairs(wanted) do
      if part[3] == holding.HELD then rest[#rest + 1] = { part[1], part[2], holding.CONFIRMED, 0, part[5] } end
    end
    return asking.add_all(rest, again)
  end,

  release = function(change, call, lines, hold, detail)
    local given, rest = asking.chosen(hold, detail, holding.KEPT)
    if #given == 0 then
      if holding.state_of(hold) == holding.FULFILLED then asking.deny('ended') end
      asking.as_it_is(hold)
    end
    for _, part in ipairs(given) do
      holding.give_back(change, call, lines, hold[holding.POOL], part)
      rest[#rest + 1] = holding.over(part, holding.RELEASED)
    end
    return rest
  end,

  fulfil = function(change, call, lines, hold, detail)
    local gone, rest = chosen_here(hold, detail)
    if #gone == 0 then
      local state = holding.state_of(hold)
      if state == holding.FULFILLED or state == holding.ORDERED then asking.as_it_is(hold) end
      asking.ended(hold)
    end
    for _, part in ipairs(gone) do
      for _, each in ipairs(part[5]) do
        local place = holding.place_at(change, call, lines[part[1]], each[1])
        if has_counted(place, call.now) then
          -- Counted in the same moment: the count has seen the units gone.
          holding.let_go(change, call, lines[part[1]], hold[holding.POOL], each)
          pass_by(change, place, -each[2], 'customer')
        else
          holding.leave(change, place, hold[holding.POOL], each)
        end
      end
    end
    for _, part in ipairs(gone) do rest[#rest + 1] = holding.over(part, holding.FULFILLED) end
    return rest
  end,

  -- The units are not found where they should be: others are held instead, and a person looks for these.
  reallocate = function(change, call, lines, hold, detail)
    local moving, rest = chosen_here(hold, detail)
    if #moving == 0 then asking.ended(hold) end
    local never = {}
    for _, part in ipairs(moving) do
      for _, each in ipairs(part[5]) do never[#never + 1] = each[1] end
    end
    local found = placing.find(change, call, lines, wish_of(hold, never), asked_of(moving))
    if #found.shortages > 0 then asking.deny('insufficient', found.shortages) end
    for _, part in ipairs(moving) do
      for _, each in ipairs(part[5]) do
        holding.look_for(change, holding.place_at(change, call, lines[part[1]], each[1]), hold[holding.POOL], each)
      end
    end
    local parts = holding.taken(change, call, lines, hold[holding.POOL], found.places, holding.HELD, 0)
    return asking.add_all(rest, holding.standing_in(parts, moving))
  end,
}

end
