-- Units of orders that travel: a shop's piece goes to the warehouse to be packed, and stays the order's on the way.
--
-- LAW  What arrives is for the orders whose units are brought, the oldest first; what does not arrive is found anew.

do

local LOCATED, UNITS, COMING_BY = 1, 2, 4

-- An order as far as its units travel by one transfer.
local function opened(change, call, journey, line, id)
  local account = accounts.open(change, call, { [line[SKU]] = line }, id)
  account.to, account.coming_by = journey.to, holding.by_transfer(journey.id)
  return account
end

-- The order whose units of a SKU a dispatch takes along; nil when it names none, or one that none are kept for.
function holding.traveller(change, call, journey, line, id)
  if id == '' then return nil end
  local account = opened(change, call, journey, line, id)
  for _, part in ipairs(account.hold and account.hold[holding.PARTS] or NONE) do
    for _, each in ipairs(part[1] == line[SKU] and holding.KEPT[part[3]] and part[5] or NONE) do
      if not holding.is_in_transit(each) then
        holding.need_whole(call, line)
        return account
      end
    end
  end
end

local function placed_at(parts, sku, location)
  local units = 0
  for _, part in ipairs(parts) do
    for _, each in ipairs(part[1] == sku and holding.KEPT[part[3]] and part[5] or NONE) do
      if holding.is_at(each, location) then units = units + each[UNITS] end
    end
  end
  return units
end

-- Take out of the hold what of it leaves with a line: the units that are kept where it leaves. Returns those allocations,
-- and their units.
function holding.leave_with(account, sku, location, quantity)
  local gone = {}
  if not account then return gone, 0 end
  local parts, coming, owed = accounts.sorted_parts(account.hold[holding.PARTS], sku)
  local units, taken = math.min(quantity, placed_at(parts, sku, location)), nil
  taken, parts = holding.detach(parts, sku, units, holding.KEPT, location)
  for _, part in ipairs(taken) do
    for _, each in ipairs(part[5]) do gone[#gone + 1] = each end
  end
  accounts.keep_parts(account, parts, coming, sku, owed)
  return gone, units
end

-- Keep others in place of units, rather where the transfer goes; what nobody has is owed.
local function find_anew(change, call, account, sku, units)
  if units == 0 then return end
  local parts, coming, owed = accounts.sorted_parts(account.hold[holding.PARTS], sku)
  local found = accounts.force(change, call, account, parts, sku, units, { account.to })
  found = found + accounts.force(change, call, account, parts, sku, units - found)
  alert(change, { sku = sku_number(change, sku), location = account.to }, 'reservation_broken', units - found, '', account.name)
  accounts.keep_parts(account, parts, coming, sku, owed + units - found)
  accounts.fulfil_what_waited(change, call, account, sku)
end

local function add_part(list, account, sku, units, coming_by)
  if units > 0 then list[#list + 1] = { sku, units, holding.CONFIRMED, 0, { { account.to, units, 0, coming_by } } } end
end

-- Let up to `room` units travel: those that left, what is owed, what is promised, what is kept elsewhere. What left and does
-- not travel is found anew.
function holding.travel(change, call, account, sku, left, room)
  local own, there, back = math.min(left, room), nil, nil
  local parts, coming, owed = accounts.sorted_parts(account.hold[holding.PARTS], sku)
  local served, promised = math.min(owed, room - own), nil
  promised, coming = holding.detach(coming, sku, room - own - served, holding.KEPT, '', holding.is_promised)
  promised = holding.units_of(promised)
  local elsewhere = math.min(accounts.kept_units(account, sku, true), room - own - served - promised)
  -- What lies where it goes is the last to be given back.
  there, parts = holding.detach(parts, sku, placed_at(parts, sku, account.to), holding.KEPT, account.to)
  back, parts = holding.detach(asking.add_all(parts, there), sku, elsewhere, holding.KEPT, '')
  for _, part in ipairs(back) do holding.give_back(change, call, account.lines, account.hold[holding.POOL], part) end
  add_part(coming, account, sku, own + served + promised + elsewhere, account.coming_by)
  accounts.keep_parts(account, parts, coming, sku, owed - served)
  find_anew(change, call, account, sku, left - own)
  accounts.keep(change, call, account)
end

-- The parts without so many units that the transfer brings.
local function without_own(account, sku, units)
  local _, parts = holding.detach(account.hold[holding.PARTS], sku, units, holding.KEPT, '', function(each)
    return each[COMING_BY] == account.coming_by
  end)
  return parts
end

-- Units of an order came to lie where the transfer goes, and are kept there.
local function arrive_for(change, call, account, sku, units)
  local parts = without_own(account, sku, units)
  add_part(parts, account, sku, units, '')
  account.hold = holding.with_parts(account.hold, parts)
  accounts.fulfil_what_waited(change, call, account, sku)
  accounts.keep(change, call, account)
end

-- Units of an order do not arrive, or nobody can say which of them they are: others are kept, or they are owed.
local function miss_for(change, call, account, sku, units)
  local parts = without_own(account, sku, units)
  account.hold = holding.with_parts(account.hold, parts)
  find_anew(change, call, account, sku, units)
  accounts.keep(change, call, account)
end

-- Units lie where they go: they are the oldest holds' of those that they were brought for.
function holding.arrive(change, call, journey, line, units)
  for _, each in ipairs(units > 0 and holding.coming(change, call, journey, line[SKU]) or NONE) do
    local some = math.min(units, each[2])
    if some > 0 then
      arrive_for(change, call, opened(change, call, journey, line, accounts.id_of(each[1])), line[SKU], some)
    end
    units = units - some
  end
end

-- A transfer does not bring units to those they are kept for, or not so that anybody can tell.
function holding.miss(change, call, journey, line, units, is_newest_first)
  local held = units > 0 and holding.coming(change, call, journey, line[SKU]) or NONE
  for i = 1, #held do
    local each = held[is_newest_first and #held + 1 - i or i]
    local some = math.min(units, each[2])
    if some > 0 then
      miss_for(change, call, opened(change, call, journey, line, accounts.id_of(each[1])), line[SKU], some)
    end
    units = units - some
  end
end

end
