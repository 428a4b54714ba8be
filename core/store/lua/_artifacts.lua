-- Where the bytes of artifacts are: in a file of their own, or in a pack with others, of which it is
-- counted how many records name it (core/store/packs.py). Whatever names no file any more is deleted by
-- the caller, who has decided nothing about it that an upload of the same bytes could change.
local function pack_of(key) return string.match(key, '^(packs/[^@]*)@') end

local function name_file(key)
  local pack = pack_of(key)
  if pack then redis.call('HINCRBY', P .. ':packs', pack, 1) end
end

-- Returns the file that no record names after that; nil if it is a pack that others name.
local function unname_file(key)
  local pack = pack_of(key)
  if not pack then return key end
  if redis.call('HINCRBY', P .. ':packs', pack, -1) > 0 then return nil end
  redis.call('HDEL', P .. ':packs', pack)
  return pack
end

-- Records an artifact whose bytes are safe at a key, and lets its tenant hold it. Returns the file that
-- no record names after that, if there is one: where these bytes are stored already, that of the given
-- key, unless it is a pack; or the damaged one that it replaces.
local function add_artifact(artifact, now)
  local digest, tenant = artifact.digest, artifact.tenant
  local key = artifact_key(digest)
  local known = redis.call('HGET', key, 'key')
  later('ZADD', P .. ':artifacts', now, digest)
  if known then
    grant(tenant, digest, now)
    -- The same script comes a second time when its answer was lost with the connection.
    if known == artifact.key then return nil end
    if redis.call('HDEL', P .. ':damaged', digest) == 0 then
      return not pack_of(artifact.key) and artifact.key or nil
    end
    redis.call('HSET', key, 'key', artifact.key, 'placed', artifact.placed)
    name_file(artifact.key)
    return unname_file(known)
  end
  local fields = { 'key', artifact.key, 'placed', artifact.placed, 'created', now, 'refs', 0,
    'tenant:' .. tenant, now, 'counted', 1 }
  for field, value in pairs(artifact.fields) do
    table.insert(fields, field)
    table.insert(fields, value)
  end
  redis.call('HSET', key, unpack(fields))
  name_file(artifact.key)
  count_bytes(':all', artifact.fields.size)
  count_bytes(tenant, artifact.fields.size)
  return nil
end
