-- id. Returns {1} when the job was queued again, else {0, state}.
local id = ARGV[2]
local key = job_key(id)
local state = redis.call('HGET', key, 'state')
if state ~= 'failed' and state ~= 'cancelled' then return { 0, state } end
local now = now_ms()
redis.call('HDEL', key, 'finished', 'error', 'cancel_requested', 'results', 'timings', 'started')
if redis.call('HEXISTS', key, 'checkpoint') == 0 then redis.call('HDEL', key, 'metrics', 'passing') end
local progress = cjson.decode(redis.call('HGET', key, 'progress'))
redis.call('HSET', key, 'lost', 0, 'queued', now,
  'progress', cjson.encode({ total = progress.total }))
redis.call('ZREM', P .. ':ended', id)
enter(id, 'queued', now, { reason = 'retried' })
return { 1 }
