-- Voids: sales that did not stand, wholly or in part; their units go back into the buckets they came from.
--
-- `voided` says of a sale how many units of each SKU were given back, a list of {SKU, units}. What comes before its sale
-- waits in `voids`: for each sale a list of {time, a list of {SKU, units, perhaps serials}, reach, booked at}, the inner one
-- empty for all that is left.
--
-- LAW  No unit of a sale is given back twice, and none that it did not take.

do

local WAITING_MAX, WAITING_PER_SALE_MAX = 10000, 100
-- What one sale takes: 100 lines, each from every pool's fence at worst.
local TAKES_MAX = 10000
local UNITS_MAX = LINES_MAX * QUANTITY_MAX
-- Of a command's detail.
local SALE, IS_FOUND, ASKED, GIVEN_BACK, REACH = 1, 2, 3, 4, 5

local function checked(command)
  local detail = command[DETAIL]
  if type(detail) ~= 'table' or not is_text(detail[SALE], 1024) then refuse('the sale is not named') end
  if not is_whole(detail[IS_FOUND], 0, 1) then refuse('it is not said whether the sale was found') end
  pieces.check_asked(detail[ASKED])
  check_units(detail[GIVEN_BACK], 0, UNITS_MAX)
  facts.check_reach(detail[REACH])
  if detail[IS_FOUND] == 0 and #command[LINES] > 0 then refuse('a sale that was not found took nothing') end
  if detail[SALE] == command[ID] then refuse('an event does not void itself') end
  return detail
end

-- Units by SKU, in the order in which the SKUs came.
local function tally_of(units)
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
local function voided(change, call, field, known_back)
  local done = tally_of(record_of(change, call, 'voided', field) or {})
  for _, each in ipairs(known_back) do done.add(each[1], math.max(0, each[2] - (done.of[each[1]] or 0))) end
  return done
end

-- After the deficit into the fence that the units came from, the rest as an arrival. The target of the pool's own fence
-- fell with the sale and rises again, unless the fence is standing.
local function put_back(change, place, bucket, quantity, pool, time)
  if has_counted(place, time) then return pass_by(change, place, quantity, 'customer') end
  local position, owner = place.after, string.match(bucket, '^ring_fenced:(.*)$')
  local fence = owner and fence_of(position, owner)
  if fence then
    if owner == pool and fence[STANDING] == 0 then fence[TARGET] = fence[TARGET] + quantity end
    local repaid = math.min(quantity, position[DEFICIT])
    position[DEFICIT] = position[DEFICIT] - repaid
    record(change, place, 'customer', 'deficit', repaid)
    local filled = math.max(0, math.min(quantity - repaid, lacking_in(fence)))
    fence[QUANTITY] = fence[QUANTITY] + filled
    record(change, place, 'customer', bucket, filled)
    quantity = quantity - repaid - filled
  end
  arrive(change, place, quantity, 'customer')
end

-- Give back what was asked for, or all that is left, of what the sale took: a list of {place, units, bucket, serials}.
local function give_back(change, call, takes, asked, done, pool, time)
  local wanted, is_all = tally_of(asked), #asked == 0
  local given, skip, named = tally_of({}), {}, pieces.named_in(asked)
  for sku, units in pairs(done.of) do skip[sku] = units end
  for _, take in ipairs(takes) do
    local place, sku = take[1], take[1].name
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
      move_units(change, units, serials)
      pieces.taken_back(change, call, place, { [SERIALS] = serials }, time)
      put_back(change, place, take[3], units, pool, time)
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

local function keep_voided(change, field, done)
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

-- detail: {event id of the sale, found 0/1, asked, given back, reach}, the middle two lists of {SKU, units}; a line for
-- each bucket that the sale took units from, in its order.
local function apply_void(change, call, command)
  local detail = checked(command)
  change.about = detail[SALE]
  local field = command[SOURCE] .. ':' .. detail[SALE]
  if detail[IS_FOUND] == 0 then return wait(change, call, command, detail, field) end
  local takes = {}
  for i, line in ipairs(command[LINES]) do
    takes[i] = { place_of(change, call, line), line[AMOUNT], line[BUCKET], line[SERIALS] }
  end
  local done = voided(change, call, field, detail[GIVEN_BACK])
  local given = give_back(change, call, takes, detail[ASKED], done, command[OF_POOL], command[TIME])
  for _, sku in ipairs(given.order) do
    change.lines[#change.lines + 1] = { sku_number(change, sku), given.of[sku] }
  end
  if #given.order > 0 then keep_voided(change, field, done) end
end

facts.void = { low = 1, lines_min = 0, lines_max = TAKES_MAX, bucket_bytes_max = 128, apply = apply_void }

local function takes_of(change)
  local takes = {}
  for _, move in ipairs(change.movements) do
    for _, place in ipairs(change.places) do
      if move[4] == 'customer' and place.sku == move[1] and place.location == move[2] then
        takes[#takes + 1] = { place, move[5], move[3], move[7] }
      end
    end
  end
  return takes
end

-- The units of a void that waited for what its sender may not touch; nil if there is nothing of that.
local function beyond_reach(takes, asked, done, reach)
  local wanted, left, is_beyond = tally_of(asked), 0, false
  for _, take in ipairs(takes) do
    left = left + take[2]
    local is_asked = #asked == 0 or wanted.of[take[1].name] ~= nil
    is_beyond = is_beyond or is_asked and not facts.reaches(reach, take[1].location)
  end
  if not is_beyond then return nil end
  local units = 0
  for _, number in pairs(wanted.of) do units = units + number end
  for _, number in pairs(done.of) do left = left - number end
  return #asked > 0 and units or left
end

-- What of a sale was voided before it came, it gives back at once, as of the voids' own time.
function facts.sale.after(change, call, command)
  if call.has_voids == nil then call.has_voids = expect_type(KEYS[VOIDS], 'hash') end
  if not call.has_voids then return end
  local field = field_of(command)
  local waiting = record_of(change, call, 'voids', field)
  if not waiting then return end
  set_record(change, 'voids', field, nil)
  local takes, done, has_given = takes_of(change), voided(change, call, field, {}), false
  for _, each in ipairs(waiting) do
    local asked = {}
    for i, units in ipairs(each[2]) do asked[i] = { house_name(change, call, units[1]), units[2], units[3] } end
    local time = math.min(each[1], call.now)
    change.moment = time ~= command[TIME] and time or nil
    local beyond = beyond_reach(takes, asked, done, each[3])
    if beyond then
      raise(change, 'out_of_reach', beyond)
    else
      has_given = #give_back(change, call, takes, asked, done, command[OF_POOL], time).order > 0 or has_given
    end
  end
  change.moment = nil
  if has_given then keep_voided(change, field, done) end
end

end
