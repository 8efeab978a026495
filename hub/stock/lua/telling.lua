-- What a command's answer tells beside its entry.
--
-- LAW  Alerts about stock come first, then those that follow from what pools show since.

-- What the pools will show that see the touched places, or show something else now: {sku index, pool, view}.
local function shown_after(change)
  local shown = {}
  for _, noted in ipairs(change.noted) do
    for _, terms in ipairs(noted.terms) do
      local pool = terms[1]
      local view = noted.fresh[pool] or noted.state.views[pool]
      if view and (noted.seen[pool] or noted.fresh[pool]) then shown[#shown + 1] = { noted.sku, pool, view } end
    end
  end
  return shown
end

-- The alerts of the entry, and then those that follow from what pools show since.
local function alerts_told(change, views)
  local told = change.alerts
  for _, set in ipairs(views) do
    if NEWS[set[4]] then
      if told == change.alerts then told = { unpack(told) } end
      told[#told + 1] = { NEWS[set[4]], set[1], '', math.max(0, set[3][AVAILABLE]), set[2], '' }
    end
  end
  return told
end
