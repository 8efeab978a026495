-- What pools show of the SKUs that a command touched: the units they have, and those they may promise.
--
-- LAW  What may be promised is computed anew from all positions, and only where a pool that may promise has nothing.

-- Note everything that the command changed of what pools show.
function promising.note_all(change, call)
  for _, place in ipairs(change.places) do note_parts(change, place) end
  for _, set in ipairs(change.records) do
    local number = set[1] == 'expected' and sku_number(change, set[2])
    if number and not change.views[number] then
      local line = change.line_at[set[2]]
      note_sku(change, number, call.profiles[line[PROFILE]], change.expected[set[2]])
    end
  end
  for _, noted in ipairs(change.noted) do
    local line = change.line_at[change.skus[noted.sku + 1]]
    promising.note(change, noted, function()
      holding.need_whole(call, line)
      return offers.positions_of(change, offers.state_of(call, line)), offers.sight_of(call, line)
    end)
  end
end
