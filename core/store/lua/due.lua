-- age in ms, length of the message queue, limit. Returns queued jobs to send again, and counts them
-- as sent now. There are as many messages as waiting jobs unless some were lost; which ones cannot
-- be known cheaply, so the oldest are sent again: a superfluous message finds nothing to claim.
local age, messages, limit = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now = now_ms()
local missing = redis.call('ZCARD', P .. ':queued') - messages
if missing <= 0 then return {} end
local ids = redis.call('ZRANGEBYSCORE', P .. ':queued', '-inf', now - age,
  'LIMIT', 0, math.min(missing, limit))
for _, id in ipairs(ids) do redis.call('ZADD', P .. ':queued', now, id) end
return ids
