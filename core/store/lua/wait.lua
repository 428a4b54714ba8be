-- id, attempt, reason, progress as JSON or '', then ids of other jobs. The attempt ends, and the job goes on once they all have
-- ended. Returns 0 and changes nothing unless this attempt owns the job.
local id, attempt, reason = ARGV[2], ARGV[3], ARGV[4]
if not owns(id, attempt) then return 0 end
local now = now_ms()
local others = {}
for i = 6, #ARGV do table.insert(others, ARGV[i]) end
if ARGV[5] ~= '' then
  redis.call('HSET', job_key(id), 'progress', ARGV[5])
  emit(id, 'progress', cjson.decode(ARGV[5]))
end
if redis.call('HGET', job_key(id), 'cancel_requested') then
  end_attempt(id, now, 'cancelled', reason)
  conclude(id, 'cancelled', now)
  return 1
end
end_attempt(id, now, 'waiting', reason)
if not await(id, others, now, reason) then enter(id, 'queued', now, { reason = reason }) end
return 1
