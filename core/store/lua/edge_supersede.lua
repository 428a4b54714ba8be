-- tenant, group, most. Fails jobs that wait for a model that no box of the group will run: its releases
-- are of other models. Returns how many.
local tenant, group, most = ARGV[2], ARGV[3], tonumber(ARGV[4])
local key = group_key(tenant, group)
local runs, now_run = {}, 'none'
for _, digest in ipairs(redis.call('HMGET', key, 'stable', 'candidate')) do
  local text = digest and redis.call('HGET', key .. ':releases', digest)
  if text then
    local release = cjson.decode(text)
    if release.model then runs[release.model] = true end
    now_run = release.name .. ' ' .. release.sequence
  end
end
local now, failed = now_ms(), 0
for _, model in ipairs(redis.call('SMEMBERS', key .. ':models')) do
  if not runs[model] then
    local queue, left = queue_of_boxes(tenant, group, model), 0
    for _, priority in ipairs(PRIORITIES) do
      local waiting = waiting_key(queue, priority)
      for _, id in ipairs(redis.call('ZRANGE', waiting, 0, math.max(0, most - failed - 1))) do
        redis.call('HSET', job_key(id), 'error', cjson.encode({
          code = 'superseded',
          message = 'the boxes of ' .. group .. ' run another model now: ' .. now_run,
        }))
        conclude(id, 'failed', now)
        failed = failed + 1
      end
      left = left + redis.call('ZCARD', waiting)
    end
    if left == 0 then
      redis.call('SREM', key .. ':models', model)
      redis.call('DEL', queue .. ':turns', queue .. ':turn', queue .. ':overtook')
    end
  end
end
return failed
