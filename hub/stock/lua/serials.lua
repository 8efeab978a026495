-- Where each piece with a serial number was last: a piece is never in two places, and who says otherwise is suspect.
--
-- A piece is {state, location, time, transfer}; its state is shelf, sold, transit or gone, and the last is there only where
-- a transfer took it off its shelf or brought it. Each function takes the working copy of a position, a line there and
-- the time of that line.
--
-- LAW  Facts are judged and remembered by their own time: one that is older than what is known of a piece is booked, and
--      neither judged nor remembered. Within one transfer no clock decides: a piece is received after it was sent.

-- SERIALS_MAX of one event, EARLY_SERIALS_MAX of what was received before one dispatch.
local pieces = { SERIAL_BYTES_MAX = 800, SERIALS_MAX = 1000, EARLY_SERIALS_MAX = 2000 }

do

local STATE, WHERE, SINCE, BY_TRANSFER = 1, 2, 3, 4

-- Whether the serials of a line are a list of texts, no more than its units; `found` has all of the command so far. What
-- other events said, which take effect with this one, may name the same pieces.
local function check_serials(line, found, is_own)
  local serials = line[SERIALS]
  local count = type(serials) == 'table' and table.maxn(serials) or 0
  if count < 1 or count > math.abs(line[AMOUNT]) then refuse('serials are no list of at most its units') end
  found.count = found.count + count
  local count_max = is_own and pieces.SERIALS_MAX or pieces.SERIALS_MAX + pieces.EARLY_SERIALS_MAX
  if found.count > count_max then refuse('more than ' .. count_max .. ' serials in one event') end
  local others = count
  for _ in pairs(serials) do others = others - 1 end
  if others ~= 0 then refuse('serials are no list') end
  for i = 1, count do
    if not is_text(serials[i], pieces.SERIAL_BYTES_MAX) then refuse('a serial is no text') end
    local field = line[SKU] .. '\0' .. serials[i]
    if found[field] and is_own then refuse('the serial ' .. serials[i] .. ' stands twice in one event') end
    if not found[field] and known_records['serials\0' .. field] == nil then found.unknown[#found.unknown + 1] = field end
    found[field] = true
  end
end

-- Check the serials of a command's lines, and look all of them up at once. The first `own` lines are of its own event;
-- nil: all are.
function pieces.recall(lines, own)
  local found
  for i, line in ipairs(lines) do
    if line[SERIALS] ~= nil then
      found = found or { count = 0, unknown = {} }
      check_serials(line, found, not own or i <= own)
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

local function remember_piece(change, place, serial, state, time, transfer)
  set_record(change, 'serials', place.name .. '\0' .. serial, { state, place.location, time, transfer })
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

-- Pieces left the shelf for good otherwise than sold.
function pieces.gone(change, call, place, line, time)
  tell(change, call, place, line, time, 'gone', never)
end

-- Pieces left by a transfer; those that it brought to its destination already lie there.
function pieces.sent(change, call, place, line, time, transfer, to)
  for _, serial in ipairs(line[SERIALS] or NONE) do
    local piece, is_old = piece_of(change, call, place, serial, time)
    local has_arrived = piece and piece[STATE] == 'shelf' and piece[WHERE] == to and piece[BY_TRANSFER] == transfer
    if not is_old and not has_arrived then remember_piece(change, place, serial, 'transit', time, transfer) end
  end
end

-- Pieces arrived by a transfer: suspect is what is known sold or gone, on the way by another one, or on another shelf than
-- `may_have_left` says, and what nobody knows unless `has_unnamed`. Returns the suspects.
function pieces.received(change, call, place, line, time, transfer, may_have_left, has_unnamed)
  local suspects = {}
  for _, serial in ipairs(line[SERIALS] or NONE) do
    local piece, is_old = piece_of(change, call, place, serial, time)
    local is_sent = piece and piece[STATE] == 'transit' and (piece[BY_TRANSFER] or transfer) == transfer
    local was_named = is_sent and piece[BY_TRANSFER] ~= nil
    if not is_old or was_named then
      local is_clean = is_sent or not piece and has_unnamed
      if piece and piece[STATE] == 'shelf' then
        is_clean = piece[WHERE] == place.location or may_have_left(piece[WHERE])
      end
      if not is_clean then suspects[#suspects + 1] = serial end
      remember_piece(change, place, serial, 'shelf', is_old and piece[SINCE] or time, transfer)
    end
  end
  alert(change, place, 'counterfeit_suspect', #suspects, '')
  return suspects
end

-- Pieces were counted: what is known on another shelf raises an alert and is not remembered as here.
function pieces.found(change, call, place, line, time)
  tell(change, call, place, line, time, nil, is_elsewhere)
end

-- A sale did not stand: the pieces that this location sold lie on its shelf again. Suspect is what is not among the
-- pieces that the sale named, a list or nil for none. Returns the suspects.
function pieces.taken_back(change, call, place, serials, time, sold)
  local suspects, was_named = {}, {}
  for _, serial in ipairs(serials and sold or NONE) do was_named[serial] = true end
  for _, serial in ipairs(serials or NONE) do
    local piece, is_old = piece_of(change, call, place, serial, time)
    if not is_old then
      if not was_named[serial] then suspects[#suspects + 1] = serial end
      if not was_named[serial] or not was_not_sold_here(piece, place.location) then
        remember_piece(change, place, serial, 'shelf', time)
      end
    end
  end
  alert(change, place, 'counterfeit_suspect', #suspects, '')
  return suspects
end

-- Those of some pieces that this location sold last.
function pieces.still_sold(change, call, place, serials)
  local found = {}
  for _, serial in ipairs(serials) do
    local piece = piece_of(change, call, place, serial, 0)
    if not was_not_sold_here(piece, place.location) then found[#found + 1] = serial end
  end
  return found
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
