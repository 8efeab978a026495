-- What a call will write, packed.
--
-- LAW  All packing is done before the first write, so that only Redis itself can fail after it.

local prepared

do

local PLAIN = { r = true, c = true }  -- numbers that are stored as they are
local packed_views                    -- view → packed, for pools that are alike share it
per_call(function() packed_views = {} end)

local function packed(field, value)
  if PLAIN[field] then return value end
  if string.sub(field, 1, 2) ~= 'p:' then return cmsgpack.pack(value) end
  packed_views[value] = packed_views[value] or cmsgpack.pack(value)
  return packed_views[value]
end

local function packed_sku(key)
  local fields = {}
  for field, value in pairs(skus[key].dirty) do
    fields[#fields + 1] = field
    fields[#fields + 1] = packed(field, value)
  end
  return fields
end

local function packed_seen()
  local fields = {}
  for _, field in ipairs(fresh_fields) do
    fields[#fields + 1] = field
    fields[#fields + 1] = cmsgpack.pack(fresh_seen[field])
  end
  return fields
end

local function packed_records()
  local writes = { last = {} }
  for _, dirty in ipairs(dirty_records) do
    local key, field, value = KEYS[dirty[1]], dirty[2], dirty[3]
    if value ~= nil then
      add_write(writes, 'HSET', key, field, cmsgpack.pack(value))
    else
      add_write(writes, 'HDEL', key, field)
    end
  end
  return writes
end

-- Everything that is to be written, packed.
function prepared()
  local hashes = {}
  for i, key in ipairs(dirty_keys) do hashes[i] = packed_sku(key) end
  return { hashes = hashes, seen = packed_seen(), records = packed_records() }
end

end
