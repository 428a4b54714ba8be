-- box, its report as JSON, the digest that it runs and has proved ('' for none), the digest that it has
-- refused ('' for none), why. Notes how a box is; a roll-out goes on, or stops. Returns 0 for no such box.
local box, report, proved, refused, why = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local record = redis.call('HMGET', box_key(box), 'tenant', 'group', 'name')
if not record[1] then return 0 end
redis.call('HSET', box_key(box), 'seen', now_ms(), 'health', report)
local key = group_key(record[1], record[2])
local rollout = redis.call('HMGET', key, 'candidate', 'state')
if rollout[2] ~= 'rolling' or redis.call('SISMEMBER', key .. ':chosen', box) == 0 then return 1 end
if refused == rollout[1] then
  redis.call('HSET', key, 'state', 'stopped', 'reason', record[3] .. ' (' .. box .. '): ' .. why)
elseif proved == rollout[1] then
  redis.call('SADD', key .. ':good', box)
  go_on(key)
end
return 1
