-- Buckets of a position and how units move between them.
--
-- A position is {free, reserved, deficit, fences, aside, counted_at, counted_by}, the last two only where it was counted;
-- a fence is {pool, quantity, target, standing, set_at, held}; aside is a list of {status, quantity}.
--
-- LAW  No bucket is ever negative, and every change of a bucket is a movement in `change.movements`.

local FREE, RESERVED, DEFICIT, FENCES, ASIDE, COUNTED_AT, COUNTED_BY = 1, 2, 3, 4, 5, 6, 7
local POOL, QUANTITY, TARGET, STANDING, SET_AT, FENCE_HELD = 1, 2, 3, 4, 5, 6

local NONE  -- most positions have no fence and nothing aside; whoever adds one makes a list of its own
per_call(function() NONE = {} end)

local function copies(list, width)
  if #list == 0 then return NONE end
  local copied = {}
  for i, item in ipairs(list) do copied[i] = { unpack(item, 1, width) } end
  return copied
end

-- A fence that was stored before units were held out of fences does not say how many.
local function copies_of_fences(fences)
  local copied = copies(fences, FENCE_HELD)
  for _, fence in ipairs(copied) do fence[FENCE_HELD] = fence[FENCE_HELD] or 0 end
  return copied
end

local function lacking_in(fence) return fence[TARGET] - fence[QUANTITY] - fence[FENCE_HELD] end

local function copy_of(position)
  return {
    position[FREE], position[RESERVED], position[DEFICIT], copies_of_fences(position[FENCES]), copies(position[ASIDE], 2),
    position[COUNTED_AT], position[COUNTED_BY],
  }
end

local function add_to(position, list, item)
  if position[list] == NONE then position[list] = {} end
  position[list][#position[list] + 1] = item
end

local function fence_of(position, pool)
  for _, fence in ipairs(position[FENCES]) do
    if fence[POOL] == pool then return fence end
  end
end

-- The fences in the pools' configuration order; those of pools no longer configured come last, as stored.
local function fences_in_order(position, terms)
  local fences = position[FENCES]
  if #fences < 2 then return fences end
  local ordered, taken = {}, {}
  for _, pool_terms in ipairs(terms) do
    local fence = fence_of(position, pool_terms[1])
    if fence then
      ordered[#ordered + 1] = fence
      taken[fence] = true
    end
  end
  for _, fence in ipairs(fences) do
    if not taken[fence] then ordered[#ordered + 1] = fence end
  end
  return ordered
end

-- Which units move from here on: so many, with these serials or nil; a movement of all of them names the serials.
local function move_units(change, units, serials)
  change.units, change.serials = units, serials
end

local function record(change, place, from, to, quantity)
  if quantity > 0 then
    local serials = change.units == quantity and change.serials or nil
    -- Then when it happened, where that is not the entry's time or more is said behind it, for a list has no holes.
    local moment = change.moment or serials and change.time
    change.movements[#change.movements + 1] = { place.sku, place.location, from, to, quantity, moment, serials }
  end
end

-- Whether the newest count of the place has seen what happened then.
local function has_counted(place, time)
  local counted_at = place.after[COUNTED_AT]
  return counted_at ~= nil and time <= counted_at
end

-- Units that a count has seen already went by the shelf: plus came in, minus went out.
local function pass_by(change, place, units, outside)
  record(change, place, outside, 'variance', units)
  record(change, place, 'variance', outside, -units)
end

-- Alerts of one kind at one position, about one hold or none, are one alert.
local function alert(change, place, kind, quantity, pool, hold)
  if quantity == 0 then return end
  local name = table.concat({ kind, place.sku, place.location, pool, hold or '' }, '\0')
  local raised = change.alert_at[name]
  if not raised then
    raised = { kind, place.sku, place.location, 0, pool, hold or '' }
    change.alert_at[name] = raised
    change.alerts[#change.alerts + 1] = raised
  end
  raised[4] = raised[4] + quantity
end

-- An alert about the event as a whole.
local NOWHERE_AT_ALL = { sku = -1, location = '' }
local function raise(change, kind, quantity) alert(change, NOWHERE_AT_ALL, kind, quantity, '') end

-- Units arrive in `free`: they repay the deficit, then fill the fences, and the rest is free.
local function arrive(change, place, quantity, from)
  local position = place.after
  local repaid = math.min(quantity, position[DEFICIT])
  position[DEFICIT] = position[DEFICIT] - repaid
  record(change, place, from, 'deficit', repaid)
  quantity = quantity - repaid
  for _, fence in ipairs(fences_in_order(position, place.terms)) do
    local lacking = math.max(0, math.min(quantity, lacking_in(fence)))
    fence[QUANTITY] = fence[QUANTITY] + lacking
    record(change, place, from, 'ring_fenced:' .. fence[POOL], lacking)
    quantity = quantity - lacking
  end
  position[FREE] = position[FREE] + quantity
  record(change, place, from, 'free', quantity)
end

local function put_aside(change, place, status, quantity, from)
  local aside = place.after[ASIDE]
  record(change, place, from, 'aside:' .. status, quantity)
  for _, held in ipairs(aside) do
    if held[1] == status then
      held[2] = held[2] + quantity
      return
    end
  end
  add_to(place.after, ASIDE, { status, quantity })
end

-- Each take_… takes up to `quantity` units and returns how many are still to be found.
local function take_free(change, place, quantity, to)
  local taken = math.min(quantity, place.after[FREE])
  place.after[FREE] = place.after[FREE] - taken
  record(change, place, 'free', to, taken)
  return quantity - taken
end

local function take_own_fence(change, place, quantity, pool, to)
  local fence = fence_of(place.after, pool)
  if not fence then return quantity end
  local taken = math.min(quantity, fence[QUANTITY])
  fence[QUANTITY] = fence[QUANTITY] - taken
  if fence[STANDING] == 0 then fence[TARGET] = math.max(0, fence[TARGET] - taken) end
  record(change, place, 'ring_fenced:' .. pool, to, taken)
  return quantity - taken
end

-- Breaks the fences of every pool but `spared`; their targets stay, so that arrivals mend them.
local function break_fences(change, place, quantity, spared, to)
  for _, fence in ipairs(fences_in_order(place.after, place.terms)) do
    if fence[POOL] ~= spared then
      local taken = math.min(quantity, fence[QUANTITY])
      fence[QUANTITY] = fence[QUANTITY] - taken
      record(change, place, 'ring_fenced:' .. fence[POOL], to, taken)
      alert(change, place, 'fence_broken', taken, fence[POOL])
      quantity = quantity - taken
    end
  end
  return quantity
end

local function take_aside(change, place, quantity, status, to)
  local aside = place.after[ASIDE]
  for i, held in ipairs(aside) do
    if held[1] == status then
      local taken = math.min(quantity, held[2])
      held[2] = held[2] - taken
      record(change, place, 'aside:' .. status, to, taken)
      if held[2] == 0 then table.remove(aside, i) end
      return quantity - taken
    end
  end
  return quantity
end

local function take_reserved(change, place, quantity, to)
  local taken = math.min(quantity, place.after[RESERVED])
  place.after[RESERVED] = place.after[RESERVED] - taken
  record(change, place, 'reserved', to, taken)
  place.lost = place.lost + taken
  return quantity - taken
end

-- The book does not have these units, but they are gone: whatever arrives later repays them.
local function owe(change, place, quantity, to)
  place.after[DEFICIT] = place.after[DEFICIT] + quantity
  record(change, place, 'deficit', to, quantity)
  alert(change, place, 'discrepancy', quantity, '')
end
