-- id. Returns {1} when the job was queued again, else {0, state}. Of the jobs that it has begun, those
-- that failed or were cancelled are queued again with it.
local function retry(id, now)
  local key = job_key(id)
  local state = redis.call('HGET', key, 'state')
  if state ~= 'failed' and state ~= 'cancelled' then return { 0, state } end
  for _, child in ipairs(redis.call('HVALS', key .. ':children')) do retry(child, now) end
  redis.call('HDEL', key, 'finished', 'error', 'cancel_requested', 'results', 'timings', 'started')
  if redis.call('HEXISTS', key, 'checkpoint') == 0 then
    redis.call('HDEL', key, 'metrics', 'passing')
  end
  local progress = cjson.decode(redis.call('HGET', key, 'progress'))
  redis.call('HSET', key, 'lost', 0, 'queued', now,
    'progress', cjson.encode({ total = progress.total }))
  redis.call('ZREM', P .. ':ended', id)
  enter(id, 'queued', now, { reason = 'retried' })
  note_retried()
  return { 1 }
end

return retry(ARGV[2], now_ms())
