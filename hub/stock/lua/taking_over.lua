-- What was reserved for an order becomes the order's.
--
-- LAW  Units that left for the reservation count as sold for the order, and what is still kept for it moves over whole.

do

local RESERVATION, OF_OWNER = 4, 5  -- of the detail of a fact about an order
local REDEEMABLE = { [holding.HELD] = true, [holding.CONFIRMED] = true, [holding.FULFILLED] = true }

-- The reservations that become the order's, as a list of {name, hold}: the one it names, or those of its owner in the pool.
function accounts.taken_over(change, call, command, detail)
  local names, found = { detail[RESERVATION] }, {}
  if command[VERB] ~= 'order_place' then return found end
  if detail[RESERVATION] == '' then
    names = {}
    local field = detail[OF_OWNER] .. '\0' .. command[OF_POOL]
    local entries = detail[OF_OWNER] ~= '' and record_of(change, call, 'owners', field) or NONE
    for i, entry in ipairs(entries) do names[i] = entry[2] end
  end
  for _, name in ipairs(names) do
    local hold = holding.known(change, call, name)
    if hold and holding.has(hold, REDEEMABLE) then found[#found + 1] = { name, hold } end
  end
  return found
end

-- Count units that left for the reservation as sold; what a fulfilment counted before comes back where it left.
function accounts.join(change, call, command, account, hold)
  for _, part in ipairs(hold[holding.PARTS]) do
    if part[3] == holding.FULFILLED then
      local old = accounts.line_of(account.order, part[1])
      local new = { unpack(old, 1, 7) }
      new[accounts.SOLD] = new[accounts.SOLD] + part[2]
      local twice = accounts.out_of(old) + part[2] - accounts.out_of(new)
      if twice > 0 and old[accounts.LEFT_FROM] ~= '' then
        local place = holding.place_at(change, call, account.lines[part[1]], old[accounts.LEFT_FROM])
        if has_counted(place, command[TIME]) then
          pass_by(change, place, twice, 'customer')
        else
          arrive(change, place, twice, 'customer')
        end
      end
      accounts.set_line(account.order, new)
    end
  end
end

-- Make what was reserved the order's; what another pool held goes back first.
function accounts.take_over(change, call, account, name, hold)
  local parts, others, ended = { unpack(account.hold[holding.PARTS]) }, {}, {}
  local is_other_pool = hold[holding.POOL] ~= account.hold[holding.POOL]
  for _, part in ipairs(hold[holding.PARTS]) do
    if not REDEEMABLE[part[3]] then others[#others + 1] = part else ended[#ended + 1] = holding.over(part, holding.ORDERED) end
    if holding.KEPT[part[3]] and is_other_pool then
      holding.give_back(change, call, account.lines, hold[holding.POOL], part)
    elseif holding.KEPT[part[3]] then
      parts[#parts + 1] = { part[1], part[2], holding.CONFIRMED, 0, part[5] }
    end
  end
  account.hold = holding.with_parts(account.hold, parts)
  for _, part in ipairs(ended) do others[#others + 1] = part end
  local reserved = holding.with_parts(hold, others)
  reserved[holding.ORDER] = account.id
  holding.keep(change, call, name, reserved)
end

end
