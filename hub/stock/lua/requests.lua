-- Requests about reservations: each is granted whole, denied for a reason, or needless because it is so already.
--
-- LAW  A denied request leaves nothing but the memory of a denied reservation. Whose time is over is over, swept or not.

do

local STEPS_MAX = 100

local function replaceable(change, call, detail, pool)
  local entries = record_of(change, call, 'owners', detail[asking.OWNER] .. '\0' .. pool)
  for _, entry in ipairs(entries or NONE) do
    if entry[1] == detail[asking.KIND] and entry[3] == 1 then return entry[2] end
  end
end

-- The owner wants something else instead; what is confirmed stays.
local function end_held(change, call, lines, name, hold)
  local parts, given = {}, {}
  for _, part in ipairs(hold[holding.PARTS]) do
    if part[3] == holding.HELD then
      holding.give_back(change, call, lines, hold[holding.POOL], part)
      given[#given + 1] = holding.over(part, holding.RELEASED)
    else
      parts[#parts + 1] = part
    end
  end
  holding.keep(change, call, name, holding.with_parts(hold, asking.add_all(parts, given)))
end

local function reserve(change, call, command, detail, lines)
  local denied = recall_one(call, command[FIELD])
  if denied then
    if denied[HASH] ~= command[CONTENT] then asking.deny('conflict') end
    asking.deny(unpack(denied[NUMBER + 1]))
  end
  local known_hold = holding.known(change, call, detail[asking.NAME])
  if known_hold then
    if known_hold[holding.CONTENT] ~= command[CONTENT] then asking.deny('conflict') end
    asking.as_it_is(known_hold)
  end
  local pool = command[OF_POOL]
  local old_name = detail[asking.NAMED] == 1 and replaceable(change, call, detail, pool)
  local old = old_name and holding.known(change, call, old_name)
  if old then
    asking.check_covered(lines, old)
    old = requests.without_due(change, call, lines, old)
    end_held(change, call, lines, old_name, old)
  end
  if #detail[asking.ASKED] == 0 then refuse('a reservation has 1 to 100 lines') end
  local wish = {
    pool = pool, only = detail[asking.ONLY], prefer = detail[asking.PREFER], is_split = detail[asking.SPLIT] == 1,
    may_be_promised = true,
  }
  local demands = asking.demands_of(detail[asking.ASKED])
  for _, demand in ipairs(demands) do
    if not lines[demand.sku] then look_again() end
  end
  local hold = {
    holding.rank_of(call), pool, detail[asking.OWNER], detail[asking.KIND], command[CONTENT], call.now, detail[asking.SPLIT], detail[asking.ONLY],
    detail[asking.PREFER], detail[asking.ORDER], detail[asking.NAMED], {}, {}, asking.pins_of(demands),
  }
  local found, expires_at, parts = placing.find(change, call, lines, wish, demands), call.now + detail[asking.TTL], {}
  local own = old and offers.has_pool(call, pool) and renewing.own_units(wish, demands, old)
  if own and renewing.comes_before(own, found) then
    parts = holding.taken(change, call, lines, pool, own.places, holding.HELD, expires_at)
    -- What was promised to the owner is promised to her again before anything more is.
    holding.keep(change, call, detail[asking.NAME], holding.with_parts(hold, parts))
    local rest = renewing.find_rest(change, call, lines, wish, own, found)
    if #rest.shortages > 0 and #found.shortages == 0 then
      -- Asking for more than she holds she gets what anybody would.
      for _, part in ipairs(parts) do holding.give_back(change, call, lines, pool, part) end
      parts = {}
    else
      found = rest
    end
  end
  if #found.shortages > 0 then
    remember(command[FIELD], { 'denied', command[CONTENT], call.epoch, call.next, { 'insufficient', found.shortages } })
    asking.deny('insufficient', found.shortages)
  end
  asking.add_all(parts, holding.taken(change, call, lines, pool, found.places, holding.HELD, expires_at))
  return holding.with_parts(hold, parts)
end

local function change_hold(change, call, command, detail, lines)
  local hold = holding.known(change, call, detail[asking.NAME])
  if not hold then asking.deny('unknown_reservation') end
  local steps = { unpack(hold[holding.STEPS]) }
  for _, step in ipairs(steps) do
    if step == detail[asking.STEP] then asking.as_it_is(hold) end
  end
  asking.check_covered(lines, hold)
  if detail[asking.STEP] ~= '' and #steps >= STEPS_MAX then
    refuse('parts of a reservation are changed at most ' .. STEPS_MAX .. ' times')
  end
  local still, was_due = requests.without_due(change, call, lines, hold)
  local parts = requests.verbs[command[VERB]](change, call, lines, still, detail, was_due)
  if detail[asking.STEP] ~= '' then steps[#steps + 1] = detail[asking.STEP] end
  local new = holding.with_parts(hold, parts)
  new[holding.STEPS] = steps
  return new
end

-- The change that a request makes, and the hold as it is then; a request that is not granted stops here.
function requests.apply(call, command)
  local detail = asking.checked(command)
  local change, lines = new_change(), asking.lines_of(call, command)
  change.time, change.about, change.line_at = call.now, detail[asking.NAME], lines
  command[TIME] = call.now
  local hold
  if command[VERB] == 'reserve' then
    hold = reserve(change, call, command, detail, lines)
  else
    hold = change_hold(change, call, command, detail, lines)
  end
  hold = holding.keep(change, call, detail[asking.NAME], hold)
  -- What it gave back is owed to orders first.
  accounts.serve_all(change, call)
  redeeming.promise_owed(change, call)
  promising.note_all(change, call)
  return change, hold
end

end
