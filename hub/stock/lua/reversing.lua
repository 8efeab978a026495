-- What was applied twice is taken back: each movement of the second time, the other way round.
--
-- A line is such a movement: its units went from its bucket to its `to`. Detail: {entry}, the one that is taken back.
--
-- LAW  No bucket is ever negative: what left where it went is looked for as an adjustment does, and at last owed; between
--      two buckets of the shelf only what lies there moves.

do

local MOVEMENTS_MAX = 10000

local function pool_of(bucket) return string.match(bucket, '^ring_fenced:(.*)$') end
local function status_of(bucket) return string.match(bucket, '^aside:(.*)$') end

local function is_shelf(bucket)
  return bucket == 'free' or bucket == 'deficit' or pool_of(bucket) ~= nil or status_of(bucket) ~= nil
end

local function units_in(position, bucket)
  if bucket == 'free' then return position[FREE] end
  local fence = pool_of(bucket) and fence_of(position, pool_of(bucket))
  if fence then return fence[QUANTITY] end
  for _, held in ipairs(position[ASIDE]) do
    if held[1] == status_of(bucket) then return held[2] end
  end
  return 0
end

-- What a bucket of the shelf has taken from it; it has as many.
local function take_out(change, place, bucket, units, to)
  local position = place.after
  if bucket == 'free' then
    take_free(change, place, units, to)
  elseif bucket == 'deficit' then
    position[DEFICIT] = position[DEFICIT] + units
    record(change, place, bucket, to, units)
  elseif status_of(bucket) then
    take_aside(change, place, units, status_of(bucket), to)
  elseif units > 0 then
    local fence = fence_of(position, pool_of(bucket))
    fence[QUANTITY] = fence[QUANTITY] - units
    record(change, place, bucket, to, units)
  end
end

-- Units go from one bucket of the shelf straight into another.
local function shift(change, place, from, to, units)
  if units == 0 then return end
  local position = place.after
  take_out(change, place, from, units, to)
  if to == 'free' then
    position[FREE] = position[FREE] + units
  elseif to == 'deficit' then
    position[DEFICIT] = position[DEFICIT] - units
  elseif status_of(to) then
    put_aside(facts.in_hand(), place, status_of(to), units, from)
  else
    local fence = fence_of(position, pool_of(to))
    fence[QUANTITY] = fence[QUANTITY] + units
  end
end

-- As far as they are there; what a fence lacks no more is free.
local function shift_back(change, place, from, to, quantity)
  local position = place.after
  local units = from == 'deficit' and quantity or math.min(quantity, units_in(position, from))
  local room, rest = units, 0
  if to == 'deficit' then
    room = math.min(units, position[DEFICIT])
  elseif pool_of(to) then
    local fence = fence_of(position, pool_of(to))
    room = fence and math.min(units, math.max(0, lacking_in(fence))) or 0
    if from ~= 'free' then rest = units - room end
  end
  shift(change, place, from, to, room)
  shift(change, place, from, 'free', rest)
end

-- Units that came in leave again, from where they went first.
local function take_away(change, place, from, to, quantity, call)
  local left, status = quantity, status_of(from)
  if pool_of(from) then
    local taken = math.min(left, units_in(place.after, from))
    take_out(change, place, from, taken, to)
    left = left - taken
  end
  owe(change, place, facts.take_whatever_is_there(change, place, left, status or 'free', call, to), to)
end

local function undo(change, call, place, line, pool, time)
  local from, to, quantity = line[TO], line[BUCKET], line[AMOUNT]
  if from == 'reserved' or to == 'reserved' then refuse('held units move with their holds') end
  local was_here, comes_back = is_shelf(from), is_shelf(to)
  if not was_here and not comes_back then return record(change, place, from, to, quantity) end
  if was_here and comes_back then return shift_back(change, place, from, to, quantity) end
  if has_counted(place, time) then
    return pass_by(change, place, comes_back and quantity or -quantity, comes_back and from or to)
  end
  if was_here then return take_away(change, place, from, to, quantity, call) end
  if status_of(to) then return put_aside(change, place, status_of(to), quantity, from) end
  voids.put_back(change, place, to, quantity, pool, time, from)
end

local function apply_reversal(change, call, command)
  local detail = command[DETAIL]
  if type(detail) ~= 'table' or not is_text(detail[1], 64) then refuse('it is not said what is taken back') end
  change.about = detail[1]
  for _, line in ipairs(command[LINES]) do
    if not line[TO] then refuse('a movement says where to') end
    local place = place_of(change, call, line)
    local time = time_of(change, call, command, line)
    move_units(change, 0, nil)
    undo(change, call, place, line, command[OF_POOL], time)
    alert(change, place, 'reversed', line[AMOUNT], '')
  end
  change.moment = nil
  if #command[LINES] == 0 then raise(change, 'reversed', 1) end
end

facts.reverse = { low = 1, lines_min = 0, lines_max = MOVEMENTS_MAX, bucket_bytes_max = 128, apply = apply_reversal }

end
