-- digest, key of the file, fields as JSON, tenant. Returns 1 when new, 0 when these bytes are stored
-- already; the tenant holds them either way.
local digest, file, fields, tenant = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local now = now_ms()
redis.call('ZADD', P .. ':artifacts', now, digest)
local key = artifact_key(digest)
if redis.call('EXISTS', key) == 1 then
  grant(tenant, digest, now)
  return 0
end
for field, value in pairs(cjson.decode(fields)) do redis.call('HSET', key, field, value) end
redis.call('HSET', key, 'key', file, 'created', now, 'refs', 0, 'tenant:' .. tenant, now)
return 1
