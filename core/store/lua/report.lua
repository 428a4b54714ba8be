-- id, attempt, metrics as JSON, '1' if they last. Returns 0 and changes nothing unless this attempt
-- owns the job. What does not last is replaced by the next report, so that a long job's stream holds
-- its history and not every moment of it.
local id, attempt, metrics, lasts = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if not owns(id, attempt) then return 0 end
local key = job_key(id)
local passing = redis.call('HGET', key, 'passing')
if passing then redis.call('XDEL', key .. ':events', passing) end
local entry = redis.call('XADD', key .. ':events', 'MAXLEN', '~', 2000, '*',
  'event', 'metrics', 'data', metrics)
if lasts == '1' then redis.call('HDEL', key, 'passing')
else redis.call('HSET', key, 'passing', entry) end
redis.call('HSET', key, 'metrics', metrics)
return 1
