-- What a request about a reservation asks for, checked.
--
-- detail: {name, asked, ttl ms, step, owner, kind, split 0/1, only, prefer, order, named 0/1}; asked is a list of
-- {SKU, location or '', units}, none being all; a line for each SKU that may be touched, about the SKU as a whole.
--
-- LAW  Whatever a request says, only whole, bounded values reach the holds.

-- Of a command's detail.
local asking = {
  NAME = 1, ASKED = 2, TTL = 3, STEP = 4, OWNER = 5, KIND = 6, SPLIT = 7, ONLY = 8, PREFER = 9, ORDER = 10, NAMED = 11,
}
local HELD_ONLY = { [holding.HELD] = true }

do

local NAMES_MAX = 100
local TEXTS = { asking.STEP, asking.OWNER, asking.KIND, asking.ORDER }

function asking.deny(problem, shortages) error({ denied = problem, shortages = shortages or {} }, 0) end
function asking.as_it_is(hold) error({ as_it_is = hold }, 0) end

function asking.check_names(names)
  if not is_list(names, NAMES_MAX) then refuse('locations are no list of at most ' .. NAMES_MAX) end
  for _, name in ipairs(names) do
    if not is_text(name, 64) then refuse('a name is missing') end
  end
end

function asking.check_asked(asked)
  if not is_list(asked, LINES_MAX) then refuse('units are no list of at most 100') end
  for _, each in ipairs(asked) do
    if not (is_list(each, 3) and is_text(each[1], 512) and (each[2] == '' or is_text(each[2], 64))
      and is_whole(each[3], 1, QUANTITY_MAX)) then
      refuse('units are no SKU, location and number')
    end
  end
end

function asking.checked(command)
  local detail = command[DETAIL]
  if type(detail) ~= 'table' or not is_text(detail[asking.NAME], 1100) then refuse('the reservation is not named') end
  asking.check_asked(detail[asking.ASKED])
  if not (is_whole(detail[asking.TTL], 0, INSTANT_MAX) and is_whole(detail[asking.SPLIT], 0, 1)
    and is_whole(detail[asking.NAMED], 0, 1)) then
    refuse('time, split or named is no whole number in bounds')
  end
  for _, place in ipairs(TEXTS) do
    if type(detail[place]) ~= 'string' or #detail[place] > 1100 then refuse('a text is missing') end
  end
  asking.check_names(detail[asking.ONLY])
  asking.check_names(detail[asking.PREFER])
  return detail
end

-- The lines of the command by SKU, each SKU's state being loaded.
function asking.lines_of(call, command)
  local count, lines = table.maxn(command[LINES]), {}
  if count > 3 * LINES_MAX then refuse('a request has at most ' .. 3 * LINES_MAX .. ' SKUs') end
  for i = 1, count do
    local line = command[LINES][i]
    if type(line) ~= 'table' or not (is_text(line[SKU], 512) and KEYS[line[SKU_KEY]] and call.profiles[line[PROFILE]]
      and call.wholes[line[PROFILE]] and is_whole(line[REVISION], 0, INSTANT_MAX)) then
      refuse('a line names nothing that was sent with the call')
    end
    offers.state_of(call, line)
    lines[line[SKU]] = line
  end
  return lines
end

function asking.demands_of(asked)
  local demands, at = {}, {}
  for _, each in ipairs(asked) do
    local key = each[1] .. '\0' .. each[2]
    if not at[key] then
      at[key] = { sku = each[1], quantity = 0, location = each[2] }
      demands[#demands + 1] = at[key]
    end
    at[key].quantity = at[key].quantity + each[3]
  end
  return demands
end

-- What was asked for at a place, as a hold remembers it.
function asking.pins_of(demands)
  local pins = {}
  for _, demand in ipairs(demands) do
    if demand.location ~= '' then pins[#pins + 1] = { demand.sku, demand.location, demand.quantity } end
  end
  return pins
end

function asking.check_covered(lines, hold)
  for _, part in ipairs(hold[holding.PARTS]) do
    if not lines[part[1]] then look_again() end
  end
end

function asking.ended(hold) asking.deny(holding.state_of(hold) == holding.EXPIRED and 'expired' or 'ended') end

-- The parts in these states that are asked for, all unless some are named, and the others.
function asking.chosen(hold, detail, states)
  local mine, rest = {}, hold[holding.PARTS]
  if #detail[asking.ASKED] == 0 then
    rest = {}
    for _, part in ipairs(hold[holding.PARTS]) do
      local list = states[part[3]] and mine or rest
      list[#list + 1] = part
    end
    return mine, rest
  end
  local first, others = {}, {}
  -- Those that say where first, or one that does not might take their units.
  for _, demand in ipairs(asking.demands_of(detail[asking.ASKED])) do
    local list = demand.location ~= '' and first or others
    list[#list + 1] = demand
  end
  for _, demand in ipairs(asking.add_all(first, others)) do
    local some, found = nil, 0
    some, rest = holding.detach(rest, demand.sku, demand.quantity, states, demand.location)
    for _, part in ipairs(some) do
      if demand.location == '' then found = found + part[2] end
      for _, each in ipairs(part[5]) do
        if demand.location ~= '' and holding.is_at(each, demand.location) then found = found + each[2] end
      end
      mine[#mine + 1] = part
    end
    if found < demand.quantity then asking.deny('not_held') end
  end
  return mine, rest
end

function asking.add_all(list, others)
  for _, each in ipairs(others) do list[#list + 1] = each end
  return list
end

end
