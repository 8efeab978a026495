-- Units that change their bucket on the shelf, or leave it as written off.
--
-- LAW  What is taken in one place and given in another is a movement from the one to the other, in order; what ends
--      where it came from did not move.

-- Stands in for a change while units are in hand: it notes what was taken, or where it goes.
function facts.in_hand() return { movements = {}, alerts = {}, alert_at = {} } end

local MOVED_FROM, MOVED_TO, MOVED_UNITS = 3, 4, 5

-- Book the movements from what was taken to where it went; returns them as {from, to, quantity}.
function facts.join(change, place, taken, given)
  local joined, at, room = {}, 0, 0
  for _, move in ipairs(taken.movements) do
    local left = move[MOVED_UNITS]
    while left > 0 do
      if room == 0 then
        at = at + 1
        room = given.movements[at][MOVED_UNITS]
      end
      local units, to = math.min(left, room), given.movements[at][MOVED_TO]
      if move[MOVED_FROM] ~= to then
        record(change, place, move[MOVED_FROM], to, units)
        joined[#joined + 1] = { move[MOVED_FROM], to, units }
      end
      left, room = left - units, room - units
    end
  end
  return joined
end

do

-- Fences that lost units, and what the book did not have.
local function alert_losses(change, place, joined, taken)
  for _, move in ipairs(joined) do
    local pool = string.match(move[1], '^ring_fenced:(.*)$')
    if pool then alert(change, place, 'fence_broken', move[3], pool) end
  end
  for _, raised in ipairs(taken.alerts) do
    if raised[1] == 'discrepancy' then alert(change, place, 'discrepancy', raised[4], '') end
  end
end

-- A count says how much lies there, not in which state; only what left the shelf it has seen leaving.
facts.moved = {
  low = 1,
  line = function(change, place, line, _, call, time)
    local quantity, to = line[AMOUNT], line[TO]
    if not to then refuse('a move says where to') end
    if to == 'written_off' then pieces.gone(change, call, place, line, time) end
    if to == 'written_off' and has_counted(place, time) then return pass_by(change, place, -quantity, to) end
    local taken, given = facts.in_hand(), facts.in_hand()
    owe(taken, place, facts.take_whatever_is_there(taken, place, quantity, line[BUCKET], call, 'hand'), 'hand')
    if to == 'written_off' then
      record(given, place, 'hand', to, quantity)
    elseif to == 'free' then
      arrive(given, place, quantity, 'hand')
    else
      put_aside(given, place, to, quantity, 'hand')
    end
    alert_losses(change, place, facts.join(change, place, taken, given), taken)
  end,
}

end
