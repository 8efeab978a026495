-- Orders taken elsewhere: they cannot be refused, and their facts come in any order.
--
-- detail: {order, asked, location, reservation, owner, only, prefer}; asked is a list of {SKU, location or '', units}; a line
-- for each SKU that may be touched, at the location where units leave, or about the SKU as a whole when that is ''.
--
-- LAW  The facts of an order add up, so the same facts leave the same units, in whatever order they came.

do

local ID, ASKED, FROM, RESERVATION, OF_OWNER, ONLY, PREFER = 1, 2, 3, 4, 5, 6, 7
local SKUS_MAX = 200

local function checked(command)
  local detail = command[DETAIL]
  if type(detail) ~= 'table' or not is_text(detail[ID], 1024) then refuse('the order is not named') end
  asking.check_asked(detail[ASKED])
  for _, place in ipairs({ FROM, RESERVATION, OF_OWNER }) do
    if type(detail[place]) ~= 'string' or #detail[place] > 1100 then refuse('a text is missing') end
  end
  asking.check_names(detail[ONLY])
  asking.check_names(detail[PREFER])
  return detail
end

local function check_touched(lines, detail, account, reservations)
  local touched, count = {}, 0
  local from = detail[FROM] ~= '' and detail[FROM] or account.order[accounts.FULFILLED_FROM]
  local function touch(sku)
    if not touched[sku] then count = count + 1 end
    touched[sku] = true
    if not lines[sku] or lines[sku][LOCATION] ~= from then look_again() end
  end
  for _, each in ipairs(detail[ASKED]) do touch(each[1]) end
  for _, line in ipairs(account.order[accounts.LINES]) do touch(line[1]) end
  for _, reserved in ipairs(reservations) do
    for _, part in ipairs(reserved[2][holding.PARTS]) do touch(part[1]) end
  end
  if count > SKUS_MAX then refuse('an order has at most ' .. SKUS_MAX .. ' SKUs') end
end

-- Units by SKU, in the order of the first of each: a list of {SKU, units}.
local function summed(asked)
  local sums, at = {}, {}
  for _, each in ipairs(asked) do
    if not at[each[1]] then
      at[each[1]] = { each[1], 0 }
      sums[#sums + 1] = at[each[1]]
    end
    at[each[1]][2] = at[each[1]][2] + each[3]
  end
  return sums
end

-- Set the whole of what is ordered, unless something newer did.
local function set_ordered(order, sums, time)
  if order[accounts.IS_SET] == 1 and order[accounts.SET_AT] > time then return end
  for _, line in ipairs(order[accounts.LINES]) do line[accounts.ORDERED] = 0 end
  for _, each in ipairs(sums) do
    local line = accounts.line_of(order, each[1])
    line[accounts.ORDERED] = each[2]
    accounts.set_line(order, line)
  end
  order[accounts.IS_SET], order[accounts.SET_AT] = 1, time
end

-- Keep what is due of every SKU, and let leave what waited for a place.
local function bring_all(change, call, account)
  local order, skus_of = account.order, {}
  local told = {}
  for i, line in ipairs(order[accounts.LINES]) do
    skus_of[i], told[line[1]] = line[1], true
    accounts.bring(change, call, account, line[1], '', 0)
  end
  -- Also what only was reserved.
  for _, part in ipairs(account.hold and account.hold[holding.PARTS] or NONE) do
    if not told[part[1]] then
      told[part[1]] = true
      accounts.bring(change, call, account, part[1], '', 0)
    end
  end
  if not account.hold then return end
  if order[accounts.IS_FULFILLED] == 1 then
    local location = order[accounts.FULFILLED_FROM]
    order[accounts.IS_FULFILLED], order[accounts.FULFILLED_FROM] = 0, ''
    for _, sku in ipairs(skus_of) do
      accounts.fulfil(change, call, account, sku, location, accounts.due(order, sku))
    end
  end
  for _, sku in ipairs(skus_of) do accounts.fulfil_what_waited(change, call, account, sku) end
end

local function prefer_of(detail)
  local prefer, known_place = {}, {}
  local function add(location)
    if location ~= '' and not known_place[location] then prefer[#prefer + 1] = location end
    known_place[location] = true
  end
  for _, each in ipairs(detail[ASKED]) do add(each[2]) end
  for _, location in ipairs(detail[PREFER]) do add(location) end
  return prefer
end

local verbs = {}

function verbs.order_place(change, call, command, detail, account, reservations)
  local order = account.order
  set_ordered(order, summed(detail[ASKED]), command[TIME])
  if order[accounts.POOL] == '' then order[accounts.POOL] = command[OF_POOL] end
  -- Who reserved it sees the order too.
  local owner = detail[OF_OWNER]
  if owner == '' and reservations[1] then owner = reservations[1][2][holding.OWNER] end
  account.hold = account.hold or {
    holding.rank_of(call), order[accounts.POOL], owner, '', command[CONTENT], call.now, 1, detail[ONLY], prefer_of(detail),
    account.id, 0, {}, {}, {},
  }
  for _, reserved in ipairs(reservations) do
    accounts.join(change, call, account, reserved[2])
    accounts.take_over(change, call, account, reserved[1], reserved[2])
  end
  -- What was promised to a reservation is promised to the order before anything more is.
  if holding.is_any_promised(account.hold) then holding.keep(change, call, account.name, account.hold) end
  bring_all(change, call, account)
end

function verbs.order_change(change, call, command, detail, account)
  set_ordered(account.order, summed(detail[ASKED]), command[TIME])
  bring_all(change, call, account)
end

function verbs.order_cancel(change, call, _, detail, account)
  if #detail[ASKED] == 0 then account.order[accounts.IS_CANCELLED] = 1 end
  for _, each in ipairs(summed(detail[ASKED])) do
    local line = accounts.line_of(account.order, each[1])
    line[accounts.CANCELLED] = line[accounts.CANCELLED] + each[2]
    accounts.set_line(account.order, line)
  end
  bring_all(change, call, account)
end

function verbs.order_fulfil(change, call, _, detail, account)
  local order, sums = account.order, summed(detail[ASKED])
  if #sums == 0 and not account.hold then
    order[accounts.IS_FULFILLED], order[accounts.FULFILLED_FROM] = 1, detail[FROM]
  elseif #sums == 0 then
    for i, line in ipairs(order[accounts.LINES]) do sums[i] = { line[1], accounts.due(order, line[1]) } end
  end
  for _, each in ipairs(sums) do accounts.fulfil(change, call, account, each[1], detail[FROM], each[2]) end
end

local function apply_order(change, call, command)
  local detail, lines = checked(command), asking.lines_of(call, command)
  change.about, change.line_at = 'order:' .. detail[ID], lines
  local account = accounts.open(change, call, lines, detail[ID])
  local reservations = accounts.taken_over(change, call, command, detail)
  check_touched(lines, detail, account, reservations)
  local pool = account.order[accounts.POOL]
  if command[VERB] == 'order_place' and pool ~= '' and pool ~= command[OF_POOL] then
    no_room('order ' .. detail[ID] .. ' was placed in pool ' .. pool)
  end
  for _, each in ipairs(detail[ASKED]) do
    change.lines[#change.lines + 1] = { sku_number(change, each[1]), each[3] }
  end
  verbs[command[VERB]](change, call, command, detail, account, reservations)
  accounts.keep(change, call, account)
end

local of_order = { is_whole = true, apply = apply_order }
facts.order_place, facts.order_change, facts.order_cancel, facts.order_fulfil = of_order, of_order, of_order, of_order

end
