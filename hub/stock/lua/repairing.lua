-- Positions that differ from the ledger are set to what its movements make, and all views to what positions make.
--
-- LAW  Nothing is moved but free units into the deficit beside them: the ledger has the other movements already. A
--      position that changed since it was read is left alone.

do

local PLACE, WHERE, BEFORE, WANTED, UNITS, NETTED = 1, 2, 3, 4, 5, 6
local NEVER_SHOWN = -2  -- no pool shows it, so that whatever it shows now is told

-- Work on a copy of what is stored, for all of it may prove unreadable yet.
local function copied(state)
  local copy = { key = state.key, rules = state.rules, revision = state.revision, expected = state.expected, views = {}, positions = {} }
  for pool, view in pairs(state.views) do copy.views[pool] = view end
  for location, position in pairs(state.positions) do copy.positions[location] = position end
  return copy
end

-- A pool that showed more changes once goes on behind those, or its watchers would ignore what they are sent.
local function go_on_behind(state, pool, changes)
  local view = state.views[pool] or { 0, 0, 0, 0, 0, 0, {} }
  if view[1] < changes then state.views[pool] = { changes, view[2], NEVER_SHOWN, view[4], view[5], view[6], view[7] } end
end

-- What is stored, but for what is set anew, which may be lost or unreadable.
local function load_the_rest(key, detail)
  local rest = { key = key, views = {}, positions = {} }
  for _, each in ipairs(detail[1]) do rest.positions[each[WHERE]] = each[WANTED] end
  for _, pool in ipairs(detail[3]) do rest.views[pool] = { 0, 0, NEVER_SHOWN, 0, 0, 0, {} } end
  skus[key] = rest
  local fine, state = pcall(load_whole, key)
  skus[key] = nil
  if not fine then error(state, 0) end
  return copied(state)
end

-- The SKU is described as the sender knows; its hash says so from here on, whatever it said.
local function check_description(change, call, line, state)
  if record_of(change, call, 'aliases', line[SKU]) then refuse('it is a name of another SKU') end
  local article = record_of(change, call, 'catalogue', line[SKU])
  if (article and article[1] or 0) ~= line[REVISION] then error({ stale = line[SKU] }, 0) end
  if state.revision ~= line[REVISION] then change.revisions = { { state, line[REVISION] } } end
end

local function check_place(state, line, each)
  if not (KEYS[each[PLACE]] and is_text(each[WHERE], 64) and type(each[WANTED]) == 'table') then refuse('a place is missing') end
  local found = redis.call('HGET', state.key, 'l:' .. each[WHERE])
  -- What is lost was read as nothing.
  if redis.sha1hex(found or '') ~= each[BEFORE] then error({ look_again = true }, 0) end
  -- Reading the index now finds a key of the wrong type before any write.
  redis.call('SISMEMBER', KEYS[each[PLACE]], line[SKU])
end

-- One line, as a refresh has it. Detail: {{place key, location, SHA-1 of what was read, as it must be, units}…,
-- {pool, changes}…, pools whose views cannot be read}.
local function apply_repair(call, command)
  local line, detail = command[LINES][1], command[DETAIL]
  local key = KEYS[line[SKU_KEY]]
  if skus[key] and skus[key].dirty then error({ look_again = true }, 0) end
  local state = load_the_rest(key, detail)
  local change = new_change()
  change.about = line[SKU]
  check_description(change, call, line, state)
  local sku = sku_number(change, line[SKU])
  for _, each in ipairs(detail[1]) do
    check_place(state, line, each)
    local place = {
      state = state, sku = sku, name = line[SKU], location = each[WHERE], after = each[WANTED], is_new = true,
      place_key = KEYS[each[PLACE]],
    }
    change.places[#change.places + 1] = place
    state.positions[each[WHERE]] = each[WANTED]
    record(change, place, 'free', 'deficit', each[NETTED])
    alert(change, place, 'repaired', each[UNITS], '')
  end
  if #change.alerts == 0 then alert(change, { sku = sku, location = '' }, 'repaired', 1, '') end
  for _, floor in ipairs(detail[2]) do go_on_behind(state, floor[1], floor[2]) end
  recompute(change, call, line, state)
  skus[key] = state
  return change
end

OWN.repair = { apply = apply_repair, kind = 'repair' }

end
