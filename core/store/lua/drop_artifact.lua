-- digest, age in ms. Forgets an artifact that no job refers to and nobody used for that long, and
-- returns the key of its file; a later upload of the same bytes gets another file, so the caller
-- can delete this one without a race.
local digest, age = ARGV[2], tonumber(ARGV[3])
local index = P .. ':artifacts'
local now = now_ms()
local used = redis.call('ZSCORE', index, digest)
if not used or tonumber(used) > now - age then return false end
local record = redis.call('HMGET', artifact_key(digest), 'refs', 'key')
if record[1] and tonumber(record[1]) > 0 then
  redis.call('ZADD', index, now, digest)
  return false
end
redis.call('ZREM', index, digest)
redis.call('DEL', artifact_key(digest))
return record[2]
