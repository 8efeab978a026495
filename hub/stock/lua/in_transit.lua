-- Units that are kept for somebody and are on their way by a transfer.
--
-- LAW  What a transfer's record says is held in it is what the holds have there: {SKU, name of a hold, units} of each.

do

local LOCATED, UNITS, COMING_BY = 1, 2, 4
local BY_TRANSFER = 'transfer:'
local HELD = transit.HELD

-- What brings the units of an allocation that travel by this transfer.
function holding.by_transfer(id) return BY_TRANSFER .. id end

function holding.is_in_transit(allocation) return string.sub(allocation[COMING_BY] or '', 1, #BY_TRANSFER) == BY_TRANSFER end

-- What a hold has on its way, as a list of {transfer, SKU, units} and the units by transfer and SKU.
local function in_transit_of(hold)
  local list, units = {}, {}
  for _, part in ipairs(hold and hold[holding.PARTS] or NONE) do
    for _, each in ipairs(holding.KEPT[part[3]] and part[5] or NONE) do
      if holding.is_in_transit(each) then
        local id = string.sub(each[COMING_BY], #BY_TRANSFER + 1)
        local key = id .. '\0' .. part[1]
        if not units[key] then list[#list + 1] = { id, part[1], key } end
        units[key] = (units[key] or 0) + each[UNITS]
      end
    end
  end
  return list, units
end

-- A transfer that begins with this command is written down by it at the end.
local function set_held(change, call, id, sku, name, units)
  local found, held, new = transit.found(change, call, id), {}, { sku, name, units }
  for _, each in ipairs(found[HELD] or NONE) do
    if each[2] ~= name or each[1] ~= sku then
      held[#held + 1] = each
    else
      if units > 0 then held[#held + 1] = new end
      new = nil
    end
  end
  held[#held + 1] = new
  set_record(change, transit.OPEN, id, {
    found[1], found[2], found[3], found[4], found[5], found[6] or {}, found[7] or {}, found[8] or 0, held,
  })
end

-- Tell the transfers what a hold has in them that takes the place of another, if there was any.
local function note_in_transit(change, call, name, old, hold)
  local before, had = in_transit_of(old)
  local after, has = in_transit_of(hold)
  for _, each in ipairs(after) do
    if not had[each[3]] then before[#before + 1] = each end
  end
  for _, each in ipairs(before) do
    local units = has[each[3]] or 0
    if units ~= (had[each[3]] or 0) then set_held(change, call, each[1], each[2], name, units) end
  end
end

-- Whether anything is to bring units of a hold, which may be nil.
local function is_any_coming(hold)
  for _, part in ipairs(hold and hold[holding.PARTS] or NONE) do
    for _, each in ipairs(part[5]) do
      if (each[COMING_BY] or '') ~= '' then return true end
    end
  end
  return false
end

-- Tell purchase orders and transfers what a hold has to come by them that takes the place of another, if there was any.
function holding.note_coming(change, call, name, old, hold)
  if not (is_any_coming(old) or is_any_coming(hold)) then return end
  holding.note_promises(change, call, old, hold)
  note_in_transit(change, call, name, old, hold)
end

-- Of units that leave the location, those that nobody said came there: they leave from where a transfer brings them.
function accounts.came_unsaid(parts, coming, sku, location, out)
  for _, part in ipairs(parts) do
    for _, each in ipairs(part[1] == sku and holding.KEPT[part[3]] and part[5] or NONE) do
      if each[LOCATED] == location then out = out - each[UNITS] end
    end
  end
  local gone, still = holding.detach(coming, sku, math.max(0, out), holding.KEPT, '', function(each)
    return holding.is_in_transit(each) and each[LOCATED] == location
  end)
  return still, holding.units_of(gone)
end

-- What a transfer brings of a SKU for somebody, as a list of {name of the hold, units, its number}, the oldest first.
function holding.coming(change, call, journey, sku)
  local held = {}
  for _, each in ipairs(transit.found(change, call, journey.id)[HELD] or NONE) do
    if each[1] == sku then
      held[#held + 1] = { each[2], each[3], record_of(change, call, 'holds', each[2])[holding.NUMBER] }
    end
  end
  table.sort(held, function(a, b) return a[3] < b[3] or a[3] == b[3] and a[1] < b[1] end)
  return held
end

-- Units of a SKU that a transfer brings for somebody.
function holding.units_coming(change, call, journey, sku)
  local units = 0
  for _, each in ipairs(transit.found(change, call, journey.id)[HELD] or NONE) do
    if each[1] == sku then units = units + each[3] end
  end
  return units
end

end
