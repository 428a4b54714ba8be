-- digest, time in ms, whether a record was found that refers to it (1 or 0). Forgets an artifact that
-- nothing refers to and nobody used since then, and returns the key of its file, or '' while that is a
-- pack that others are in; nil if it is kept. A later upload of the same bytes gets another file, so the
-- caller can delete this one without a race. What is referred to counts as used now, so that it is not
-- looked at again soon.
local digest, before, marked = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local index = P .. ':artifacts'
local used = redis.call('ZSCORE', index, digest)
if not used or tonumber(used) > before then return false end
local record = redis.call('HMGET', artifact_key(digest), 'refs', 'key')
if marked == '1' or (record[1] and tonumber(record[1]) > 0) then
  redis.call('ZADD', index, now_ms(), digest)
  return false
end
-- A Redis that is full lets a script go on that has begun with what takes no memory.
redis.call('ZREM', index, digest)
local bytes = counted_bytes(digest)
if bytes then count_bytes(':all', -bytes) end
for _, field in ipairs(redis.call('HKEYS', artifact_key(digest))) do
  local tenant = string.match(field, '^tenant:(.*)$')
  if tenant and bytes then count_bytes(tenant, -bytes) end
end
local parts = artifact_key(digest) .. ':parts'
for _, part in ipairs(redis.call('SMEMBERS', parts)) do
  redis.call('HINCRBY', artifact_key(part), 'refs', -1)
end
redis.call('DEL', parts)
redis.call('SREM', P .. ':bound', digest)
redis.call('HDEL', P .. ':damaged', digest)
redis.call('DEL', artifact_key(digest))
return unname_file(record[2]) or ''
