-- id, attempt, lease in ms, progress as JSON or ''. Returns 'ok', 'cancel', 'drain' or 'lost'.
local id, attempt, lease, progress = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
if not owns(id, attempt) then return 'lost' end
local key = job_key(id)
local now = now_ms()
-- A Redis that is full lets a script go on that has begun with what takes no memory: who waits for room
-- keeps the job.
redis.call('ZREM', P .. ':leases', '')
redis.call('ZADD', P .. ':leases', now + lease, id)
if progress ~= '' then
  redis.call('HSET', key, 'progress', progress)
  emit(id, 'progress', cjson.decode(progress))
end
local asked = redis.call('HMGET', key, 'cancel_requested', 'worker')
if asked[1] then return 'cancel' end
local drains_at = redis.call('ZSCORE', P .. ':drains', asked[2])
if drains_at and tonumber(drains_at) <= now then return 'drain' end
return 'ok'
