-- What a call will write, packed.
--
-- LAW  All packing is done before the first write, so that only Redis itself can fail after it.

local function packed_sku(key)
  local fields = {}
  for field, value in pairs(skus[key].dirty) do
    fields[#fields + 1] = field
    fields[#fields + 1] = field == 'r' and value or cmsgpack.pack(value)
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

-- Everything that is to be written, packed.
local function prepared()
  local hashes = {}
  for i, key in ipairs(dirty_keys) do hashes[i] = packed_sku(key) end
  return { hashes = hashes, seen = packed_seen() }
end
