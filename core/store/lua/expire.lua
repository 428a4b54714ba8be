-- most attempts, most jobs to look at. Returns id, state, id, state … of the jobs whose lease ran out.
local max_attempts, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local now = now_ms()
local moved = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. ':leases', '-inf', now, 'LIMIT', 0, limit)) do
  local state = lose(id, now, 'expired', 'its worker was silent for longer than the lease', max_attempts)
  table.insert(moved, id)
  table.insert(moved, state)
end
return moved
