-- What was reserved for an order becomes the order's.
--
-- LAW  Units that left for the reservation count as sold for the order, and what is still kept for it moves over whole.

do

local RESERVATION, OF_OWNER = 4, 5  -- of the detail of a fact about an order

-- Whether no order took it over as a whole yet; one that is over tells what left already.
local function is_open(hold)
  for _, part in ipairs(hold[holding.PARTS]) do
    if part[3] ~= holding.ORDERED then return true end
  end
  return false
end

-- The reservations that become the order's, as a list of {name, hold}: the one it names, or those that were made for it or by
-- its owner.
function accounts.taken_over(change, call, command, detail)
  local names, found = { detail[RESERVATION] }, {}
  if command[VERB] ~= 'order_place' then return found end
  if detail[RESERVATION] == '' then
    names = {}
    for _, owner in ipairs({ '\0' .. detail[1], detail[OF_OWNER] }) do
      local entries = owner ~= '' and record_of(change, call, 'owners', owner .. '\0' .. command[OF_POOL]) or NONE
      for _, entry in ipairs(entries) do names[#names + 1] = entry[2] end
    end
  end
  local met = {}
  for _, name in ipairs(names) do
    local hold = not met[name] and holding.known(change, call, name)
    met[name] = true
    if hold and is_open(hold) then found[#found + 1] = { name, hold } end
  end
  return found
end

-- Count units that left for the reservation as sold; what a fulfilment counted before comes back where it left.
function accounts.join(change, call, account, hold)
  for _, part in ipairs(hold[holding.PARTS]) do
    if part[3] == holding.FULFILLED then
      local old = accounts.line_of(account.order, part[1])
      local new = { unpack(old, 1, 8) }
      new[accounts.SOLD] = new[accounts.SOLD] + part[2]
      local twice = accounts.out_of(old) + part[2] - accounts.out_of(new)
      if twice > 0 and old[accounts.LEFT_FROM] ~= '' then
        local place = holding.place_at(change, call, account.lines[part[1]], old[accounts.LEFT_FROM])
        accounts.come_back(change, place, twice)
      end
      accounts.set_line(account.order, new)
    end
  end
end

-- Make what was reserved the order's; what another pool held goes back first. Also one that is over means the order from now on.
function accounts.take_over(change, call, account, name, hold)
  local parts, ended = { unpack(account.hold[holding.PARTS]) }, {}
  local is_other_pool = hold[holding.POOL] ~= account.hold[holding.POOL]
  for i, part in ipairs(hold[holding.PARTS]) do
    ended[i] = holding.over(part, holding.ORDERED)
    if holding.KEPT[part[3]] and is_other_pool then
      holding.give_back(change, call, account.lines, hold[holding.POOL], part)
    elseif holding.KEPT[part[3]] then
      parts[#parts + 1] = { part[1], part[2], holding.CONFIRMED, 0, part[5] }
    end
  end
  account.hold = holding.with_parts(account.hold, parts)
  local reserved = holding.with_parts(hold, ended)
  reserved[holding.ORDER] = account.id
  holding.keep(change, call, name, reserved)
end

end
