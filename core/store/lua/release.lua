-- id, attempt, 'released' or 'continued', reason. A worker gives its job back; no loss of the job's own.
local id, attempt, outcome, reason = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if not owns(id, attempt) then return 0 end
local now = now_ms()
if redis.call('HGET', job_key(id), 'cancel_requested') then
  end_attempt(id, now, 'cancelled', reason)
  conclude(id, 'cancelled', now)
  return 1
end
end_attempt(id, now, outcome, reason)
-- Who has had a piece of its work done waits for its next turn behind those who have not, also
-- behind one who came in this millisecond.
enter(id, 'queued', now, { reason = reason }, outcome == 'continued' and now + 1 or nil)
return 1
