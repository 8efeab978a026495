-- What is expected of each SKU: lines of purchase orders, and what of them has arrived. Nothing here moves a unit.
--
-- A line is {location, purchase order, quantity, received, eta, set at, promises}, without the last two while only receipts
-- came, and without promises while there are none; the last changed line stands at the end. Promises are a list of
-- {pool, units held, units sold}.
--
-- LAW  An `expected` is decided by its own time and receipts add up whenever they come, so the same facts leave the same
--      supply in whatever order they came.

local supply = { WHERE = 1, ORDER = 2, ETA = 5 }  -- places in a line

do

local WHERE, ORDER, ORDERED, RECEIVED, ETA, SET_AT_TIME, PROMISES = 1, 2, 3, 4, 5, 6, 7
local OPEN_MAX = 200  -- lines of one SKU of which something is still to come; one more is parked
local KEPT_MAX = 16   -- of each kind of line that expects nothing more, remembered for facts that come late

local function check_supply(detail)
  if type(detail) ~= 'table' or not is_text(detail[1], 1024) then refuse('the purchase order is missing') end
  if not is_whole(detail[2], -INSTANT_MAX, INSTANT_MAX) then refuse('eta is not a whole number of milliseconds') end
  return detail[1], detail[2]
end

function supply.lines_of(change, state, sku)
  local set = change.record_at['expected\0' .. sku]
  return set and set[3] or expected_in(state)
end

function supply.outstanding_in(line) return math.max(0, line[ORDERED] - line[RECEIVED]) end

-- Units of a line that are promised, by one pool or by all.
function supply.promised_in(line, pool)
  local units = 0
  for _, each in ipairs(line[PROMISES] or NONE) do
    if not pool or each[1] == pool then units = units + each[2] + each[3] end
  end
  return units
end

function supply.line_of(change, state, sku, location, order)
  for _, line in ipairs(supply.lines_of(change, state, sku)) do
    if line[WHERE] == location and line[ORDER] == order then return line end
  end
  return { location, order, 0, 0, 0 }
end

-- The lines without the oldest of those that expect nothing more, and how many are open.
local function remembered(lines)
  local kept, open = {}, 0
  local room = { settled = KEPT_MAX, unannounced = KEPT_MAX }
  for i = #lines, 1, -1 do
    local line = lines[i]
    if line[ORDERED] > line[RECEIVED] then
      open = open + 1
      kept[#kept + 1] = line
    else
      local kind = line[SET_AT_TIME] and 'settled' or 'unannounced'
      room[kind] = room[kind] - 1
      if room[kind] >= 0 then kept[#kept + 1] = line end
    end
  end
  for i = 1, math.floor(#kept / 2) do kept[i], kept[#kept + 1 - i] = kept[#kept + 1 - i], kept[i] end
  return kept, open
end

local function set_lines(change, state, sku, lines)
  change.expected[sku] = change.expected[sku] or state
  set_record(change, 'expected', sku, lines)
end

local function set_line(change, state, sku, new)
  local lines = {}
  for _, line in ipairs(supply.lines_of(change, state, sku)) do
    if line[WHERE] ~= new[WHERE] or line[ORDER] ~= new[ORDER] then lines[#lines + 1] = line end
  end
  lines[#lines + 1] = new
  local kept, open = remembered(lines)
  -- Only an `expected` makes a line open, so no receipt is parked.
  if open > OPEN_MAX then
    no_room('more than ' .. OPEN_MAX .. ' lines of purchase orders would be open for ' .. sku)
  end
  set_lines(change, state, sku, kept)
end

-- Units that a line brings are promised by a pool, or with a minus no more.
function supply.note_promised(change, state, sku, place, pool, held, sold)
  local lines = {}
  for i, line in ipairs(supply.lines_of(change, state, sku)) do
    lines[i] = line
    if line[WHERE] == place[1] and line[ORDER] == place[2] then
      local promises, is_known = {}, false
      for _, each in ipairs(line[PROMISES] or NONE) do
        local new = { each[1], each[2], each[3] }
        if each[1] == pool then
          new[2], new[3], is_known = each[2] + held, each[3] + sold, true
        end
        if new[2] ~= 0 or new[3] ~= 0 then promises[#promises + 1] = new end
      end
      if not is_known then promises[#promises + 1] = { pool, held, sold } end
      lines[i] = { unpack(line, 1, SET_AT_TIME) }
      lines[i][PROMISES] = #promises > 0 and promises or nil
    end
  end
  sku_number(change, sku)
  set_lines(change, state, sku, lines)
end


-- Lines of one SKU are one line of their sum, and 0 cancels. No position is touched.
function supply.expect(change, call, command)
  local order, eta = check_supply(command[DETAIL])
  change.about = order
  local totals, total_at = {}, {}
  for _, line in ipairs(command[LINES]) do
    local name = line[SKU] .. '\0' .. line[LOCATION]
    local total = total_at[name]
    if not total then
      total = { state = state_of(call, line), sku = line[SKU], location = line[LOCATION], units = 0 }
      change.line_at[line[SKU]] = line
      total_at[name] = total
      totals[#totals + 1] = total
    end
    total.units = total.units + line[AMOUNT]
    change.lines[#change.lines + 1] = { sku_number(change, line[SKU]), line[AMOUNT] }
  end
  for _, total in ipairs(totals) do
    local old = supply.line_of(change, total.state, total.sku, total.location, order)
    if not old[SET_AT_TIME] or old[SET_AT_TIME] <= command[TIME] then
      if total.units > 0 and eta > old[ETA] and old[PROMISES] then
        table.insert(change.delayed, { sku = total.sku, location = total.location, order = order })
      end
      local new = { total.location, order, total.units, old[RECEIVED], eta, command[TIME], old[PROMISES] }
      set_line(change, total.state, total.sku, new)
    end
  end
end

-- Units of a purchase order arrived; what a count has seen has arrived all the same.
function supply.receive(change, state, line, detail)
  local order = check_supply(detail)
  change.about = order
  local old = supply.line_of(change, state, line[SKU], line[LOCATION], order)
  local new = { unpack(old, 1, PROMISES) }
  new[RECEIVED] = old[RECEIVED] + line[AMOUNT]
  set_line(change, state, line[SKU], new)
  if not old[PROMISES] then return end
  local name = line[SKU] .. '\0' .. line[LOCATION] .. '\0' .. order
  local came = change.came_at[name]
  if not came then
    came = { line = line, order = order, units = 0 }
    change.came_at[name] = came
    change.came[#change.came + 1] = came
  end
  came.units = came.units + line[AMOUNT]
end

end
