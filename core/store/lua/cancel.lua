-- id. Returns the state after the request, or nil for an unknown job.
local id = ARGV[2]
local key = job_key(id)
local state = redis.call('HGET', key, 'state')
if not state then return false end
local now = now_ms()
if state == 'queued' then
  redis.call('HSETNX', key, 'cancel_requested', now)
  enter(id, 'cancelled', now)
  return 'cancelled'
end
if state == 'running' and redis.call('HSETNX', key, 'cancel_requested', now) == 1 then
  emit(id, 'cancel', { at = now })
end
return state
