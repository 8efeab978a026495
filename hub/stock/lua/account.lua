-- What is known of one order and what is kept for it, as a command changes them.
--
-- An order is {pool, is set 0/1, set at, is cancelled 0/1, is fulfilled 0/1, fulfilled from, lines}; a line of it is
-- {SKU, ordered, cancelled, sold, fulfilled, waiting, left from, guessed}; guessed is a list of {location, units}.
--
-- LAW  out = max(sold, fulfilled) units left; max(0, ordered - cancelled - out) are kept, as far as there are any, and the
--      rest is owed: an allocation to nowhere. To whom units of a SKU are owed is listed, the first order first.

local accounts = {
  POOL = 1, IS_SET = 2, SET_AT = 3, IS_CANCELLED = 4, IS_FULFILLED = 5, FULFILLED_FROM = 6, LINES = 7,
  ORDERED = 2, CANCELLED = 3, SOLD = 4, FULFILLED = 5, WAITING = 6, LEFT_FROM = 7, GUESSED = 8,
}

do

local UNITS, LOCATED = 2, 1

local ORDER = 'order:'

-- The id of the order whose hold has this name; nil where it is a reservation's.
function accounts.id_of(name) return string.sub(name, 1, #ORDER) == ORDER and string.sub(name, #ORDER + 1) or nil end

-- What was told of a SKU of an order; a new line when nothing was.
function accounts.line_of(order, sku)
  for _, line in ipairs(order[accounts.LINES]) do
    if line[1] == sku then return line end
  end
  return { sku, 0, 0, 0, 0, 0, '', {} }
end

-- Put a line in place of the SKU's, or at the end.
function accounts.set_line(order, new)
  for i, line in ipairs(order[accounts.LINES]) do
    if line[1] == new[1] then
      order[accounts.LINES][i] = new
      return
    end
  end
  table.insert(order[accounts.LINES], new)
end

function accounts.out_of(line) return math.max(line[accounts.SOLD], line[accounts.FULFILLED]) end

function accounts.due(order, sku)
  if order[accounts.IS_CANCELLED] == 1 or order[accounts.POOL] == '' then return 0 end
  local line = accounts.line_of(order, sku)
  return math.max(0, line[accounts.ORDERED] - line[accounts.CANCELLED] - accounts.out_of(line))
end

local function copy_of_order(order)
  local copied = { unpack(order, 1, 7) }
  copied[accounts.LINES] = {}
  for i, line in ipairs(order[accounts.LINES]) do copied[accounts.LINES][i] = { unpack(line, 1, 8) } end
  return copied
end

-- Its lines by the names that the house has by now; lines of one SKU are one.
local function rename(change, call, order)
  local old = order[accounts.LINES]
  order[accounts.LINES] = {}
  for _, line in ipairs(old) do
    local name = house_name(change, call, line[1])
    local new = accounts.line_of(order, name)
    for place = accounts.ORDERED, accounts.WAITING do new[place] = new[place] + line[place] end
    if line[accounts.LEFT_FROM] ~= '' then new[accounts.LEFT_FROM] = line[accounts.LEFT_FROM] end
    for _, guess in ipairs(line[accounts.GUESSED]) do table.insert(new[accounts.GUESSED], guess) end
    accounts.set_line(order, new)
  end
  return order
end

-- `lines` has the line of each SKU, by name.
function accounts.open(change, call, lines, id)
  local found = record_of(change, call, 'orders', id) or record_of(change, call, 'ended_orders', id)
  local name = ORDER .. id
  return {
    id = id, name = name, lines = lines, left_at = {},
    order = found and rename(change, call, copy_of_order(found)) or { '', 0, 0, 0, 0, '', {} },
    hold = holding.known(change, call, name),
  }
end

function accounts.is_over(order)
  if order[accounts.POOL] == '' then return false end
  for _, line in ipairs(order[accounts.LINES]) do
    if accounts.due(order, line[1]) > 0 or line[accounts.WAITING] > 0 then return false end
  end
  return true
end

local function is_kept(part, sku) return part[1] == sku and holding.KEPT[part[3]] end

function accounts.kept_units(account, sku, is_placed)
  local units = 0
  for _, part in ipairs(account.hold and account.hold[holding.PARTS] or NONE) do
    for _, each in ipairs(is_kept(part, sku) and part[5] or NONE) do
      if holding.is_placed(each) == is_placed then units = units + each[UNITS] end
    end
  end
  return units
end

local function is_any(account, sku, fits)
  for _, part in ipairs(account.hold[holding.PARTS]) do
    for _, each in ipairs(is_kept(part, sku) and part[5] or NONE) do
      if fits(each) then return true end
    end
  end
  return false
end

-- Whether units of the SKU are owed to the order, or promised.
function accounts.is_owed(account, sku)
  return is_any(account, sku, function(each) return each[LOCATED] == '' end)
end

function accounts.is_promised(account, sku) return is_any(account, sku, holding.is_promised) end

-- Add a part with these of its allocations, if any.
local function add_only(list, part, allocations)
  local units = 0
  for _, each in ipairs(allocations) do units = units + each[UNITS] end
  if units > 0 then list[#list + 1] = { part[1], units, part[3], part[4], allocations } end
end

-- The parts without what of the SKU lies nowhere: those, what is coming, and units that are owed.
function accounts.sorted_parts(parts, sku)
  local others, coming, owed = {}, {}, 0
  for _, part in ipairs(parts) do
    local placed, on_the_way = {}, {}
    for _, each in ipairs(part[1] == sku and part[5] or NONE) do
      if holding.is_placed(each) then
        placed[#placed + 1] = each
      elseif each[LOCATED] == '' then
        owed = owed + each[UNITS]
      else
        on_the_way[#on_the_way + 1] = each
      end
    end
    if part[1] ~= sku or #placed == #part[5] then
      others[#others + 1] = part
    else
      add_only(others, part, placed)
      add_only(coming, part, on_the_way)
    end
  end
  return others, coming, owed
end

function accounts.keep_parts(account, parts, coming, sku, owed)
  for _, part in ipairs(coming) do parts[#parts + 1] = part end
  if owed > 0 then parts[#parts + 1] = { sku, owed, holding.CONFIRMED, 0, { { '', owed, 0, '' } } } end
  account.hold = holding.with_parts(account.hold, parts)
end

-- Units found by force, as many as there are, added to the parts; returns how many.
function accounts.force(change, call, account, parts, sku, units, only)
  if units == 0 then return 0 end
  local hold = account.hold
  local wish = {
    pool = hold[holding.POOL], only = only or hold[holding.ONLY], prefer = hold[holding.PREFER], is_split = true,
    is_forced = true,
  }
  local found = placing.find(change, call, account.lines, wish, { { sku = sku, quantity = units, location = '' } })
  local more = holding.taken(change, call, account.lines, wish.pool, found.places, holding.CONFIRMED, 0)
  for _, part in ipairs(more) do parts[#parts + 1] = part end
  return holding.units_of(more), more
end

-- Promise to the order units that are still to come, added to the parts, as many as may be; returns how many. Those that were
-- promised or owed before are promised anew.
function accounts.promise(change, call, account, parts, sku, units, is_anew)
  local more = holding.promised_parts(change, call, account.lines[sku], account.hold, units, is_anew)
  for i, part in ipairs(more) do
    more[i] = { part[1], part[2], holding.CONFIRMED, 0, part[5] }
    parts[#parts + 1] = more[i]
  end
  return holding.units_of(more), more
end

-- Units found by force, else promised, added to the parts; returns how many neither are there nor may be promised.
function accounts.have(change, call, account, parts, sku, units)
  local left = units - accounts.force(change, call, account, parts, sku, units)
  return left - accounts.promise(change, call, account, parts, sku, left, false)
end

end
