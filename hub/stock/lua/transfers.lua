-- Transfers: units are dispatched from one location and received in another.
--
-- LAW  A command is made from a look at the transfer's record; with another one in place it is told to look again.

do

local OPEN_MAX, EARLY_MAX, EARLY_LINES_MAX = 100000, 100, 1900
-- Of a command's detail.
local TRANSFER_ID, GOES_TO, MADE_FROM, FINAL, OWN_LINES, UNITS, REACH, FOR_ORDER = 1, 2, 3, 4, 5, 6, 7, 8
local VERSION, DESTINATION, EARLY = transit.VERSION, transit.TO, transit.EARLY
-- Of what was received early.
local TIME_THEN, WAS_FINAL, UNITS_THEN = 1, 2, 3

local function checked(command)
  local detail = command[DETAIL]
  if type(detail) ~= 'table' or not is_text(detail[TRANSFER_ID], 1024) then refuse('the transfer is not named') end
  if detail[GOES_TO] ~= '' and not is_text(detail[GOES_TO], 64) then refuse('a name is missing') end
  if not (is_whole(detail[MADE_FROM], 0, INSTANT_MAX) and is_whole(detail[FINAL], 0, 1)
    and is_whole(detail[OWN_LINES], 0, LINES_MAX)) then
    refuse('version, final or own lines is no whole number in bounds')
  end
  if detail[FOR_ORDER] ~= '' and not is_text(detail[FOR_ORDER], 1024) then refuse('the order is no text') end
  pieces.check_asked(detail[UNITS])
  facts.check_reach(detail[REACH])
  return detail
end

-- What is remembered of the transfer; a new one was never written down.
local function known_transfer(change, call, id)
  local found = transit.found(change, call, id)
  if found[VERSION] == 0 and redis.call('HLEN', KEYS[TRANSFERS]) >= OPEN_MAX then
    busy('too many transfers are under way')
  end
  return found
end

-- What of it may take effect at the destination; of the rest only an alert tells.
local function within_reach(change, found, to)
  local within, beyond = {}, 0
  for _, each in ipairs(found[EARLY]) do
    if facts.reaches(transit.reach_of(found, each), to) then
      within[#within + 1] = each
    else
      beyond = beyond + transit.units_of(each)
    end
  end
  raise(change, 'out_of_reach', beyond)
  return within
end

local function is_same_list(one, other)
  one, other = one or NONE, other or NONE
  for i = 1, math.max(#one, #other) do
    if one[i] ~= other[i] then return false end
  end
  return true
end

-- Whether the lines behind the command's own are what was received early, and whether one of that was the last.
local function check_early(change, call, command, detail, found)
  local at, is_final = detail[OWN_LINES], false
  for _, each in ipairs(within_reach(change, found, detail[GOES_TO])) do
    is_final = is_final or each[WAS_FINAL] == 1
    for _, units in ipairs(each[UNITS_THEN]) do
      at = at + 1
      local line, name = command[LINES][at], house_name(change, call, units[1])
      if line and line[SKU] == units[1] and name ~= units[1] then error({ stale = units[1] }, 0) end
      if not line or line[SKU] ~= name or line[AMOUNT] ~= units[2] or line[HAPPENED] ~= each[TIME_THEN]
        or line[LOCATION] ~= detail[GOES_TO] or not is_same_list(line[SERIALS], units[3]) then
        refuse('the lines are not what was received early')
      end
    end
  end
  if at ~= #command[LINES] then refuse('the lines are not what was received early') end
  return is_final
end

-- detail: {transfer, to, version of the record it was made from, final 0/1, own lines, units, reach, order}; the lines behind
-- its own are those that were received early.
local function apply_dispatch(change, call, command)
  local detail = checked(command)
  local id, to, own = detail[TRANSFER_ID], detail[GOES_TO], detail[OWN_LINES]
  if to == '' or own < 1 or own > #command[LINES] then refuse('a dispatch says where to and what') end
  change.about = id
  local found = known_transfer(change, call, id)
  if found[VERSION] ~= detail[MADE_FROM] then look_again() end
  if found[DESTINATION] ~= '' and found[DESTINATION] ~= to then
    refuse('transfer ' .. id .. ' goes to ' .. found[DESTINATION] .. ', not to ' .. to)
  end
  local is_final = check_early(change, call, command, detail, found)
  local account = transit.account_of(found, id, to, call.now)
  for i, line in ipairs(command[LINES]) do
    account.lines[line[SKU]] = line
    if i <= own then
      transit.send(change, call, command, account, line, detail[FOR_ORDER])
      change.lines[#change.lines + 1] = { sku_number(change, line[SKU]), line[AMOUNT] }
    else
      transit.receive(change, call, command, account, line)
    end
  end
  if is_final then transit.finish(change, call, account) end
  transit.keep(change, call, account, found[DESTINATION] == '' and found[VERSION] + 1 or found[VERSION])
end

local function own_lines(command)
  local own = type(command[DETAIL]) == 'table' and command[DETAIL][OWN_LINES]
  return is_whole(own, 0, LINES_MAX) and own or nil
end

facts.dispatch = { low = 1, lines_max = LINES_MAX + EARLY_LINES_MAX, own_lines = own_lines, apply = apply_dispatch }

-- Nothing was dispatched yet, so nobody knows where it is: it waits for the dispatch.
local function wait(change, call, command, detail, found)
  if #command[LINES] > 0 then refuse('what is received early has units and no lines') end
  if #detail[UNITS] == 0 and detail[FINAL] == 0 then refuse('what is received early has units, unless it is the last') end
  pieces.check_once(detail[UNITS])
  local early = transit.waiting_of(found, -INSTANT_MAX)
  early[#early + 1] = { { command[TIME], detail[FINAL], detail[UNITS], 0, call.now }, detail[REACH] }
  local lines, serials = 0, 0
  for _, each in ipairs(early) do
    lines = lines + #each[1][UNITS_THEN]
    for _, units in ipairs(each[1][UNITS_THEN]) do serials = serials + #(units[3] or NONE) end
  end
  if #early > EARLY_MAX or lines > EARLY_LINES_MAX or serials > pieces.EARLY_SERIALS_MAX then
    no_room('a transfer has at most ' .. EARLY_MAX .. ' receipts with ' .. EARLY_LINES_MAX .. ' lines and '
      .. pieces.EARLY_SERIALS_MAX .. ' serials before it is dispatched', detail[REACH])
  end
  for _, each in ipairs(detail[UNITS]) do
    change.lines[#change.lines + 1] = { sku_number(change, each[1]), each[2] }
  end
  transit.keep_waiting(change, detail[TRANSFER_ID], found, early, call.now)
end

-- What is lost by the last receipt and was kept for somebody has a line without units behind the others, for others are kept
-- instead.
local function check_lost(command, detail, found, account)
  for i, line in ipairs(command[LINES]) do
    if line[LOCATION] ~= detail[GOES_TO] then refuse('what is received is where the transfer goes') end
    if (line[AMOUNT] == 0) ~= (i > detail[OWN_LINES]) then refuse('quantity is not a whole number in bounds') end
    account.lines[line[SKU]] = line
  end
  for _, each in ipairs(detail[FINAL] == 1 and found[transit.HELD] or NONE) do
    if not account.lines[each[1]] then look_again() end
  end
end

-- detail as of a dispatch; without a destination the units wait, and there are no lines.
local function apply_receive(change, call, command)
  local detail = checked(command)
  local id, to, own = detail[TRANSFER_ID], detail[GOES_TO], detail[OWN_LINES]
  change.about = id
  local found = known_transfer(change, call, id)
  if found[DESTINATION] ~= to then look_again() end
  if to == '' then return wait(change, call, command, detail, found) end
  if own == 0 and detail[FINAL] == 0 then refuse('only the last of a transfer has no lines') end
  local account = transit.account_of(found, id, to, call.now)
  account.park_reach = { to }
  check_lost(command, detail, found, account)
  for i, line in ipairs(command[LINES]) do
    if i <= own then
      transit.receive(change, call, command, account, line)
      change.lines[#change.lines + 1] = { sku_number(change, line[SKU]), line[AMOUNT] }
    else
      holding.need_whole(call, line)
      offers.state_of(call, line)
      sku_number(change, line[SKU])
    end
  end
  if detail[FINAL] == 1 then transit.finish(change, call, account) end
  transit.keep(change, call, account, found[VERSION])
end

facts.receive = {
  low = 0, lines_min = 0, lines_max = LINES_MAX + transit.HELD_MAX, own_lines = own_lines, apply = apply_receive,
}

end
