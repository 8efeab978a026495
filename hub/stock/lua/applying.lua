-- Check a fact and apply it to copies of what it touches.
--
-- LAW  Whatever the lines and the detail hold, only whole, bounded values reach the facts.

local function check_command(command)
  if not (is_text(command[SOURCE], 64) and is_text(command[ID], 1024) and is_text(command[CONTENT], 64)) then
    refuse('source, id or hash is missing')
  end
  if not (is_whole(command[TIME], -INSTANT_MAX, INSTANT_MAX) and is_whole(command[STATED_AT], -INSTANT_MAX, INSTANT_MAX)) then
    refuse('time is not a whole number of milliseconds')
  end
  if type(command[PAYLOAD]) ~= 'string' or type(command[TYPE]) ~= 'string' or type(command[OF_POOL]) ~= 'string' then
    refuse('payload, type or pool is not text')
  end
  if command[IS_STANDING] ~= 0 and command[IS_STANDING] ~= 1 then refuse('standing is neither 0 nor 1') end
  if type(command[LINES]) ~= 'table' then refuse('lines are missing') end
end

local apply_fact

do

local function check_line(call, line, fact)
  if type(line) ~= 'table' then refuse('a line is missing') end
  if not is_whole(line[AMOUNT], fact.low, QUANTITY_MAX) then refuse('quantity is not a whole number in bounds') end
  if not (is_text(line[SKU], 512) and is_text(line[LOCATION], 64) and is_text(line[BUCKET], fact.bucket_bytes_max or 64)) then
    refuse('a name is missing')
  end
  if not (KEYS[line[SKU_KEY]] and KEYS[line[PLACE_KEY]] and call.profiles[line[PROFILE]] and call.sights[line[SIGHT]]) then
    refuse('a line names nothing that was sent with the call')
  end
  if not is_whole(line[REVISION], 0, INSTANT_MAX) then refuse('revision is not a whole number') end
  if line[TO] ~= nil and not is_text(line[TO], fact.bucket_bytes_max or 64) then refuse('a name is missing') end
  if line[HAPPENED] ~= nil and not is_whole(line[HAPPENED], -INSTANT_MAX, INSTANT_MAX) then
    refuse('time is not a whole number of milliseconds')
  end
end

-- How far the source's clock is off, by what it says itself or by a time ahead of ours.
local function note_skew(call, change, command)
  local skew = math.abs(command[TIME] - command[STATED_AT])
  if skew == 0 then skew = command[STATED_AT] - call.now end
  if skew > AHEAD_MS then raise(change, 'clock_skew', math.floor(skew / 1000)) end
end

local function apply_lines(change, call, command, apply)
  for _, line in ipairs(command[LINES]) do
    local place = place_of(change, call, line)
    local time = time_of(change, call, command, line)
    move_units(change, math.abs(line[AMOUNT]), line[SERIALS])
    apply(change, place, line, command, call, time)
    change.lines[#change.lines + 1] = { place.sku, line[AMOUNT] }
  end
  change.moment = nil
  move_units(change, 0, nil)
end

-- A fact about SKUs at all their locations checks its lines itself; of the others each line is about one position.
local function check_lines(call, command, fact)
  if fact.is_whole then return end
  local count = table.maxn(command[LINES])  -- `#` and ipairs may end at a hole, and what is behind it would be lost
  if count < (fact.lines_min or 1) or count > (fact.lines_max or LINES_MAX) then refuse('a fact has 1 to 100 lines') end
  for i = 1, count do check_line(call, command[LINES][i], fact) end
  pieces.recall(command[LINES], fact.own_lines and fact.own_lines(command))
end

function apply_fact(call, command)
  local fact = facts[command[VERB]]
  if type(fact) ~= 'table' then refuse('unknown verb') end
  check_lines(call, command, fact)
  local change = new_change()
  note_skew(call, change, command)
  command[TIME] = math.min(command[TIME], call.now)
  change.time = command[TIME]
  if fact.apply then
    fact.apply(change, call, command)
  else
    apply_lines(change, call, command, fact.line)
  end
  if fact.after then fact.after(change, call, command) end
  holding.settle(change, call)
  promising.note_all(change, call)
  return change
end

end
