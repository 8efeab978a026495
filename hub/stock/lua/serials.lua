-- Where each piece with a serial number was last: a piece is never in two places, and who says otherwise is suspect.
--
-- A piece is {state, location, time}; its state is shelf, sold, transit or gone. Each function takes the working copy of
-- a position, a line there and the time of that line.
--
-- LAW  Facts are judged and remembered by their own time: one that is older than what is known of a piece is booked, and
--      neither judged nor remembered.

local pieces = {}

do

local STATE, WHERE, SINCE = 1, 2, 3
local SERIAL_BYTES_MAX = 800
local SERIALS_MAX = 1000  -- of one command

-- Whether the serials of a line are a list of texts, no more than its units; `found` has all of the command so far.
local function check_serials(line, found)
  local serials = line[SERIALS]
  local count = type(serials) == 'table' and table.maxn(serials) or 0
  if count < 1 or count > math.abs(line[AMOUNT]) then refuse('serials are no list of at most its units') end
  found.count = found.count + count
  if found.count > SERIALS_MAX then refuse('more than ' .. SERIALS_MAX .. ' serials in one event') end
  local others = count
  for _ in pairs(serials) do others = others - 1 end
  if others ~= 0 then refuse('serials are no list') end
  for i = 1, count do
    if not is_text(serials[i], SERIAL_BYTES_MAX) then refuse('a serial is no text') end
    local field = line[SKU] .. '\0' .. serials[i]
    if found[field] then refuse('the serial ' .. serials[i] .. ' stands twice in one event') end
    found[field] = true
    if known_records['serials\0' .. field] == nil then found.unknown[#found.unknown + 1] = field end
  end
end

-- Check the serials of a command's lines, and look all of them up at once.
function pieces.recall(lines)
  local found
  for _, line in ipairs(lines) do
    if line[SERIALS] ~= nil then
      found = found or { count = 0, unknown = {} }
      check_serials(line, found)
    end
  end
  if not found or #found.unknown == 0 then return end
  local key = KEYS[SERIAL_PLACES]
  expect_type(key, 'hash')
  for i, packed in ipairs(redis.call('HMGET', key, unpack(found.unknown))) do
    known_records['serials\0' .. found.unknown[i]] = packed and stored(packed)
  end
end

-- What is known of a piece, unless a fact of this time is too old to say anything new; then the second value is true.
local function piece_of(change, call, place, serial, time)
  local piece = record_of(change, call, 'serials', place.name .. '\0' .. serial)
  return piece, piece ~= nil and piece[SINCE] > time
end

local function remember_piece(change, place, serial, state, time)
  set_record(change, 'serials', place.name .. '\0' .. serial, { state, place.location, time })
end

-- Judge the pieces of a line, then remember where they are; without a state nothing is remembered. Returns the suspects.
local function tell(change, call, place, line, time, state, is_suspect)
  if not line[SERIALS] then return NONE end
  local suspects = {}
  for _, serial in ipairs(line[SERIALS]) do
    local piece, is_old = piece_of(change, call, place, serial, time)
    if not is_old then
      if is_suspect(piece, place.location) then suspects[#suspects + 1] = serial end
      if state then remember_piece(change, place, serial, state, time) end
    end
  end
  alert(change, place, 'counterfeit_suspect', #suspects, '')
  return suspects
end

local function is_elsewhere(piece, location)
  return piece ~= nil and piece[STATE] == 'shelf' and piece[WHERE] ~= location
end

local function is_elsewhere_or_sold(piece, location)
  return is_elsewhere(piece, location) or piece ~= nil and piece[STATE] == 'sold'
end

local function was_not_sold_here(piece, location)
  return not (piece and piece[STATE] == 'sold' and piece[WHERE] == location)
end

local function never() return false end

-- Pieces came onto the shelf from elsewhere: suspect is what is known sold or on another shelf.
function pieces.came_in(change, call, place, line, time)
  return tell(change, call, place, line, time, 'shelf', is_elsewhere_or_sold)
end

-- Pieces were returned: suspect is what this location is not known to have sold.
function pieces.came_back(change, call, place, line, time)
  return tell(change, call, place, line, time, 'shelf', was_not_sold_here)
end

function pieces.sold(change, call, place, line, time)
  tell(change, call, place, line, time, 'sold', is_elsewhere_or_sold)
end

-- Pieces left the shelf otherwise: into `transit`, or they are `gone`.
function pieces.left(change, call, place, line, time, state)
  tell(change, call, place, line, time, state, never)
end

-- Pieces were counted: what is known on another shelf raises an alert and is not remembered as here.
function pieces.found(change, call, place, line, time)
  tell(change, call, place, line, time, nil, is_elsewhere)
end

-- A sale did not stand: the pieces that this location sold lie on its shelf again.
function pieces.taken_back(change, call, place, line, time)
  for _, serial in ipairs(line[SERIALS] or NONE) do
    local piece, is_old = piece_of(change, call, place, serial, time)
    if not is_old and not was_not_sold_here(piece, place.location) then
      remember_piece(change, place, serial, 'shelf', time)
    end
  end
end

-- Stops the command unless it is nil or a list of at most so many serials.
function pieces.check_named(serials, count_max)
  if serials == nil then return end
  if not is_list(serials, math.min(count_max, SERIALS_MAX)) then refuse('serials are no list of at most its units') end
  for _, serial in ipairs(serials) do
    if not is_text(serial, SERIAL_BYTES_MAX) then refuse('a serial is no text') end
  end
end

-- Stops the command unless it is a list of {SKU, units, perhaps the serials of some or all of them}.
function pieces.check_asked(asked)
  if not is_list(asked, LINES_MAX) then refuse('units are no list of at most 100') end
  local units = {}
  for i, each in ipairs(asked) do
    if not is_list(each, 3) then refuse('units are no SKU and number') end
    units[i] = { each[1], each[2] }
  end
  check_units(units, 1, QUANTITY_MAX)
  for _, each in ipairs(asked) do pieces.check_named(each[3], each[2]) end
end

-- By SKU, of a list of {SKU, units, perhaps serials}: the serials, each once, where some are said.
function pieces.named_in(asked)
  local named, seen = {}, {}
  for _, each in ipairs(asked) do
    for _, serial in ipairs(each[3] or NONE) do
      local field = each[1] .. '\0' .. serial
      named[each[1]] = named[each[1]] or {}
      if not seen[field] then table.insert(named[each[1]], serial) end
      seen[field] = true
    end
  end
  return named
end

-- Take the first so many out of a list; nil for none.
function pieces.first_of(serials, count)
  local taken = {}
  while #serials > 0 and #taken < count do taken[#taken + 1] = table.remove(serials, 1) end
  return #taken > 0 and taken or nil
end

-- The serials that are not among the suspects, or nil for none.
function pieces.without(serials, suspects)
  if not serials or #suspects == 0 then return serials end
  local left, is_suspect = {}, {}
  for _, serial in ipairs(suspects) do is_suspect[serial] = true end
  for _, serial in ipairs(serials) do
    if not is_suspect[serial] then left[#left + 1] = serial end
  end
  return #left > 0 and left or nil
end

end
