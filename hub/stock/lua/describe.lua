-- Describe a SKU: its category, brand, attributes and other names; what pools show of it follows at once.
--
-- An article is {revision, category, brand, attributes, aliases}, as the tables `catalogue` (by SKU) keep it; `aliases`
-- keeps {SKU} by alias. The hash of a SKU has its revision in `c`, the hash of an alias -1: whoever takes an alias for a
-- SKU has not heard of it yet, and is told `stale`.
--
-- LAW  A name stands for one SKU. A description made by what is not the newest any more changes nothing.

local OWN

do

local AN_ALIAS = -1

local function is_list_of_text(list, bytes_max)
  if type(list) ~= 'table' then return false end
  for i = 1, table.maxn(list) do
    if not is_text(list[i], bytes_max) then return false end
  end
  return true
end

local function check_describe(call, command)
  local line, detail = command[LINES][1], command[DETAIL]
  local article, alias_keys = detail[1], detail[2]
  local is_fine = is_text(line[SKU], 512) and KEYS[line[SKU_KEY]] and call.profiles[line[PROFILE]]
    and type(line[SIGHT]) == 'table' and is_whole(line[REVISION], 0, INSTANT_MAX)
    and type(article[2]) == 'string' and type(article[3]) == 'string' and type(article[4]) == 'table'
    and is_list_of_text(article[5], 512) and type(alias_keys) == 'table'
  if not is_fine then refuse('the description is malformed') end
  for i = 1, #article[5] do
    if not KEYS[alias_keys[i]] then refuse('the description is malformed') end
  end
end

local function owner_of(change, call, alias)
  local owner = record_of(change, call, 'aliases', alias)
  return owner and owner[1]
end

local function take_alias(change, call, sku, alias, key)
  local owner = owner_of(change, call, alias)
  if owner == sku then return end
  if owner then refuse('"' .. alias .. '" is a name of "' .. owner .. '" already') end
  local state = load_whole(key)
  if state.rules or #expected_in(state) > 0 or record_of(change, call, 'catalogue', alias)
    or record_of(change, call, 'shortfalls', alias) then
    refuse('"' .. alias .. '" is a SKU of its own, with stock, supply or a description, and stays one: send "' .. sku
      .. '" in its place, and bring its units over by two adjustments')
  end
  set_record(change, 'aliases', alias, { sku })
  change.revisions[#change.revisions + 1] = { state, AN_ALIAS }
end

local function drop_alias(change, alias, key)
  set_record(change, 'aliases', alias, nil)
  change.revisions[#change.revisions + 1] = { load_whole(key), 0 }
end

-- One line as a refresh has it; the detail: {article, keys of its aliases, the aliases it had, keys of these}.
local function apply_describe(call, command)
  check_describe(call, command)
  local line, detail = command[LINES][1], command[DETAIL]
  local sku, article = line[SKU], detail[1]
  local change = new_change()
  change.about, change.revisions = sku, {}
  local before = record_of(change, call, 'catalogue', sku)
  if (before and before[1] or 0) ~= line[REVISION] then error({ stale = sku }, 0) end
  local owner = owner_of(change, call, sku)
  if owner then refuse('"' .. sku .. '" is a name of "' .. owner .. '"') end
  local state = load_whole(KEYS[line[SKU_KEY]])
  local stays = {}
  for i, alias in ipairs(article[5]) do
    stays[alias] = true
    take_alias(change, call, sku, alias, KEYS[detail[2][i]])
  end
  for i, alias in ipairs(before and before[5] or NONE) do
    -- Of the newest description the sender knows all aliases, and sent their keys.
    if not stays[alias] then drop_alias(change, alias, KEYS[detail[3][i]]) end
  end
  set_record(change, 'catalogue', sku, { line[REVISION] + 1, article[2], article[3], article[4], article[5] })
  change.revisions[#change.revisions + 1] = { state, line[REVISION] + 1 }
  -- What was never booked has no views; its first fact makes them.
  if state.rules then recompute(change, call, line, state) end
  return change
end

-- A person says that a parked event is not waited for any more; the entry alone says so.
local function apply_dismiss(_, command)
  local is_fine = is_text(command[SOURCE], 64) and is_text(command[ID], 1024) and is_text(command[CONTENT], 64)
  if not is_fine or type(command[TYPE]) ~= 'string' or type(command[PAYLOAD]) ~= 'string' then
    refuse('it is not said what is dismissed')
  end
  return new_change()
end

-- What the hub does by itself, for no event: verb → how, and the kind of its entry.
OWN = {
  refresh = { apply = apply_refresh, kind = 'refresh' },
  describe = { apply = apply_describe, kind = 'sku' },
  dismiss = { apply = apply_dismiss, kind = 'dismissed' },
}

end
