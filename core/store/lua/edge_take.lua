-- box, name of its spool, how many of it were received before, how many come, digest of the artifact that
-- holds them. Returns how many were received after that: the given ones too only if the count before was
-- right; -1 for no such box, -2 for no such artifact.
local box, spool, before, count, digest = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local record = redis.call('HMGET', box_key(box), 'tenant', 'group', 'name')
if not record[1] then return -1 end
local received = tonumber(redis.call('HGET', box_key(box) .. ':received', spool) or 0)
if received ~= before then return received end
if not holds(record[1], digest) then return -2 end
local now = now_ms()
local key = group_key(record[1], record[2])
keep(record[1], record[2], digest, now)
redis.call('XADD', key .. ':results', '*', 'box', box, 'name', record[3], 'spool', spool,
  'before', before, 'count', count, 'artifact', digest)
redis.call('HSET', box_key(box), 'seen', now)
redis.call('HSET', box_key(box) .. ':received', spool, before + count)
return before + count
