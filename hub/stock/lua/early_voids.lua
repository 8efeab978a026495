-- Voids that came before their sale take effect with it.
--
-- LAW  A void has no effect where its sender may not touch anything.

do

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
  local wanted, left, is_beyond = voids.tally_of(asked), 0, false
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
  local takes, done, sold = takes_of(change), voids.done(change, call, field, {}), {}
  for i, line in ipairs(command[LINES]) do sold[i] = { line[SKU], line[AMOUNT], line[SERIALS] } end
  sold = pieces.named_in(sold)
  for _, each in ipairs(waiting) do
    local asked = {}
    for i, units in ipairs(each[2]) do asked[i] = { house_name(change, call, units[1]), units[2], units[3] } end
    local time = math.min(each[1], call.now)
    change.moment = time ~= command[TIME] and time or nil
    local beyond = beyond_reach(takes, asked, done, each[3])
    if beyond then
      raise(change, 'out_of_reach', beyond)
    else
      local given = voids.give_back(change, call, takes, asked, done, command[OF_POOL], time, sold)
      change.moment = nil
      if #given.order > 0 then voids.keep(change, field, done) end
      voids.keep_again(change, call, string.match(change.about, '^order:(.*)$') or '', given, takes)
    end
  end
  change.moment = nil
end

end
