-- The holds of one owner in a pool, or of the order they are for: what the owner's next, or the order, takes the place of.
--
-- LAW  Where there are too many, those go first that the owner's next cannot take the place of.

do

local UNCONFIRMED = { [holding.HELD] = true }
local OWNED_MAX = 100

local function is_same(old, new)
  if #old ~= #new then return false end
  for i, entry in ipairs(old) do
    for part = 1, 3 do
      if entry[part] ~= new[i][part] then return false end
    end
  end
  return true
end

-- The first that the owner's next cannot take the place of, or else the first.
local function least(entries)
  for i, entry in ipairs(entries) do
    if entry[3] == 0 then return i end
  end
  return 1
end

-- List the hold among its owner's while units are kept for it, at most so many, the newest last.
function holding.note_owner(change, call, name, hold, owner)
  local field = owner .. '\0' .. hold[holding.POOL]
  local old = record_of(change, call, 'owners', field) or NONE
  local new = {}
  for _, entry in ipairs(old) do
    if entry[2] ~= name then new[#new + 1] = entry end
  end
  if holding.has(hold, holding.KEPT) then
    new[#new + 1] = { hold[holding.KIND], name, holding.has(hold, UNCONFIRMED) and 1 or 0 }
  end
  if #new > OWNED_MAX then table.remove(new, least(new)) end
  if not is_same(old, new) then set_record(change, 'owners', field, #new > 0 and new or nil) end
end

end
