-- What was received of a transfer before anything was dispatched, kept until somebody says where it is.
--
-- LAW  Each distinct reach is kept once, and a record whose last receipt is gone is no record.

do

local ITS_UNITS, ITS_REACH, BOOKED_AT = 3, 4, 5

-- Where what was received early may take effect; what waits since before reaches were kept once has its own, or none.
function transit.reach_of(found, each)
  local reach = each[ITS_REACH]
  if type(reach) ~= 'number' then return reach or NONE end
  return reach > 0 and found[transit.REACHES][reach] or NONE
end

-- One that only says that nothing more arrives counts as one unit.
function transit.units_of(each)
  local sum = 0
  for _, units in ipairs(each[ITS_UNITS]) do sum = sum + units[2] end
  return math.max(1, sum)
end

-- What waits since after that time, a list of {receipt, reach}, and the units of the rest. It waits since it was booked;
-- where that was not kept, since its own time.
function transit.waiting_of(found, before)
  local waiting, lapsed = {}, 0
  for _, each in ipairs(found[transit.EARLY]) do
    if (each[BOOKED_AT] or each[1]) > before then
      waiting[#waiting + 1] = { each, transit.reach_of(found, each) }
    else
      lapsed = lapsed + transit.units_of(each)
    end
  end
  return waiting, lapsed
end

-- Remember a list of {receipt, reach}; of none of it nothing is left.
function transit.keep_waiting(change, id, found, waiting, now)
  if #waiting == 0 then return set_record(change, transit.OPEN, id, nil) end
  local early, reaches, place_of_reach = {}, {}, {}
  for i, each in ipairs(waiting) do
    local receipt, name = each[1], table.concat(each[2], '\0')
    local place = 0
    if #each[2] > 0 then
      place = place_of_reach[name] or #reaches + 1
      reaches[place], place_of_reach[name] = each[2], place
    end
    early[i] = { receipt[1], receipt[2], receipt[3], place, receipt[BOOKED_AT] or 0 }
  end
  local since = transit.since_of(found, now)
  set_record(change, transit.OPEN, id, { found[transit.VERSION] + 1, '', 0, {}, early, reaches, {}, since, {} })
end

end
