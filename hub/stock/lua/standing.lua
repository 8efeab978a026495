-- Orders to which units are owed stand in line, and whatever becomes free where one's pool sees it is for the first.
--
-- LAW  An order stands in line for a SKU while units of it are owed to it, by when it came.

do

local function is_in(list, name)
  for _, each in ipairs(list) do
    if each == name then return true end
  end
  return false
end

-- Where an order stands in a line: behind those that came before it; most come last.
local function place_in(change, call, names, account)
  local number = account.hold[holding.NUMBER]
  local place = #names + 1
  while place > 1 do
    local before = record_of(change, call, 'holds', names[place - 1])[holding.NUMBER]
    if before < number or before == number and names[place - 1] < account.name then return place end
    place = place - 1
  end
  return place
end

local function line_up(change, call, account, sku)
  local old = record_of(change, call, 'shortfalls', sku) or NONE
  local is_lined_up = is_in(old, account.name)
  -- What is owed may be promised meanwhile; it stays in line for whatever comes before that.
  local is_waiting = accounts.is_owed(account, sku) or is_lined_up and accounts.is_promised(account, sku)
  if is_waiting == is_lined_up then return end
  local new = {}
  for _, name in ipairs(old) do
    if name ~= account.name then new[#new + 1] = name end
  end
  if is_waiting then
    table.insert(new, place_in(change, call, new, account), account.name)
    call.has_shortfalls = true
  end
  set_record(change, 'shortfalls', sku, #new > 0 and new or nil)
end

-- More was fulfilled, nobody says where, than is owed: nothing that comes will be that.
local function settle_waiting(change, account)
  for i, line in ipairs(account.order[accounts.LINES]) do
    local beyond = line[accounts.WAITING] - accounts.kept_units(account, line[1], false)
    if beyond > 0 then
      local new = { unpack(line, 1, 8) }
      new[accounts.WAITING] = line[accounts.WAITING] - beyond
      account.order[accounts.LINES][i] = new
      alert(change, { sku = sku_number(change, line[1]), location = '' }, 'discrepancy', beyond, '')
    end
  end
end

-- Remember the order and its hold, and whether it stands in line for anything.
function accounts.keep(change, call, account)
  local order, hold = account.order, account.hold
  if hold then
    settle_waiting(change, account)
    local told = {}
    for _, list in ipairs({ hold[holding.PARTS], order[accounts.LINES] }) do
      for _, each in ipairs(list) do
        if not told[each[1]] then line_up(change, call, account, each[1]) end
        told[each[1]] = true
      end
    end
    account.hold = holding.keep(change, call, account.name, hold)
  end
  if not accounts.is_over(order) then
    set_record(change, 'orders', account.id, order)
  else
    if record_of(change, call, 'orders', account.id) then set_record(change, 'orders', account.id, nil) end
    set_record(change, 'ended_orders', account.id, order)
  end
end

local function serve(change, call, place, name)
  local account = accounts.open(change, call, { [place.name] = place.line }, accounts.id_of(name))
  local parts, coming, owed = accounts.sorted_parts(account.hold[holding.PARTS], place.name)
  local only = account.hold[holding.ONLY]
  if #only > 0 and not is_in(only, place.location) then return end
  local waiting = owed + holding.promised_units(coming)
  local found = accounts.force(change, call, account, parts, place.name, waiting, { place.location })
  if found == 0 then return end
  local left = math.max(0, owed - found)
  local _, still = holding.detach(coming, place.name, found - (owed - left), holding.KEPT, '', holding.is_promised)
  accounts.keep_parts(account, parts, still, place.name, left)
  accounts.fulfil_what_waited(change, call, account, place.name)
  accounts.keep(change, call, account)
end

-- Whether units of any SKU are owed to anybody.
function accounts.has_shortfalls(call)
  if call.has_shortfalls == nil then call.has_shortfalls = expect_type(KEYS[SHORTFALLS], 'hash') end
  return call.has_shortfalls
end

-- Give what is free at the places that the command touched to those to whom units are owed.
function accounts.serve_all(change, call)
  if not accounts.has_shortfalls(call) then return end
  for i = 1, #change.places do
    local place = change.places[i]
    local names = record_of(change, call, 'shortfalls', place.name)
    if names then holding.need_whole(call, place.line) end
    for _, name in ipairs(names or NONE) do serve(change, call, place, name) end
  end
end

-- Something else took units that were kept at a place: others are kept, or they are owed. Returns how many.
function accounts.lose(change, call, place, name, there, units)
  local sku = place.name
  local account = accounts.open(change, call, { [sku] = place.line }, accounts.id_of(name))
  local lost = math.min(units, there)
  local parts, coming, owed = accounts.sorted_parts(account.hold[holding.PARTS], sku)
  local gone
  gone, parts = holding.detach(parts, sku, lost, holding.KEPT, place.location)
  for _, part in ipairs(gone) do
    for _, each in ipairs(part[5]) do holding.forget(place, account.hold[holding.POOL], each) end
  end
  local lacking = lost - accounts.force(change, call, account, parts, sku, lost)
  alert(change, place, 'reservation_broken', lacking, '', name)
  accounts.keep_parts(account, parts, coming, sku, owed + lacking)
  accounts.keep(change, call, account)
  return lost
end

end
