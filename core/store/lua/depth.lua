-- tenant. Returns, for each priority, its name, how many jobs are ready, running and delayed (they wait
-- for others), and when the one came that has been ready for longest ('' for none). What runs or waits
-- for others is never much; what is queued is only counted.
local tenant = ARGV[2]

local function by_priority(state)
  local counts = {}
  for _, id in ipairs(redis.call('ZRANGE', space(tenant) .. ':jobs:state:' .. state, 0, -1)) do
    local priority = redis.call('HGET', job_key(id), 'priority') or 'normal'
    counts[priority] = (counts[priority] or 0) + 1
  end
  return counts
end

local running, delayed = by_priority('running'), by_priority('waiting')
local queues = queues_of(tenant)
local answer = {}
for _, priority in ipairs(PRIORITIES) do
  local ready, since = 0, nil
  for _, queue in ipairs(queues) do
    local line = line_key(queue, priority, tenant)
    ready = ready + redis.call('ZCARD', line)
    local oldest = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')[2]
    if oldest and (not since or tonumber(oldest) < tonumber(since)) then since = oldest end
  end
  table.insert(answer, { priority, ready, running[priority] or 0, delayed[priority] or 0, since or '' })
end
return answer
