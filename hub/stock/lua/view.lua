-- What each pool shows of a SKU, kept up to date by differences.
--
-- Terms are {pool, sell, threshold, safety, low, cap, show_status, groups, preorder limit}, a group {threshold, safety}.
-- A view is {changes, at, available, status, capped, eta, parts}; parts[g] is the sum over the group's locations
-- of max(0, free - buffer) plus the pool's fence there. A buffer is not linear, its difference is exact.
--
-- Pools that are alike share: views of the same bytes are one table, and what is made of them is made once for all.
--
-- LAW  `changes` rises when, and only when, the shown value (available, capped, status, eta) changes.
-- LAW  A view and its parts are never changed in place, for other pools may have the same ones.

local AVAILABLE = 3
local NEWS = { [2] = 'sold_out', [3] = 'back_in_stock', [4] = 'low_stock' }
local contribution, available_in, note_sku, note_parts, parts_with, views_of

-- A block, so that its names are its own: a library may have 200.
do

local CHANGES, AT, STATUS, CAPPED, ETA, PARTS = 1, 2, 4, 5, 6, 7
-- EMPTIED is told like OUT_OF_STOCK, but then there was stock once, and what is promised is a backorder.
local OUT_OF_STOCK, LOW_STOCK, IN_STOCK, PREORDER, BACKORDER, EMPTIED = 0, 1, 2, 3, 4, 5
-- What a change of a view means for its watchers.
local CHANGED, SOLD_OUT, BACK_IN_STOCK, BECAME_LOW = 1, 2, 3, 4
local NUMBER_HIDDEN = -1

-- What a pool may sell now of the parts.
function available_in(terms, parts)
  local supply = 0
  for group, group_terms in ipairs(terms[8]) do
    local part = parts[group] or 0
    if part >= group_terms[1] then supply = supply + math.max(0, part - group_terms[2]) end
  end
  return terms[2] == 1 and supply >= terms[3] and math.max(0, supply - terms[4]) or 0
end

-- The number, status, capped and ETA; `eta` is when the first unit is expected that may be promised, nil for none.
local function shown_value(terms, parts, eta, was)
  local available = available_in(terms, parts)
  local was_in_stock = was ~= OUT_OF_STOCK and was ~= PREORDER
  local status = was_in_stock and EMPTIED or OUT_OF_STOCK
  if available > 0 then
    status, eta = available <= terms[5] and LOW_STOCK or IN_STOCK, nil
  elseif eta then
    status = was_in_stock and BACKORDER or PREORDER
  end
  if terms[7] == 1 then return NUMBER_HIDDEN, status, 0, eta or 0 end
  if terms[6] >= 0 and available > terms[6] then return terms[6], status, 1, 0 end
  return available, status, 0, eta or 0
end

local function never_shown(terms)
  return { 0, 0, terms[7] == 1 and NUMBER_HIDDEN or 0, OUT_OF_STOCK, 0, 0, {} }
end

-- What a change to this status means; the first value that a pool ever shows is no return.
local function news(view, status)
  if view[CHANGES] == 0 then return CHANGED end
  local was = view[STATUS]
  local was_there, is_there = was == LOW_STOCK or was == IN_STOCK, status == LOW_STOCK or status == IN_STOCK
  if was_there ~= is_there then return was_there and SOLD_OUT or BACK_IN_STOCK end
  return status == LOW_STOCK and was ~= LOW_STOCK and BECAME_LOW or CHANGED
end

-- The view with new parts; its second value tells what a screen must hear of, 0 is nothing.
local function view_with(view, terms, parts, eta, now)
  local available, status, capped, eta_shown = shown_value(terms, parts, eta, view[STATUS])
  local changed = available ~= view[AVAILABLE] or status ~= view[STATUS] or capped ~= view[CAPPED] or eta_shown ~= view[ETA]
  if changed then
    return { view[CHANGES] + 1, now, available, status, capped, eta_shown, parts }, news(view, status)
  end
  return { view[CHANGES], view[AT], available, status, capped, eta_shown, parts }, 0
end

-- What one location gives a pool; group 0 means that the pool sees only its own fence there.
function contribution(position, pool, group, buffer)
  local units = 0
  if group > 0 and position[FREE] > buffer then units = position[FREE] - buffer end
  if #position[FENCES] == 0 then return units end
  local fence = fence_of(position, pool)
  return fence and units + fence[QUANTITY] or units
end

-- Where the parts of one SKU are noted, its pools' views to be made of them.
function note_sku(change, sku, terms, state)
  local noted = { terms = terms, state = state, pools = {}, seen = {}, fresh = {}, etas = {}, sku = sku }
  change.views[sku] = noted
  change.noted[#change.noted + 1] = noted
  return noted
end

-- Parts with so many units more in one group.
function parts_with(parts, groups, group, units)
  local made = {}
  for g = 1, groups do made[g] = parts and parts[g] or 0 end
  made[group] = made[group] + units
  return made
end

-- Note what the change of one place does to the parts of every pool that sees it.
function note_parts(change, place)
  local noted = change.views[place.sku]
  if not noted then
    noted = note_sku(change, place.sku, place.terms, place.state)
  end
  local sight, views, pools, seen = place.sight, place.state.views, noted.pools, noted.seen
  local last_old, last_group, last_units, last  -- of the pool before
  for i, terms in ipairs(place.terms) do
    local pool, group, buffer = terms[1], sight[2 * i - 1], sight[2 * i]
    local before = contribution(place.before, pool, group, buffer)
    local after = contribution(place.after, pool, group, buffer)
    local view, parts = views[pool], pools[pool]
    if before ~= after or not (view or parts) and (group > 0 or after > 0) then
      local old, units = parts or view and view[PARTS], after - before
      if group == 0 then group = 1 end
      if not last or old ~= last_old or group ~= last_group or units ~= last_units or #last ~= #terms[8] then
        last_old, last_group, last_units, last = old, group, units, parts_with(old, #terms[8], group, units)
      end
      pools[pool] = last
    end
    seen[pool] = seen[pool] or sight[2 * i - 1] > 0
  end
end

-- Whether a stored view already has these parts; a refresh meets many that do.
local function is_same(view, parts)
  if not view or #view[PARTS] ~= #parts then return false end
  for group, part in ipairs(parts) do
    if view[PARTS][group] ~= part then return false end
  end
  return true
end

local alike -- terms → others that they were found to be like
per_call(function() alike = {} end)

-- Whether two pools, with as many groups each, make the same of the same parts.
local function are_alike(terms, other)
  if alike[terms] == other then return true end
  for i = 2, 7 do
    if terms[i] ~= other[i] then return false end
  end
  for group, group_terms in ipairs(terms[8]) do
    if group_terms[1] ~= other[8][group][1] or group_terms[2] ~= other[8][group][2] then return false end
  end
  alike[terms] = other
  return true
end

-- Turn the noted parts into views: a list of {sku, pool, view, news} in configuration order.
function views_of(change, now)
  local set = {}
  for _, noted in ipairs(change.noted) do
    local last_view, last_parts, last_terms, last_eta, fresh, heard  -- of the pool before
    for _, terms in ipairs(noted.terms) do
      local parts = noted.pools[terms[1]]
      if parts then
        local view = noted.state.views[terms[1]]
        local eta = noted.etas[terms[1]]
        if parts ~= last_parts or view ~= last_view or eta ~= last_eta or not are_alike(terms, last_terms) then
          last_view, last_parts, last_terms, last_eta = view, parts, terms, eta
          fresh, heard = view_with(view or never_shown(terms), terms, parts, eta, now)
        end
        if heard > 0 or not is_same(view, parts) then
          set[#set + 1] = { noted.sku, terms[1], fresh, heard }
          noted.fresh[terms[1]] = fresh
        end
      end
    end
  end
  return set
end

end
