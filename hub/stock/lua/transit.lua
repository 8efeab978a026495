-- What is between two locations, and what a command makes of it.
--
-- A transfer is {version, to, final 0/1, sums, early, reaches, unnamed, since, held}: sums is a list of {SKU, sent, received},
-- early of {time, final 0/1, a list of {SKU, units, perhaps serials}, place of its reach in reaches or 0, booked at}, unnamed
-- of {SKU, location} where units left without their serials; since is when its first part was booked; held is a list of
-- {SKU, name of a hold, units} of what is kept for somebody on the way. Under way it lies in `transfers`, once final in
-- `closed_transfers`.
--
-- LAW  What is in transit, lost or unannounced follows from what was sent and received and whether the last arrival
--      was told, so the order in which the parts of a transfer are told does not matter.

-- Of a transfer's record, and the tables where it lies.
local transit = {
  VERSION = 1, TO = 2, IS_FINAL = 3, SUMS = 4, EARLY = 5, REACHES = 6, UNNAMED = 7, SINCE = 8, HELD = 9,
  OPEN = 'transfers', CLOSED = 'closed_transfers', SKUS_MAX = 2000, HELD_MAX = 500,
}

do

local SENT, RECEIVED = 2, 3

-- What is too much for one transfer waits whole; the reach is its destination, which its sender may touch.
local function check_size(list, account)
  if #list >= transit.SKUS_MAX then
    no_room('a transfer has at most ' .. transit.SKUS_MAX .. ' SKUs', account.park_reach)
  end
end

-- Units of the SKU left the location without their serials.
local function note_unnamed(account, sku, location)
  local places = account.left_from[sku] or {}
  account.left_from[sku] = places
  if places[location] then return end
  check_size(account.unnamed, account)
  places[location] = true
  account.unnamed[#account.unnamed + 1] = { sku, location }
end

-- What is remembered of a transfer; a new one was never written down.
function transit.found(change, call, id)
  return record_of(change, call, transit.OPEN, id) or record_of(change, call, transit.CLOSED, id)
    or { 0, '', 0, {}, {}, {}, {}, 0, {} }
end

-- When the first part of a transfer was booked; 0 in one from before that was kept.
function transit.since_of(found, now)
  return found[transit.VERSION] == 0 and now or found[transit.SINCE] or 0
end

-- What was sent and received of one transfer, as this command changes it.
function transit.account_of(found, id, to, now)
  local account = {
    id = id, to = to, is_final = found[transit.IS_FINAL], bucket = 'in_transit:' .. id, sums = {}, of = {}, unnamed = {},
    left_from = {}, since = transit.since_of(found, now), lines = {},
  }
  for _, each in ipairs(found[transit.UNNAMED] or NONE) do note_unnamed(account, each[1], each[2]) end
  for i, sums in ipairs(found[transit.SUMS]) do
    account.sums[i] = { sums[1], sums[SENT], sums[RECEIVED] }
    account.of[sums[1]] = account.sums[i]
  end
  return account
end

local function sums_of(account, sku)
  local sums = account.of[sku]
  if not sums then
    check_size(account.sums, account)
    sums = { sku, 0, 0 }
    account.of[sku] = sums
    account.sums[#account.sums + 1] = sums
  end
  return sums
end

-- Where units lie that were sent and did not arrive.
local function missing_bucket(account) return account.is_final == 1 and 'lost' or account.bucket end

local function at_destination(change, account, sku) return { sku = sku_number(change, sku), location = account.to } end

-- Units leave the shelf: for what arrived unannounced, then into transit, where an order keeps its own.
function transit.send(change, call, command, account, line, order)
  local place, quantity = place_of(change, call, line), line[AMOUNT]
  local time, sums = time_of(change, call, command, line), sums_of(account, place.name)
  local taken, given = facts.in_hand(), facts.in_hand()
  pieces.sent(change, call, place, line, time, account.id, account.to)
  if quantity > #(line[SERIALS] or NONE) then note_unnamed(account, place.name, place.location) end
  local traveller = holding.traveller(change, call, account, line, order)
  local gone, own = holding.leave_with(traveller, place.name, place.location, quantity)
  local is_counted = has_counted(place, time)
  move_units(change, quantity, line[SERIALS])
  if is_counted then
    record(taken, place, 'variance', 'hand', quantity)
  else
    for _, each in ipairs(gone) do holding.leave(taken, place, traveller.hold[holding.POOL], each, 'hand') end
    local left = take_free(taken, place, quantity - own, 'hand')
    left = break_fences(taken, place, left, nil, 'hand')
    owe(taken, place, take_reserved(taken, place, left, 'hand'), 'hand')
  end
  local cancelled = math.min(quantity, math.max(0, sums[RECEIVED] - sums[SENT]))
  record(given, place, 'hand', 'unannounced', cancelled)
  record(given, place, 'hand', missing_bucket(account), quantity - cancelled)
  facts.join(change, place, taken, given)
  move_units(change, 0, nil)
  for _, raised in ipairs(taken.alerts) do alert(change, place, raised[1], raised[4], raised[5]) end
  if traveller then
    -- A count has seen them gone: what they were kept for is all that ends here.
    for _, each in ipairs(is_counted and gone or NONE) do
      holding.let_go(change, call, line, traveller.hold[holding.POOL], each)
    end
    holding.travel(change, call, traveller, place.name, own, account.is_final == 1 and 0 or quantity - cancelled)
  end
  sums[SENT] = sums[SENT] + quantity
  if account.is_final == 1 then
    alert(change, at_destination(change, account, place.name), 'discrepancy', quantity - cancelled, '')
  end
end

-- Units come onto the shelf by `bring`: out of transit, then unannounced.
local function bring(change, account, place, quantity, serials, put)
  local sums, taken, given = sums_of(account, place.name), facts.in_hand(), facts.in_hand()
  local found = math.min(quantity, math.max(0, sums[SENT] - sums[RECEIVED]))
  record(taken, place, missing_bucket(account), 'hand', found)
  record(taken, place, 'unannounced', 'hand', quantity - found)
  put(given)
  move_units(change, quantity, serials)
  facts.join(change, place, taken, given)
  move_units(change, 0, nil)
  sums[RECEIVED] = sums[RECEIVED] + quantity
  if account.is_final == 1 then alert(change, place, 'discrepancy', quantity - found, '') end
end

-- Units arrive; suspect ones go where a person looks at them.
function transit.receive(change, call, command, account, line)
  local place, quantity, serials = place_of(change, call, line), line[AMOUNT], line[SERIALS]
  local time, places = time_of(change, call, command, line), account.left_from[place.name]
  local function may_have_left(location) return places ~= nil and places[location] == true end
  local suspects = pieces.received(change, call, place, line, time, account.id, may_have_left, places ~= nil)
  local sums, held = sums_of(account, place.name), holding.units_coming(change, call, account, place.name)
  if held > 0 then holding.need_whole(call, line) end
  if has_counted(place, time) then
    bring(change, account, place, quantity, serials, function(given)
      record(given, place, 'hand', 'variance', quantity)
    end)
    change.moment = nil
    return holding.miss(change, call, account, line, math.min(held, quantity))
  end
  local clean = quantity - #suspects
  held = math.min(held, clean)
  if clean > 0 then
    bring(change, account, place, clean, pieces.without(serials, suspects), function(given)
      place.after[RESERVED] = place.after[RESERVED] + held
      record(given, place, 'hand', 'reserved', held)
      arrive(given, place, clean - held, 'hand')
    end)
  end
  if #suspects > 0 then
    bring(change, account, place, #suspects, suspects, function(given)
      put_aside(given, place, 'inspection', #suspects, 'hand')
    end)
  end
  change.moment = nil
  holding.arrive(change, call, account, line, held)
  -- Units that a person looks at are none of theirs yet.
  local beyond = holding.units_coming(change, call, account, place.name) - math.max(0, sums[SENT] - sums[RECEIVED])
  holding.miss(change, call, account, line, math.max(0, beyond), true)
end

-- Nothing more will arrive: what is still in transit is lost, and somebody hears of what was never sent.
function transit.finish(change, call, account)
  change.moment = nil
  if account.is_final == 1 then return end
  account.is_final = 1
  for _, sums in ipairs(account.sums) do
    local lost = sums[SENT] - sums[RECEIVED]
    if lost ~= 0 then
      local there = at_destination(change, account, sums[1])
      record(change, there, account.bucket, 'lost', lost)
      alert(change, there, 'discrepancy', math.abs(lost), '')
      local held = holding.units_coming(change, call, account, sums[1])
      if held > 0 then holding.miss(change, call, account, account.lines[sums[1]], held) end
    end
  end
end

-- Remember the transfer, in another place once it is final.
function transit.keep(change, call, account, version)
  change.moment = nil
  local is_final = account.is_final == 1
  local held = transit.found(change, call, account.id)[transit.HELD] or {}
  if #held > transit.HELD_MAX then no_room('a transfer keeps units for at most ' .. transit.HELD_MAX .. ' lines of orders') end
  if is_final and record_of(change, call, transit.OPEN, account.id) then
    set_record(change, transit.OPEN, account.id, nil)
  end
  local kept = {
    version, account.to, account.is_final, account.sums, {}, {}, account.unnamed, account.since, held,
  }
  set_record(change, is_final and transit.CLOSED or transit.OPEN, account.id, kept)
end

end
