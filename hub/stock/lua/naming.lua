-- A till sale that names what its units were held as: they leave from there, and are held no more.
--
-- LAW  What a fulfilment of the same order has seen leave already leaves no second time.

do

local UNITS = 2

-- Take the line's units out of a reservation, `out` of them leaving; returns how many of these the shelf still owes.
local function out_of_reservation(change, call, place, line, name, hold, out, order_id, time)
  if not hold then return out end
  local gone, rest = holding.detach(hold[holding.PARTS], line[SKU], line[AMOUNT], holding.KEPT, line[LOCATION])
  local beside = line[AMOUNT]
  local left, is_counted, pool = out, has_counted(place, time), hold[holding.POOL]
  local state = order_id ~= '' and holding.ORDERED or holding.FULFILLED
  for _, part in ipairs(gone) do
    for _, each in ipairs(part[5]) do
      local is_here = holding.is_at(each, line[LOCATION]) and not is_counted
      local leaving = holding.of_allocation(each, is_here and math.min(left, each[UNITS]) or 0)
      if leaving[UNITS] > 0 then
        holding.leave(change, place, pool, leaving)
        left = left - leaving[UNITS]
      end
      if leaving[UNITS] < each[UNITS] then
        holding.let_go(change, call, line, pool, holding.without(each, leaving))
      end
    end
    beside = beside - part[2]
    rest[#rest + 1] = holding.over(part, state)
  end
  -- Also what it had no more, or never: the order that takes it over must know that these units left.
  if beside > 0 then rest[#rest + 1] = { line[SKU], beside, state, 0, {} } end
  local new = holding.with_parts(hold, rest)
  if order_id ~= '' then new[holding.ORDER] = order_id end
  holding.keep(change, call, name, new)
  return left
end

local TAKEN_OVER = { [holding.ORDERED] = true }

-- Take what a line sold out of what was held for it: units that leave, those of them that the shelf still owes.
function holding.sell_held(change, call, place, line, detail, time)
  if type(detail) ~= 'table' or type(detail[1]) ~= 'string' or type(detail[2]) ~= 'string' then
    refuse('what was held is not named')
  end
  holding.need_whole(call, line)
  local name, id, quantity = detail[1], detail[2], line[AMOUNT]
  local hold = name ~= '' and holding.known(change, call, name) or nil
  if id == '' and hold and holding.has(hold, TAKEN_OVER) then id = hold[holding.ORDER] end
  change.about = id ~= '' and 'order:' .. id or name
  if id == '' then
    return quantity, out_of_reservation(change, call, place, line, name, hold, quantity, '', time)
  end
  local account = accounts.open(change, call, { [line[SKU]] = line }, id)
  local out = accounts.sell(change, call, account, place, line)
  local left
  if account.hold then
    left = accounts.bring(change, call, account, line[SKU], line[LOCATION], out)
  else
    -- The order is still to come, and then takes over what is left of the reservation.
    left = out_of_reservation(change, call, place, line, name, hold, out, id, time)
  end
  accounts.keep(change, call, account)
  return out, left
end

end
