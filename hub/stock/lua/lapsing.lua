-- What waits for a fact that never comes is forgotten after some time, and somebody hears of it.
--
-- LAW  What waits lapses by when it was booked, by this clock; whoever asks too early changes nothing.

do

local LAPSES_AFTER_MS = 90 * DAY_MS
local ASKED, BOOKED_AT = 2, 4

-- What waits for its dispatch: the units that lapsed.
local function lapse_early(change, call, id, before)
  local found = record_of(change, call, transit.OPEN, id)
  if not found then return 0 end
  local waiting, lapsed = transit.waiting_of(found, before)
  if lapsed > 0 then transit.keep_waiting(change, id, found, waiting, call.now) end
  return lapsed
end

-- What waits for its sale; a void of a whole sale counts as one unit, for nobody knows how many those were.
local function lapse_voids(change, call, field, before)
  local waiting, lapsed = {}, 0
  for _, each in ipairs(record_of(change, call, 'voids', field) or NONE) do
    if (each[BOOKED_AT] or each[1]) > before then
      waiting[#waiting + 1] = each
    else
      local units = 0
      for _, asked in ipairs(each[ASKED]) do units = units + asked[2] end
      lapsed = lapsed + math.max(1, units)
    end
  end
  if lapsed > 0 then set_record(change, 'voids', field, #waiting > 0 and waiting or nil) end
  return lapsed
end

local BY_TABLE = {
  transfers = { type = 'transfer.received', lapse = lapse_early },
  voids = { type = 'sale.voided', lapse = lapse_voids },
}

-- detail: {table, field}
local function apply_lapse(call, command)
  local detail = command[DETAIL]
  local of_table = type(detail) == 'table' and BY_TABLE[detail[1]]
  if not of_table or not is_text(detail[2], 2048) then refuse('it is not said what lapses') end
  local change = new_change()
  local lapsed = of_table.lapse(change, call, detail[2], call.now - LAPSES_AFTER_MS)
  if lapsed == 0 then return nil end
  command[TYPE], change.about = of_table.type, detail[2]
  raise(change, 'never_explained', lapsed)
  return change
end

OWN.lapse = { apply = apply_lapse, kind = 'lapsed' }

end
