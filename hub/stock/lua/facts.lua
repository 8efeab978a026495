-- The facts: what already happened is booked, whatever the book says.
--
-- LAW  Nothing here refuses for lack of stock; what the book lacks becomes deficit and an alert.

local facts = {}

local function returned_to(change, place, bucket, quantity, from)
  if bucket == 'free' then
    arrive(change, place, quantity, from)
  else
    put_aside(change, place, bucket, quantity, from)
  end
end

facts.receipt = {
  low = 1,
  apply = function(change, place, line) arrive(change, place, line[AMOUNT], 'supplier') end,
}

facts['return'] = {
  low = 1,
  apply = function(change, place, line) returned_to(change, place, line[BUCKET], line[AMOUNT], 'customer') end,
}

facts.sale = {
  low = 1,
  apply = function(change, place, line, command)
    local left = take_own_fence(change, place, line[AMOUNT], command[OF_POOL], 'customer')
    left = take_free(change, place, left, 'customer')
    left = break_fences(change, place, left, command[OF_POOL], 'customer')
    left = take_reserved(change, place, left, 'customer')
    owe(change, place, left, 'customer')
  end,
}

-- The statuses on the shelf in the house's order, then those that the house no longer has.
local function statuses_of(position, call)
  local ordered, known_status = {}, {}
  for _, status in ipairs(call.statuses) do
    ordered[#ordered + 1] = status
    known_status[status] = true
  end
  for _, held in ipairs(position[ASIDE]) do
    if not known_status[held[1]] then ordered[#ordered + 1] = held[1] end
  end
  return ordered
end

local function take_whatever_is_there(change, place, quantity, bucket, call)
  local left = quantity
  if bucket ~= 'free' then left = take_aside(change, place, left, bucket, 'adjustment') end
  left = take_free(change, place, left, 'adjustment')
  left = break_fences(change, place, left, nil, 'adjustment')
  for _, status in ipairs(statuses_of(place.after, call)) do
    left = take_aside(change, place, left, status, 'adjustment')
  end
  left = take_reserved(change, place, left, 'adjustment')
  owe(change, place, left, 'adjustment')
end

facts.adjustment = {
  low = -QUANTITY_MAX,
  apply = function(change, place, line, _, call)
    local quantity, bucket = line[AMOUNT], line[BUCKET]
    if quantity == 0 then refuse('an adjustment of 0 changes nothing') end
    if quantity > 0 then
      returned_to(change, place, bucket, quantity, 'adjustment')
    else
      take_whatever_is_there(change, place, -quantity, bucket, call)
    end
  end,
}

facts.ring_fence = {
  low = 0,
  apply = function(change, place, line, command)
    local fence = fence_of(place.after, command[OF_POOL])
    if fence and fence[SET_AT] > command[TIME] then return end
    if not fence then
      fence = { command[OF_POOL], 0, 0, 0, 0 }
      add_to(place.after, FENCES, fence)
    end
    fence[TARGET], fence[STANDING], fence[SET_AT] = line[AMOUNT], command[IS_STANDING], command[TIME]
    local lacking = math.max(0, math.min(fence[TARGET] - fence[QUANTITY], place.after[FREE]))
    local surplus = math.max(0, fence[QUANTITY] - fence[TARGET])
    fence[QUANTITY] = fence[QUANTITY] + lacking - surplus
    place.after[FREE] = place.after[FREE] - lacking + surplus
    record(change, place, 'free', 'ring_fenced:' .. command[OF_POOL], lacking)
    record(change, place, 'ring_fenced:' .. command[OF_POOL], 'free', surplus)
  end,
}

local function check_line(call, line, low)
  if type(line) ~= 'table' then refuse('a line is missing') end
  if not is_whole(line[AMOUNT], low, QUANTITY_MAX) then refuse('quantity is not a whole number in bounds') end
  if not (is_text(line[SKU], 512) and is_text(line[LOCATION], 64) and is_text(line[BUCKET], 64)) then
    refuse('a name is missing')
  end
  if not (KEYS[line[SKU_KEY]] and KEYS[line[PLACE_KEY]] and call.profiles[line[PROFILE]] and call.sights[line[SIGHT]]) then
    refuse('a line names nothing that was sent with the call')
  end
end

local function apply_fact(call, command)
  local fact = facts[command[VERB]]
  if not fact then refuse('unknown verb') end
  local count = table.maxn(command[LINES])  -- `#` and ipairs may end at a hole, and what is behind it would be lost
  if count < 1 or count > LINES_MAX then refuse('a fact has 1 to 100 lines') end
  local change = new_change()
  for i = 1, count do
    local line = command[LINES][i]
    check_line(call, line, fact.low)
    local place = place_of(change, call, line)
    fact.apply(change, place, line, command, call)
    change.lines[#change.lines + 1] = { place.sku, line[AMOUNT] }
  end
  for _, place in ipairs(change.places) do note_parts(change, place) end
  return change
end
