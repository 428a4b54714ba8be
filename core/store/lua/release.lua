-- id, attempt, reason. A worker that drains gives its job back; this is no loss of the job's own.
local id, attempt, reason = ARGV[2], ARGV[3], ARGV[4]
if not owns(id, attempt) then return 0 end
local now = now_ms()
end_attempt(id, now, 'released', reason)
enter(id, 'queued', now, { reason = reason })
return 1
