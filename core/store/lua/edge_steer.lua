-- tenant, group, 'stop' or 'resume', reason. Stops a roll-out: no further box gets the release. Or goes
-- on with its next stage, whatever the boxes of this one say. Returns the state before, nil for none.
local key = group_key(ARGV[2], ARGV[3])
local verb, reason = ARGV[4], ARGV[5]
local state = redis.call('HGET', key, 'state')
if verb == 'stop' and state == 'rolling' then
  redis.call('HSET', key, 'state', 'stopped', 'reason', reason)
elseif verb == 'resume' and (state == 'stopped' or state == 'rolling') then
  redis.call('HSET', key, 'state', 'rolling')
  redis.call('HDEL', key, 'reason')
  redis.call('SUNIONSTORE', key .. ':good', key .. ':chosen')
  go_on(key)
end
return state
