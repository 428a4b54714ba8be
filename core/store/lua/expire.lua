-- most attempts, most jobs to look at. Returns id, state, id, state … of the jobs whose lease ran out, and in
-- place of a state what went wrong, if something did: each is taken from its worker for itself.
local max_attempts, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local now = now_ms()

local function take(id)
  local record = redis.call('HMGET', job_key(id), 'state', 'parent', 'worker')
  local state, parent = record[1], record[2]
  if state == 'running' then
    return lose(id, now, 'expired', 'its worker was silent for longer than the lease', max_attempts)
  end
  -- A script that changed the state has failed before it was done.
  if state and has_ended(state) and parent then child_ended(parent, id, state, now) end
  drop_lease(id, record[3])
  return state or 'deleted'
end

local moved = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. ':leases', '-inf', now, 'LIMIT', 0, limit)) do
  local outcome, went_well = tried(take, id)
  -- A Redis that is full has refused the first write: nothing has been changed.
  if not went_well and string.find(outcome, '^OOM ') then return redis.error_reply(outcome) end
  table.insert(moved, id)
  table.insert(moved, outcome)
end
return moved
