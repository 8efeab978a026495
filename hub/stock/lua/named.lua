-- Pieces that an event names beside its lines: what of a sale is voided, what was received before its dispatch.
--
-- LAW  Only lists of whole, bounded values reach who asks for them.

do

-- Stops the command unless it is nil or a list of at most so many serials.
function pieces.check_named(serials, count_max)
  if serials == nil then return end
  if not is_list(serials, math.min(count_max, pieces.SERIALS_MAX)) then refuse('serials are no list of at most its units') end
  for _, serial in ipairs(serials) do
    if not is_text(serial, pieces.SERIAL_BYTES_MAX) then refuse('a serial is no text') end
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

-- Stops the command if one of its events names a piece of a SKU twice.
function pieces.check_once(asked)
  local found = {}
  for _, each in ipairs(asked) do
    for _, serial in ipairs(each[3] or NONE) do
      local field = each[1] .. '\0' .. serial
      if found[field] then refuse('the serial ' .. serial .. ' stands twice in one event') end
      found[field] = true
    end
  end
end

end
