-- Voids: sales that did not stand, wholly or in part; their units go back into the buckets they came from.
--
-- `voided` says of a sale how many units of each SKU were given back, a list of {SKU, units}. What comes before its sale
-- waits in `voids`: for each sale a list of {time, a list of {SKU, units, perhaps serials}, reach, booked at}, the inner one
-- empty for all that is left.
--
-- LAW  No unit of a sale is given back twice, and none that it did not take.

local voids = {}

do

local WAITING_MAX, WAITING_PER_SALE_MAX = 10000, 100
-- What one sale takes: 100 lines, each from every pool's fence at worst.
local TAKES_MAX = 10000
local UNITS_MAX = LINES_MAX * QUANTITY_MAX
-- Of a command's detail.
local SALE, IS_FOUND, ASKED, GIVEN_BACK, REACH, FOR_ORDER, SOLD = 1, 2, 3, 4, 5, 6, 7

local function checked(command)
  local detail = command[DETAIL]
  if type(detail) ~= 'table' or not is_text(detail[SALE], 1024) then refuse('the sale is not named') end
  if not is_whole(detail[IS_FOUND], 0, 1) then refuse('it is not said whether the sale was found') end
  pieces.check_asked(detail[ASKED])
  pieces.check_asked(detail[SOLD])
  check_units(detail[GIVEN_BACK], 0, UNITS_MAX)
  facts.check_reach(detail[REACH])
  if type(detail[FOR_ORDER]) ~= 'string' or #detail[FOR_ORDER] > 1024 then refuse('the order is no text') end
  if detail[IS_FOUND] == 0 and #command[LINES] > 0 then refuse('a sale that was not found took nothing') end
  if detail[SALE] == command[ID] then refuse('an event does not void itself') end
  return detail
end

-- Units by SKU, in the order in which the SKUs came.
function voids.tally_of(units)
  local tally = { order = {}, of = {} }
  function tally.add(sku, number)
    if not tally.of[sku] then
      tally.order[#tally.order + 1] = sku
      tally.of[sku] = 0
    end
    tally.of[sku] = tally.of[sku] + number
  end
  for _, each in ipairs(units) do tally.add(each[1], each[2]) end
  return tally
end

-- What was given back already: as the record says, or the ledger, whichever knows of more.
function voids.done(change, call, field, known_back)
  local done = voids.tally_of(record_of(change, call, 'voided', field) or {})
  for _, each in ipairs(known_back) do done.add(each[1], math.max(0, each[2] - (done.of[each[1]] or 0))) end
  return done
end

-- After the deficit into the fence that the units came from, the rest as an arrival. The target of the pool's own fence
-- fell with the sale and rises again, unless the fence is standing.
function voids.put_back(change, place, bucket, quantity, pool, time, from)
  if has_counted(place, time) then return pass_by(change, place, quantity, from) end
  local position, owner = place.after, string.match(bucket, '^ring_fenced:(.*)$')
  local fence = owner and fence_of(position, owner)
  if fence then
    if owner == pool and fence[STANDING] == 0 then fence[TARGET] = fence[TARGET] + quantity end
    local repaid = math.min(quantity, position[DEFICIT])
    position[DEFICIT] = position[DEFICIT] - repaid
    record(change, place, from, 'deficit', repaid)
    local filled = math.max(0, math.min(quantity - repaid, lacking_in(fence)))
    fence[QUANTITY] = fence[QUANTITY] + filled
    record(change, place, from, bucket, filled)
    quantity = quantity - repaid - filled
  end
  arrive(change, place, quantity, from)
end

-- Say of each SKU whose last units come back now, after others of it, which pieces do: those that are still sold; none
-- where they are more than the units, for one of them was sold again meanwhile.
local function name_rests(change, call, takes, wanted, done, named, sold)
  for sku, serials in pairs(sold) do
    local left, place = -(done.of[sku] or 0), nil
    for _, take in ipairs(takes) do
      if take[1].name == sku then left, place = left + take[2], place or take[1] end
    end
    if not named[sku] and (done.of[sku] or 0) > 0 and left > 0 and (not wanted or left <= (wanted[sku] or 0)) then
      local rest = pieces.still_sold(change, call, place, serials)
      named[sku] = #rest <= left and rest or {}
    end
  end
end

-- Units come back with these serials or nil; suspect ones go where a person looks at them.
local function bring_back(change, call, take, units, serials, pool, time, sold)
  local place = take[1]
  move_units(change, units, serials)
  local suspects = pieces.taken_back(change, call, place, serials, time, sold)
  if #suspects == 0 or has_counted(place, time) then
    return voids.put_back(change, place, take[3], units, pool, time, 'customer')
  end
  move_units(change, units - #suspects, pieces.without(serials, suspects))
  voids.put_back(change, place, take[3], units - #suspects, pool, time, 'customer')
  move_units(change, #suspects, suspects)
  put_aside(change, place, 'inspection', #suspects, 'customer')
end

-- Give back what was asked for, or all that is left, of what the sale took: a list of {place, units, bucket, serials}.
-- `sold` has the pieces that the sale named, by SKU.
function voids.give_back(change, call, takes, asked, done, pool, time, sold)
  local wanted, is_all = voids.tally_of(asked), #asked == 0
  local given, skip, named = voids.tally_of({}), {}, pieces.named_in(asked)
  for sku, units in pairs(done.of) do skip[sku] = units end
  name_rests(change, call, takes, not is_all and wanted.of, done, named, sold)
  for _, take in ipairs(takes) do
    local sku = take[1].name
    local passed = math.min(take[2], skip[sku] or 0)
    skip[sku] = (skip[sku] or 0) - passed
    local units = take[2] - passed
    if not is_all then
      units = math.min(units, wanted.of[sku] or 0)
      if units > 0 then wanted.of[sku] = wanted.of[sku] - units end
    end
    if units > 0 then
      -- Which of several pieces came back nobody says; all of them did, or none is known to.
      local serials = units == take[2] and take[4] or nil
      if named[sku] then serials = pieces.first_of(named[sku], units) end
      bring_back(change, call, take, units, serials, pool, time, sold[sku])
      given.add(sku, units)
    end
  end
  move_units(change, 0, nil)
  local lacking = 0
  for _, units in pairs(wanted.of) do lacking = lacking + units end
  raise(change, 'discrepancy', lacking)
  for _, sku in ipairs(given.order) do done.add(sku, given.of[sku]) end
  return given
end

-- The order that the sale was for has its units again, but for those that a fulfilment has seen leave as well.
function voids.keep_again(change, call, order, given, takes)
  if order == '' or #given.order == 0 then return end
  local lines, places = {}, {}
  for _, take in ipairs(takes) do
    local place = take[1]
    holding.need_whole(call, place.line)
    lines[place.name], places[place.name] = place.line, places[place.name] or place
  end
  local account = accounts.open(change, call, lines, order)
  for _, sku in ipairs(given.order) do accounts.regret(change, call, account, places[sku], given.of[sku]) end
  accounts.keep(change, call, account)
end

function voids.keep(change, field, done)
  local kept = {}
  for i, sku in ipairs(done.order) do kept[i] = { sku, done.of[sku] } end
  set_record(change, 'voided', field, kept)
end

-- The sale is not known yet: the void waits for it.
local function wait(change, call, command, detail, field)
  local sale = recall_one(call, field)
  if sale and sale[KIND] == 'fact' then look_again() end
  local found = record_of(change, call, 'voids', field)
  if not found and redis.call('HLEN', KEYS[VOIDS]) >= WAITING_MAX then busy('too many voids wait for their sales') end
  local waiting = {}
  for i, each in ipairs(found or {}) do waiting[i] = each end
  if #waiting >= WAITING_PER_SALE_MAX then
    no_room(WAITING_PER_SALE_MAX .. ' voids wait for this sale already', detail[REACH])
  end
  waiting[#waiting + 1] = { command[TIME], detail[ASKED], detail[REACH], call.now }
  set_record(change, 'voids', field, waiting)
  call.has_voids = true
end

-- detail: {event id of the sale, found 0/1, asked, given back, reach, order, sold}; asked, given back and the lines of the
-- sale that named pieces are lists of {SKU, units, perhaps serials}; a line for each bucket that the sale took units from.
local function apply_void(change, call, command)
  local detail = checked(command)
  change.about = detail[SALE]
  local field = command[SOURCE] .. ':' .. detail[SALE]
  if detail[IS_FOUND] == 0 then return wait(change, call, command, detail, field) end
  local takes = {}
  for i, line in ipairs(command[LINES]) do
    takes[i] = { place_of(change, call, line), line[AMOUNT], line[BUCKET], line[SERIALS] }
  end
  local done = voids.done(change, call, field, detail[GIVEN_BACK])
  local sold = pieces.named_in(detail[SOLD])
  local given = voids.give_back(change, call, takes, detail[ASKED], done, command[OF_POOL], command[TIME], sold)
  for _, sku in ipairs(given.order) do
    change.lines[#change.lines + 1] = { sku_number(change, sku), given.of[sku] }
  end
  if #given.order > 0 then voids.keep(change, field, done) end
  voids.keep_again(change, call, detail[FOR_ORDER], given, takes)
end

facts.void = { low = 1, lines_min = 0, lines_max = TAKES_MAX, bucket_bytes_max = 128, apply = apply_void }

end
