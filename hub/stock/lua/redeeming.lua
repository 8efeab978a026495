-- What follows for promises when a purchase order is received, late or short.
--
-- LAW  Units that came of a line are for those to whom its units were promised, the oldest hold first. No more is promised than
--      still comes: else the newest hold loses first, one that nobody confirmed before one that somebody did.

local redeeming = {}

do

-- Keep for an order what is free at the location of what came for it; returns how many.
local function receive_for_order(change, call, line, id, order, units)
  local sku, location = line[SKU], line[LOCATION]
  local account = accounts.open(change, call, { [sku] = line }, id)
  local more = {}
  local found = accounts.force(change, call, account, more, sku, units, { location })
  if found == 0 then return 0 end
  local comes = holding.comes_by(location, order)
  local _, parts = holding.detach(account.hold[holding.PARTS], sku, found, holding.KEPT, '', comes)
  account.hold = holding.with_parts(account.hold, asking.add_all(parts, more))
  accounts.fulfil_what_waited(change, call, account, sku)
  accounts.keep(change, call, account)
  return found
end

-- Keep so many units of those that came for a hold that waits for them; returns how many there were.
local function serve(change, call, came, name, units)
  local line = came.line
  local sku, location, id = line[SKU], line[LOCATION], accounts.id_of(name)
  if id then return receive_for_order(change, call, line, id, came.order, units) end
  local hold, lines = record_of(change, call, 'holds', name), { [sku] = line }
  local pool = hold[holding.POOL]
  local wish = { pool = pool, only = { location }, prefer = {}, is_split = true, is_forced = true }
  local found = placing.find(change, call, lines, wish, { { sku = sku, quantity = units, location = '' } })
  local placed = holding.taken(change, call, lines, pool, found.places, holding.HELD, 0)
  local arrived = holding.units_of(placed)
  if arrived == 0 then return 0 end
  local comes = holding.comes_by(location, came.order)
  local gone, rest = holding.detach(hold[holding.PARTS], sku, arrived, holding.KEPT, '', comes)
  holding.keep(change, call, name, holding.with_parts(hold, asking.add_all(holding.standing_in(placed, gone), rest)))
  return arrived
end

-- Say to whom units are promised that are expected later than before.
function redeeming.tell_delays(change, call)
  for _, late in ipairs(change.delayed) do
    for _, each in ipairs(holding.waiting_for(change, call, late.sku, late.location, late.order)) do
      local place = { sku = sku_number(change, late.sku), location = late.location }
      alert(change, place, 'promise_late', each.held + each.sold, each.pool, each.hold_name)
    end
  end
end

-- Keep what arrived of purchase orders for those to whom it was promised.
function redeeming.serve(change, call)
  for _, came in ipairs(change.came) do
    local line = came.line
    holding.need_whole(call, line)
    local sku, location, state = line[SKU], line[LOCATION], state_of(call, line)
    local units = math.min(came.units, supply.promised_in(supply.line_of(change, state, sku, location, came.order)))
    for _, each in ipairs(units > 0 and holding.waiting_for(change, call, sku, location, came.order) or NONE) do
      if units == 0 then break end
      local served = serve(change, call, came, each.hold_name, math.min(units, each.held + each.sold))
      units = units - served
      alert(change, { sku = sku_number(change, sku), location = location }, 'promise_arrived', served, each.pool, each.hold_name)
    end
  end
end

-- Units that were promised to an order do not come: others are kept or promised, or they are owed.
local function lose_for_order(change, call, line, id, promised, units)
  local sku, location = line[SKU], promised[supply.WHERE]
  local account = accounts.open(change, call, { [sku] = line }, id)
  local comes = holding.comes_by(location, promised[supply.ORDER])
  local _, parts = holding.detach(account.hold[holding.PARTS], sku, units, holding.KEPT, '', comes)
  local coming, owed
  parts, coming, owed = accounts.sorted_parts(parts, sku)
  local found, lying = accounts.force(change, call, account, parts, sku, units)
  local whose = { account.name, account.hold[holding.POOL] }
  holding.tell_arrived(change, whose, lying or NONE)
  local anew, more = accounts.promise(change, call, account, parts, sku, units - found, true)
  holding.tell_late(change, call, line, whose, more, promised[supply.ETA])
  local lacking = units - found - anew
  local number, pool = sku_number(change, sku), account.hold[holding.POOL]
  alert(change, { sku = number, location = location }, 'promise_short', lacking, pool, account.name)
  alert(change, { sku = number, location = '' }, 'oversold', lacking, '', account.name)
  accounts.keep_parts(account, parts, coming, sku, owed + lacking)
  accounts.fulfil_what_waited(change, call, account, sku)
  accounts.keep(change, call, account)
end

-- Take back so many units in one state that a line was to bring for a hold.
local function lose(change, call, line, name, promised, units, state)
  local id = accounts.id_of(name)
  if id then return lose_for_order(change, call, line, id, promised, units) end
  local sku, location = line[SKU], promised[supply.WHERE]
  local hold = record_of(change, call, 'holds', name)
  local comes = holding.comes_by(location, promised[supply.ORDER])
  local gone, rest = holding.detach(hold[holding.PARTS], sku, units, { [state] = true }, '', comes)
  for _, part in ipairs(gone) do
    local lacking = holding.replace(change, call, line, location, name, hold, part, rest, promised[supply.ETA])
    alert(change, { sku = sku_number(change, sku), location = location }, 'promise_short', lacking, hold[holding.POOL], name)
  end
  holding.keep(change, call, name, holding.with_parts(hold, rest))
end

-- Who loses units of a line of which more is promised than comes, the one that loses first at the front.
local function losing(change, call, line, promised)
  local excess = supply.promised_in(promised) - supply.outstanding_in(promised)
  local found = {}
  if excess <= 0 then return found end
  holding.need_whole(call, line)
  local waiting = holding.waiting_for(change, call, line[SKU], promised[supply.WHERE], promised[supply.ORDER])
  for state = holding.HELD, holding.CONFIRMED do
    for i = #waiting, 1, -1 do
      local each = waiting[i]
      local units = math.min(excess, state == holding.HELD and each.held or each.sold)
      if units > 0 then found[#found + 1] = { each.hold_name, units, state } end
      excess = excess - units
    end
  end
  return found
end

-- Take back what is promised beyond what still comes.
function redeeming.mend(change, call)
  local skus_set = {}
  for i, set in ipairs(change.records) do skus_set[i] = set[1] == 'expected' and set[2] end
  for i = 1, #change.records do
    local sku = skus_set[i]
    local line = sku and change.line_at[sku]
    for _, promised in ipairs(sku and supply.lines_of(change, state_of(call, line), sku) or NONE) do
      local found = losing(change, call, line, promised)
      -- Of those that lose the first gets others first.
      for each = #found, 1, -1 do
        lose(change, call, line, found[each][1], promised, found[each][2], found[each][3])
      end
    end
  end
end

local function promise_to(change, call, line, name)
  local sku = line[SKU]
  local account = accounts.open(change, call, { [sku] = line }, accounts.id_of(name))
  local parts, coming, owed = accounts.sorted_parts(account.hold[holding.PARTS], sku)
  local more = {}
  local units = accounts.promise(change, call, account, more, sku, owed, true)
  if units == 0 then return end
  accounts.keep_parts(account, parts, asking.add_all(coming, more), sku, owed - units)
  accounts.keep(change, call, account)
end

-- What an order has found neither there nor to be promised, and is owed still, nobody has.
local function tell_lacking(change, call)
  for _, each in ipairs(change.lacking) do
    local sku, name = each[1], each[2]
    local hold, owed = record_of(change, call, 'holds', name), 0
    if hold then owed = select(3, accounts.sorted_parts(hold[holding.PARTS], sku)) end
    alert(change, { sku = sku_number(change, sku), location = '' }, 'oversold', math.min(each[3], owed), '', name)
  end
end

-- Promise to orders what is owed to them, the first in line first; they stay in line for what comes before.
function redeeming.promise_owed(change, call)
  if not accounts.has_shortfalls(call) then return end
  local skus_of, met = {}, {}
  local function add(sku)
    if not met[sku] then skus_of[#skus_of + 1] = sku end
    met[sku] = true
  end
  for _, place in ipairs(change.places) do add(place.name) end
  for _, set in ipairs(change.records) do
    if set[1] == 'expected' then add(set[2]) end
  end
  for _, each in ipairs(change.lacking) do add(each[1]) end
  for _, sku in ipairs(skus_of) do
    local names, line = record_of(change, call, 'shortfalls', sku), change.line_at[sku]
    if names and #supply.lines_of(change, state_of(call, line), sku) > 0 then
      holding.need_whole(call, line)
      for _, name in ipairs(names) do promise_to(change, call, line, name) end
    end
  end
  tell_lacking(change, call)
end

end
