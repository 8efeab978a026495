-- What a command changed becomes what the next command of the call sees.
--
-- LAW  Nothing here may fail: the command's entry is already among those to be written.

-- Make a command's copies the state that the next command sees. Nothing here may fail.
local function keep(change, views, call, number)
  for _, place in ipairs(change.places) do
    place.state.positions[place.location] = place.after
    mark(place.state, 'l:' .. place.location, place.after)
    if place.is_new then members[#members + 1] = { place.place_key, place.name } end
  end
  for _, set in ipairs(views) do
    local state = change.views[set[1]].state
    state.views[set[2]] = set[3]
    mark(state, 'p:' .. set[2], set[3])
  end
  for _, noted in ipairs(change.noted) do
    if noted.state.rules ~= call.rules then
      noted.state.rules = call.rules
      mark(noted.state, 'r', call.rules)
    end
  end
  for _, set in ipairs(change.revisions or NONE) do
    set[1].revision = set[2]
    mark(set[1], 'c', set[2])
  end
  keep_records(change, call, number)
end
