-- Counts of the shelf, each as of its own time: opened, and closed once the ledger told what the book said then.
--
-- An open count is {source, event id, location, counted at, kind, scope, rows}, a row {SKU, counted, on hand, deficit},
-- the last two as they were when it was opened.
--
-- LAW  From open on, what happened at or before the count's time leaves the shelf alone; close books one fixed difference.

do

local OPEN_MAX = 10000
local KINDS = { physical = true, system = true }
local COMPLETE, REST = 1, 2
-- Told instead of the kind, where the rest of a complete count and the book agree.
local UNLISTED = 'unlisted'

-- A name that the detail says, or nil.
local function said(name, bytes_max)
  if name == nil or name == '' then return nil end
  if not is_text(name, bytes_max) then refuse('a name of the count is no text') end
  return name
end

local function on_hand(position)
  local units = position[FREE] + position[RESERVED]
  for _, fence in ipairs(position[FENCES]) do units = units + fence[QUANTITY] end
  for _, held in ipairs(position[ASIDE]) do units = units + held[2] end
  return units
end

-- detail: {counted at, kind, scope, location, source, id}, the last three empty or left out where the lines and the
-- event say them.
local function open_count(change, call, command)
  local detail = command[DETAIL]
  if type(detail) ~= 'table' or not is_whole(detail[1], -INSTANT_MAX, INSTANT_MAX) or not KINDS[detail[2]]
    or not is_whole(detail[3], 0, REST) then
    refuse('it is not said when or how was counted')
  end
  local first, sent_by, sent_id = command[LINES][1], said(detail[5], 64), said(detail[6], 1024)
  local location = first and first[LOCATION] or said(detail[4], 64)
  if not location or not first and detail[3] ~= COMPLETE then refuse('it is not said where was counted') end
  if redis.call('HLEN', KEYS[COUNTS]) >= OPEN_MAX then busy('too many counts wait for the ledger') end
  local counted_at = math.min(detail[1], call.now)
  local rows, row_of = {}, {}
  for _, line in ipairs(command[LINES]) do
    if line[LOCATION] ~= location then refuse('a count is of one location') end
    local place = place_of(change, call, line)
    change.lines[#change.lines + 1] = { place.sku, line[AMOUNT] }
    pieces.found(change, call, place, line, counted_at)
    local row = row_of[place.name]
    if not row then
      row = { place.name, 0, on_hand(place.after), place.after[DEFICIT] }
      row_of[place.name] = row
      rows[#rows + 1] = row
    end
    row[2] = row[2] + line[AMOUNT]
    if not place.after[COUNTED_AT] or place.after[COUNTED_AT] <= counted_at then
      place.after[COUNTED_AT], place.after[COUNTED_BY] = counted_at, call.next
    end
  end
  local opened = string.format('%d-%d', call.epoch, call.next)
  set_record(change, 'counts', opened, {
    sent_by or command[SOURCE], sent_id or command[ID], location, counted_at, detail[2], detail[3], rows,
  })
end

facts.count = { low = 0, lines_min = 0, apply = open_count }

-- A plus is an arrival, a minus comes from the whole shelf; what was owed when the count was opened it has seen.
local function settle(change, call, place, difference, owed)
  local position = place.after
  local repaid = math.min(position[DEFICIT], owed, math.max(0, on_hand(position) + difference))
  position[DEFICIT] = position[DEFICIT] - repaid
  record(change, place, 'variance', 'deficit', repaid)
  local left = difference - repaid
  if left > 0 then
    arrive(change, place, left, 'variance')
  else
    local missing = facts.take_whatever_is_there(change, place, -left, 'free', call, 'variance')
    place.after[DEFICIT] = place.after[DEFICIT] + missing
    record(change, place, 'deficit', 'variance', missing)
  end
end

-- The shelf is set by what was booked on it; the book that is told has what went by the shelf unseen, too.
local function close_row(change, call, place, row, since, passed, count)
  local lay = row[3] - row[4] - since
  local book = lay + passed
  local is_newest = place.after[COUNTED_AT] == count.counted_at and place.after[COUNTED_BY] == count.opened_by
  if is_newest then settle(change, call, place, row[2] - lay, row[4]) end
  local told = (count.scope ~= REST or row[2] ~= book) and count.kind or UNLISTED
  if told ~= UNLISTED or is_newest then
    change.counted[#change.counted + 1] = {
      place.sku, place.location, count.counted_at, told, row[2], book, is_newest and 1 or 0, count.opened_by,
    }
  end
  if count.kind == 'physical' then alert(change, place, 'discrepancy', math.abs(row[2] - book), '') end
end

-- detail: {opening entry as epoch-number, for each row the units since, and those that went by}, the last of them
-- empty for none; a line for each row, in their order.
local function close_count(change, call, command)
  local detail = command[DETAIL]
  if type(detail) ~= 'table' or not is_text(detail[1], 64) or type(detail[2]) ~= 'table' then
    refuse('it is not said which count is closed')
  end
  local found = record_of(change, call, 'counts', detail[1])
  if not found then error({ unchanged = true }, 0) end
  change.about = detail[1]
  local rows, passed = found[7], detail[3] or NONE
  if type(passed) ~= 'table' or #rows ~= #command[LINES] or #rows ~= table.maxn(detail[2])
    or table.maxn(passed) ~= 0 and table.maxn(passed) ~= #rows then
    refuse('the rows are not those of the count')
  end
  local count = {
    counted_at = found[4], kind = found[5], scope = found[6], opened_by = tonumber(string.match(detail[1], '-(%d+)$')),
  }
  for i, line in ipairs(command[LINES]) do
    if line[SKU] ~= rows[i][1] or line[LOCATION] ~= found[3] then refuse('the rows are not those of the count') end
    local since, by = detail[2][i], #passed > 0 and passed[i] or 0
    if not (is_whole(since, -INSTANT_MAX, INSTANT_MAX) and is_whole(by, -INSTANT_MAX, INSTANT_MAX)) then
      refuse('units are no whole number')
    end
    close_row(change, call, place_of(change, call, line), rows[i], since, by, count)
  end
  set_record(change, 'counts', detail[1], nil)
end

facts.close = { low = 0, lines_min = 0, apply = close_count }

end
