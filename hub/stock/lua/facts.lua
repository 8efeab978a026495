-- The facts: what already happened is booked, whatever the book says.
--
-- LAW  Nothing here refuses for lack of stock; what the book lacks becomes deficit and an alert.

-- verb → {low: the least quantity of a line, line: what one line does, or apply: what the whole command does;
--         after: what follows once all lines are done;
--         lines_min, lines_max: how many lines, if not 1 to 100; bucket_bytes_max: how long the name of a bucket, if not 64}
-- A file of facts keeps its functions to itself (do … end), for a script may have 200 names at most.
local facts = {}

local REACH_MAX = 100

-- Stops the command unless it is a list of names: where its sender may touch anything, empty for everywhere.
function facts.check_reach(reach)
  if not is_list(reach, REACH_MAX) then refuse('a reach is no list of at most ' .. REACH_MAX) end
  for _, name in ipairs(reach) do
    if not is_text(name, 64) then refuse('a reach names no location') end
  end
end

-- Whether what waited may take effect there; what waits since before reaches were kept has none.
function facts.reaches(reach, location)
  if not reach or #reach == 0 then return true end
  for _, name in ipairs(reach) do
    if name == location then return true end
  end
  return false
end

do

-- Units came from outside, into `free` or a status; those with a suspect serial go where a person looks at them.
local function put_on_shelf(change, place, line, bucket, from, time, suspects)
  if has_counted(place, time) then return pass_by(change, place, line[AMOUNT], from) end
  local quantity = line[AMOUNT] - #suspects
  if quantity > 0 then
    move_units(change, quantity, pieces.without(line[SERIALS], suspects))
    if bucket == 'free' then
      arrive(change, place, quantity, from)
    else
      put_aside(change, place, bucket, quantity, from)
    end
  end
  if #suspects > 0 then
    move_units(change, #suspects, suspects)
    put_aside(change, place, 'inspection', #suspects, from)
  end
end

facts.receipt = {
  low = 1,
  line = function(change, place, line, command, call, time)
    put_on_shelf(change, place, line, 'free', 'supplier', time, pieces.came_in(change, call, place, line, time))
    if command[DETAIL] ~= nil then supply.receive(change, place.state, line, command[DETAIL]) end
  end,
}

facts['return'] = {
  low = 1,
  line = function(change, place, line, _, call, time)
    put_on_shelf(change, place, line, line[BUCKET], 'customer', time, pieces.came_back(change, call, place, line, time))
  end,
}

-- Takes what a pool sold, wherever the shelf has it; what it has not is owed.
function facts.take_sold(change, place, quantity, pool)
  local left = take_own_fence(change, place, quantity, pool, 'customer')
  left = take_free(change, place, left, 'customer')
  left = break_fences(change, place, left, pool, 'customer')
  left = take_reserved(change, place, left, 'customer')
  owe(change, place, left, 'customer')
end

facts.sale = {
  low = 1,
  line = function(change, place, line, command, call, time)
    pieces.sold(change, call, place, line, time)
    local out, left = line[AMOUNT], line[AMOUNT]
    if command[DETAIL] ~= nil then
      out, left = holding.sell_held(change, call, place, line, command[DETAIL], time)
    end
    if has_counted(place, time) then return pass_by(change, place, -out, 'customer') end
    facts.take_sold(change, place, left, command[OF_POOL])
  end,
}

-- The statuses on the shelf in the house's order, then those that the house no longer has.
local function statuses_of(position, call)
  local ordered, known_status = {}, {}
  for _, status in ipairs(call.statuses) do
    ordered[#ordered + 1] = status
    known_status[status] = true
  end
  for _, held in ipairs(position[ASIDE]) do
    if not known_status[held[1]] then ordered[#ordered + 1] = held[1] end
  end
  return ordered
end

-- Takes from the named bucket, `free`, fences, aside, `reserved`; returns how many units none of them has.
function facts.take_whatever_is_there(change, place, quantity, bucket, call, to)
  local left = quantity
  if bucket ~= 'free' then left = take_aside(change, place, left, bucket, to) end
  left = take_free(change, place, left, to)
  left = break_fences(change, place, left, nil, to)
  for _, status in ipairs(statuses_of(place.after, call)) do
    left = take_aside(change, place, left, status, to)
  end
  return take_reserved(change, place, left, to)
end

facts.adjustment = {
  low = -QUANTITY_MAX,
  line = function(change, place, line, _, call, time)
    local quantity, bucket = line[AMOUNT], line[BUCKET]
    if quantity == 0 then refuse('an adjustment of 0 changes nothing') end
    if quantity > 0 then
      local suspects = pieces.came_in(change, call, place, line, time)
      return put_on_shelf(change, place, line, bucket, 'adjustment', time, suspects)
    end
    pieces.gone(change, call, place, line, time)
    if has_counted(place, time) then return pass_by(change, place, quantity, 'adjustment') end
    local missing = facts.take_whatever_is_there(change, place, -quantity, bucket, call, 'adjustment')
    owe(change, place, missing, 'adjustment')
  end,
}

facts.expected = { low = 0, apply = supply.expect }

-- A count says how much lies there, not for whom, so a target is set whatever was counted since; it names no pieces.
facts.ring_fence = {
  low = 0,
  line = function(change, place, line, command)
    move_units(change, 0, nil)
    local fence = fence_of(place.after, command[OF_POOL])
    if fence and fence[SET_AT] > command[TIME] then return end
    if not fence then
      fence = { command[OF_POOL], 0, 0, 0, 0, 0 }
      add_to(place.after, FENCES, fence)
    end
    fence[TARGET], fence[STANDING], fence[SET_AT] = line[AMOUNT], command[IS_STANDING], command[TIME]
    local lacking = math.max(0, math.min(lacking_in(fence), place.after[FREE]))
    local surplus = math.min(fence[QUANTITY], math.max(0, -lacking_in(fence)))
    fence[QUANTITY] = fence[QUANTITY] + lacking - surplus
    place.after[FREE] = place.after[FREE] - lacking + surplus
    record(change, place, 'free', 'ring_fenced:' .. command[OF_POOL], lacking)
    record(change, place, 'ring_fenced:' .. command[OF_POOL], 'free', surplus)
  end,
}

-- What the hub noticed by itself. Detail: {what it is about, quantity}.
facts.alert = {
  low = 0,
  lines_min = 0,
  lines_max = 0,
  apply = function(change, _, command)
    local detail = command[DETAIL]
    if type(detail) ~= 'table' or not is_text(detail[1], 1024) or not is_whole(detail[2], 1, INSTANT_MAX) then
      refuse('it is not said what the alert is about')
    end
    change.about = detail[1]
    raise(change, command[TYPE], detail[2])
  end,
}

end
