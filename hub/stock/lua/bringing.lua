-- Bring what is kept for an order to what is due: units leave, go back, or are found; what nobody has is owed to it.
--
-- LAW  A till sale and a fulfilment of the same units let them leave once.

do

local UNITS, LOCATED = 2, 1

-- Units that had left come back to where they left.
function accounts.come_back(change, place, units)
  if has_counted(place, change.time) then return pass_by(change, place, units, 'customer') end
  arrive(change, place, units, 'customer')
end

local function pass_out(change, place, units) pass_by(change, place, -units, 'customer') end

-- Units go to the customer from the location, or where they are; those kept elsewhere go back there. Returns how many left.
local function leave(change, call, account, sku, location, gone)
  local pool, left = account.hold[holding.POOL], 0
  for _, part in ipairs(gone) do
    for _, each in ipairs(part[5]) do
      local place = holding.place_at(change, call, account.lines[sku], each[LOCATED])
      local is_elsewhere = location ~= '' and location ~= each[LOCATED]
      if is_elsewhere or has_counted(place, change.time) then
        holding.let_go(change, call, account.lines[sku], pool, each)
        if location == '' then
          pass_out(change, place, each[UNITS])
          left = left + each[UNITS]
        end
      else
        holding.leave(change, place, pool, each)
        left = left + each[UNITS]
        table.insert(account.left_at, { each[LOCATED], each[UNITS] })
      end
    end
  end
  return left
end

-- Note units that were not there for an order, nor any that its pool may promise.
local function note_lacking(change, sku, name, units)
  if units == 0 then return end
  for _, each in ipairs(change.lacking) do
    if each[1] == sku and each[2] == name then
      each[3] = each[3] + units
      return
    end
  end
  table.insert(change.lacking, { sku, name, units })
end

-- Keep what is due of a SKU, `out` units of it leaving from the location, or where they are when it is ''; returns how
-- many of them were not kept there.
function accounts.bring(change, call, account, sku, location, out)
  if not account.hold then return out end
  local parts, coming, owed = accounts.sorted_parts(account.hold[holding.PARTS], sku)
  local kept, units, gone = accounts.kept_units(account, sku, true), nil, nil
  coming, units = accounts.came_unsaid(parts, coming, sku, location, out)
  local lying = math.min(out - units, kept)
  gone, parts = holding.detach(parts, sku, lying, holding.KEPT, location)
  local left = out - leave(change, call, account, sku, location, gone)
  units = units + lying
  local surplus = kept - lying + holding.units_of(coming) + owed - accounts.due(account.order, sku)
  local ended = {}
  if units > 0 then ended[1] = { sku, units, holding.FULFILLED, 0, {} } end
  if surplus > 0 then
    ended[#ended + 1] = { sku, surplus, holding.RELEASED, 0, {} }
    owed, surplus = math.max(0, owed - surplus), math.max(0, surplus - owed)
    -- What is still to come goes before what lies ready.
    for _, part in ipairs(parts) do coming[#coming + 1] = part end
    local back
    back, parts = holding.detach(coming, sku, surplus, holding.KEPT, '')
    coming = {}
    for _, part in ipairs(back) do holding.give_back(change, call, account.lines, account.hold[holding.POOL], part) end
  elseif surplus < 0 then
    local lacking = accounts.have(change, call, account, parts, sku, -surplus)
    owed = owed + lacking
    note_lacking(change, sku, account.name, lacking)
  end
  for _, part in ipairs(ended) do coming[#coming + 1] = part end
  accounts.keep_parts(account, parts, coming, sku, owed)
  return left
end

-- The line of the order as it is now; returns how many units leave by it.
local function tell(account, old, new, location)
  local out = accounts.out_of(new) - accounts.out_of(old)
  if out > 0 and location ~= '' then new[accounts.LEFT_FROM] = location end
  accounts.set_line(account.order, new)
  return out
end

local function take_out(change, account, place, units)
  if has_counted(place, change.time) then return pass_out(change, place, units) end
  facts.take_sold(change, place, units, account.order[accounts.POOL])
end

-- A till sold units that a fulfilment has seen leave: where that only guessed, they left the till's location.
local function correct(change, call, account, place, units)
  local own = accounts.line_of(account.order, place.name)
  local kept = {}
  for _, guess in ipairs(own[accounts.GUESSED]) do
    local some = math.min(units, guess[2])
    units = units - some
    if some > 0 and guess[1] ~= place.location then
      accounts.come_back(change, holding.place_at(change, call, account.lines[place.name], guess[1]), some)
      take_out(change, account, place, some)
    end
    if guess[2] > some then kept[#kept + 1] = { guess[1], guess[2] - some } end
  end
  local new = { unpack(own, 1, 8) }
  new[accounts.GUESSED] = kept
  accounts.set_line(account.order, new)
end

-- A till sold units for the order; returns how many left, less those that a fulfilment has seen leave already.
function accounts.sell(change, call, account, place, line)
  local old = accounts.line_of(account.order, place.name)
  local new = { unpack(old, 1, 8) }
  new[accounts.SOLD] = new[accounts.SOLD] + line[AMOUNT]
  local out = tell(account, old, new, place.location)
  move_units(change, 0, nil)
  correct(change, call, account, place, line[AMOUNT] - out)
  move_units(change, line[AMOUNT], line[SERIALS])
  return out
end

-- A sale for the order did not stand and its units are back; what a fulfilment has seen leave leaves again.
function accounts.regret(change, call, account, place, units)
  local sku = place.name
  local old = accounts.line_of(account.order, sku)
  local new = { unpack(old, 1, 8) }
  new[accounts.SOLD] = math.max(0, new[accounts.SOLD] - units)
  local gone = units - (accounts.out_of(old) - accounts.out_of(new))
  accounts.set_line(account.order, new)
  if gone > 0 then take_out(change, account, place, gone) end
  accounts.bring(change, call, account, sku, '', 0)
end

-- Units left: from the location, or from where they are kept; or they wait to be anywhere.
function accounts.fulfil(change, call, account, sku, location, quantity)
  local old = accounts.line_of(account.order, sku)
  local new = { unpack(old, 1, 8) }
  new[accounts.FULFILLED] = new[accounts.FULFILLED] + quantity
  if location == '' then
    local out = accounts.out_of(new) - accounts.out_of(old)
    local waiting = math.max(0, out - accounts.kept_units(account, sku, true))
    new[accounts.FULFILLED] = new[accounts.FULFILLED] - waiting
    new[accounts.WAITING] = new[accounts.WAITING] + waiting
  end
  local out = tell(account, old, new, location)
  account.left_at = {}
  local left = accounts.bring(change, call, account, sku, location, out)
  if location == '' then
    local own = { unpack(accounts.line_of(account.order, sku), 1, 8) }
    local guessed = { unpack(own[accounts.GUESSED]) }
    for _, guess in ipairs(account.left_at) do guessed[#guessed + 1] = guess end
    own[accounts.GUESSED] = guessed
    accounts.set_line(account.order, own)
  end
  if left == 0 or location == '' then return end
  take_out(change, account, place_of(change, call, account.lines[sku]), left)
end

-- Units that were fulfilled before they were anywhere leave from where they are by now.
function accounts.fulfil_what_waited(change, call, account, sku)
  local line = accounts.line_of(account.order, sku)
  local waiting = line[accounts.WAITING]
  if waiting == 0 then return end
  local new = { unpack(line, 1, 8) }
  new[accounts.WAITING] = 0
  accounts.set_line(account.order, new)
  accounts.fulfil(change, call, account, sku, '', waiting)
end

end
