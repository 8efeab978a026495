-- Units that are promised: which holds wait for which purchase order.
--
-- LAW  The lines of purchase orders say how many of their units are promised, by pool; that follows from the holds.

do

local LOCATED, UNITS, COMING_BY = 1, 2, 4
local PURCHASE_ORDER = 'purchase_order:'

-- What brings the units of an allocation that a purchase order is to bring.
function holding.by_order(order) return PURCHASE_ORDER .. order end

-- The purchase order that is to bring the units of an allocation, or nil.
function holding.order_of(allocation)
  local by = allocation[COMING_BY] or ''
  return string.sub(by, 1, #PURCHASE_ORDER) == PURCHASE_ORDER and string.sub(by, #PURCHASE_ORDER + 1) or nil
end

-- Whether a purchase order is to bring the units of an allocation.
function holding.is_promised(allocation) return holding.order_of(allocation) ~= nil end

-- Units of parts that purchase orders are to bring.
function holding.promised_units(parts)
  local units = 0
  for _, part in ipairs(parts) do
    for _, each in ipairs(part[5]) do
      if holding.is_promised(each) then units = units + each[UNITS] end
    end
  end
  return units
end

-- Whether an allocation is to come to a location by a purchase order.
function holding.comes_by(location, order)
  return function(allocation) return allocation[LOCATED] == location and holding.order_of(allocation) == order end
end

-- What a hold waits for: a list of {sku, location, order, held, sold}, and by name.
local function promised(hold)
  local found, at = {}, {}
  for _, part in ipairs(hold and hold[holding.PARTS] or NONE) do
    for _, each in ipairs(holding.KEPT[part[3]] and part[5] or NONE) do
      local order = holding.order_of(each)
      if order then
        local name = part[1] .. '\0' .. each[LOCATED] .. '\0' .. order
        local units = at[name]
        if not units then
          units = { sku = part[1], location = each[LOCATED], order = order, held = 0, sold = 0, name = name }
          at[name] = units
          found[#found + 1] = units
        end
        local state = part[3] == holding.CONFIRMED and 'sold' or 'held'
        units[state] = units[state] + each[UNITS]
      end
    end
  end
  return found, at
end

-- Whether any units of a hold are promised.
function holding.is_any_promised(hold)
  local found = promised(hold)
  return #found > 0
end

local NO_UNITS = { held = 0, sold = 0 }

local function note(change, call, units, held, sold, pool)
  if held == 0 and sold == 0 then return end
  local state = state_of(call, change.line_at[units.sku])
  supply.note_promised(change, state, units.sku, { units.location, units.order }, pool, held, sold)
end

-- Bring the lines of purchase orders up to a hold that takes the place of another, if there was any.
function holding.note_promises(change, call, old, new)
  local before, was_at = promised(old)
  local after, will_be_at = promised(new)
  local pool = new[holding.POOL]
  for _, units in ipairs(before) do
    local will_be = will_be_at[units.name] or NO_UNITS
    note(change, call, units, will_be.held - units.held, will_be.sold - units.sold, pool)
  end
  for _, units in ipairs(after) do
    if not was_at[units.name] then note(change, call, units, units.held, units.sold, pool) end
  end
end

-- The names of all holds that keep units of a SKU, the oldest first, whether they did before this call or not.
local function names_of(change, call, sku)
  local names, numbers = {}, {}
  local found = redis.call('ZRANGEBYLEX', KEYS[HELD_INDEX], '[' .. sku .. '\0', '[' .. sku .. '\0\255')
  for i, member in ipairs(found) do
    names[i] = string.sub(member, #sku + 19)
    numbers[names[i]] = tonumber(string.sub(member, #sku + 2, #sku + 17))
  end
  for _, name in ipairs(holding.fresh[sku] or NONE) do
    local hold = not numbers[name] and record_of(change, call, 'holds', name)
    if hold then
      names[#names + 1], numbers[name] = name, hold[holding.NUMBER]
    end
  end
  if #names > #found then
    table.sort(names, function(a, b) return numbers[a] < numbers[b] or numbers[a] == numbers[b] and a < b end)
  end
  return names
end

-- Who waits for a line of a purchase order, the oldest first: a list of {hold_name, pool, held, sold}.
function holding.waiting_for(change, call, sku, location, order)
  local waiting, name_of_line = {}, sku .. '\0' .. location .. '\0' .. order
  for _, name in ipairs(names_of(change, call, sku)) do
    local hold = record_of(change, call, 'holds', name)
    local _, at = promised(hold)
    local units = at[name_of_line]
    if units then waiting[#waiting + 1] = { hold_name = name, pool = hold[holding.POOL], held = units.held, sold = units.sold } end
  end
  return waiting
end

end
