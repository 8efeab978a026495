-- Who keeps units of a SKU, and what is due when: both follow from the holds.
--
-- LAW  Nothing here may fail: the entry that says the hold is already among those to be written.

do

local OF_SKU, STATE, EXPIRES_AT = 1, 3, 4
local NUMBERS_PER_EPOCH = 68719476736

-- The number of a hold that the next entry makes: it orders the holds of all epochs, each of which begins at entry 0.
function holding.rank_of(call) return (call.epoch - 1) * NUMBERS_PER_EPOCH + call.next end

-- What follows from a hold in place of another: SKU → 1 for each SKU kept, and when the first is due.
local function kept_of(hold)
  local kept, due = {}, nil
  for _, part in ipairs(hold and hold[holding.PARTS] or NONE) do
    if holding.KEPT[part[STATE]] then kept[part[OF_SKU]] = 1 end
    if part[STATE] == holding.HELD and part[EXPIRES_AT] > 0 then due = math.min(due or INSTANT_MAX, part[EXPIRES_AT]) end
  end
  return kept, due
end

-- Bring the indexes up to a hold that took the place of another; either may be false. Nothing here may fail.
function follows.holds(name, old, new)
  local indexed = holding.indexed
  -- Made and ended by one command.
  if not (old or new) then return end
  local before, was_due = kept_of(old)
  local after, due = kept_of(new)
  local number = string.format('%016d', (new or old)[holding.NUMBER])
  for sku in pairs(before) do
    local member = sku .. '\0' .. number .. '\0' .. name
    if not after[sku] then add_write(indexed, 'ZREM', KEYS[HELD_INDEX], member) end
  end
  for sku in pairs(after) do
    holding.fresh[sku] = holding.fresh[sku] or {}
    table.insert(holding.fresh[sku], name)
    local member = sku .. '\0' .. number .. '\0' .. name
    if not before[sku] then add_write(indexed, 'ZADD', KEYS[HELD_INDEX], 0, member) end
  end
  if due and due ~= was_due then add_write(indexed, 'ZADD', KEYS[EXPIRY], string.format('%d', due), name) end
  if was_due and not due then add_write(indexed, 'ZREM', KEYS[EXPIRY], name) end
end

end
