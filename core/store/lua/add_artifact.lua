-- digest, key of the file, what it looks like, fields as JSON, tenant, who holds it then. Returns the key
-- of a file that no record names after that: the given one where these bytes are stored already, or the
-- damaged one that it replaces; nil if there is none.
local digest, file, placed, fields, tenant = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local now = now_ms()
redis.call('ZADD', P .. ':artifacts', now, digest)
local key = artifact_key(digest)
if redis.call('EXISTS', key) == 1 then
  grant(tenant, digest, now)
  if redis.call('HDEL', P .. ':damaged', digest) == 0 then return file end
  local damaged = redis.call('HGET', key, 'key')
  redis.call('HSET', key, 'key', file, 'placed', placed)
  return damaged
end
for field, value in pairs(cjson.decode(fields)) do redis.call('HSET', key, field, value) end
redis.call('HSET', key, 'key', file, 'placed', placed, 'created', now, 'refs', 0, 'tenant:' .. tenant, now, 'counted', 1)
count_bytes(digest, ':all', 1)
count_bytes(digest, tenant, 1)
return false
