-- digest, key of the file, fields as JSON. Returns 1 when new, 0 when these bytes are stored already.
local digest, file, fields = ARGV[2], ARGV[3], ARGV[4]
local now = now_ms()
redis.call('ZADD', P .. ':artifacts', now, digest)
local key = artifact_key(digest)
if redis.call('EXISTS', key) == 1 then return 0 end
for field, value in pairs(cjson.decode(fields)) do redis.call('HSET', key, field, value) end
redis.call('HSET', key, 'key', file, 'created', now, 'refs', 0)
return 1
