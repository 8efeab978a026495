-- What may be counted: whole numbers in bounds, whatever a caller sends.
--
-- LAW  A guard written as "if q <= 0" lets NaN through, because both comparisons are false;
--      so a number is good only if it proves to be whole and inside its bounds.

local QUANTITY_MAX = 1000000
local INSTANT_MAX = 8640000000000000  -- the far end of RFC 3339 years, in milliseconds
local LINES_MAX = 100

-- Where the parts of a command stand; FIELD is its dedupe field, made here.
local VERB, TYPE, SOURCE, ID, CONTENT, TIME, STATED_AT, LEDGER_CHECKED, PAYLOAD, OF_POOL, IS_STANDING, LINES,
  DETAIL, FIELD = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14

-- Where the keys stand that every call has; the seen days come after them, first to last.
local META, JOURNAL, AHEAD, HELD_INDEX, EXPIRY, SHORTFALLS, FIRST_DAY = 1, 2, 3, 12, 13, 15, 16

local function is_whole(value, low, high)
  return type(value) == 'number' and value == math.floor(value) and value >= low and value <= high
end

local function is_text(value, bytes_max)
  return type(value) == 'string' and #value >= 1 and #value <= bytes_max
end

-- Stops the command, never the call: every command is checked under pcall.
local function refuse(reason)
  error({ refused = reason }, 0)
end

-- Whether it is a list without holes or names.
local function is_list(value, size_max)
  if type(value) ~= 'table' or table.maxn(value) > size_max then return false end
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  return count == table.maxn(value)
end

-- Stops the command unless it is a list of {SKU, units}, as some commands say beside their lines.
local function check_units(units, low, high)
  if not is_list(units, LINES_MAX) then refuse('units are no list of at most 100') end
  for _, each in ipairs(units) do
    if not (is_list(each, 2) and is_text(each[1], 512) and is_whole(each[2], low, high)) then
      refuse('units are no SKU and number')
    end
  end
end

-- Stops the command, because what it was made from is not what is there any more; whoever sent it looks again.
local function look_again()
  error({ look_again = true }, 0)
end

-- Stops the command and keeps it whole until there is room; `reach` says where it may take effect then, nil for anywhere.
local function no_room(reason, reach)
  error({ parked = reason, reach = reach }, 0)
end

-- Stops the command for now; the same again later is taken.
local function busy(reason)
  error({ busy = reason }, 0)
end

-- Whether a key is there; it may hold nothing else, because the first write to it would fail.
local function expect_type(key, wanted)
  local kind = redis.call('TYPE', key).ok
  if kind ~= wanted and kind ~= 'none' then error(key .. ' holds a ' .. kind) end
  return kind == wanted
end
