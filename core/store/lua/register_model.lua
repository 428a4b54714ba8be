-- tenant, name, digest of the file, fields as JSON, then the digests that the version refers to. Returns
-- {version, 1} for a new version, {version, 0} for one with this file, or {'missing', digest}.
local tenant, name, digest, fields = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local key = model_key(tenant, name)
local known = redis.call('HGET', key .. ':files', digest)
if known then return { tonumber(known), 0 } end
for i = 6, #ARGV do
  if not holds(tenant, ARGV[i]) then return { 'missing', ARGV[i] } end
end
local now = now_ms()
-- The counter outlives the versions, so that no reference to a deleted one means another.
local version = redis.call('HINCRBY', key, 'last', 1)
redis.call('HSETNX', key, 'created', now)
local record = key .. ':version:' .. version
for field, value in pairs(cjson.decode(fields)) do redis.call('HSET', record, field, value) end
redis.call('HSET', record, 'version', version, 'digest', digest, 'created', now)
for i = 6, #ARGV do
  if redis.call('SADD', record .. ':artifacts', ARGV[i]) == 1 then
    redis.call('HINCRBY', artifact_key(ARGV[i]), 'refs', 1)
  end
  redis.call('ZADD', P .. ':artifacts', now, ARGV[i])
end
redis.call('HSET', key .. ':files', digest, version)
redis.call('ZADD', key .. ':versions', version, version)
redis.call('ZADD', space(tenant) .. ':models', 0, name)
return { version, 1 }
