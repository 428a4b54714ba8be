-- The order of a queue (docs/queue.md, ADR 13). Each priority has a line per tenant, in the order
-- in which its jobs came; tenants take turns. Every operation is O(log n). Jobs for workers are in one
-- queue, those that need much memory or a kind of device in one for each such need (core/needs.py) whose
-- turns are the same; those for the boxes of a group (docs/edge.md) in one for each model that a job may
-- need.
local PRIORITIES = { 'interactive', 'normal', 'batch' }

-- A worker that wakes goes on while there is something to do, so more wake-ups than there are
-- workers are of no use.
local MOST_MESSAGES = 16

local WORKERS = P

local function queue_of_boxes(tenant, group, model)
  return group_key(tenant, group) .. ':queue:' .. model
end

local function queue_needing(needs) return P .. ':needs:' .. needs end

-- What a worker offers, of three arguments of a script: the largest class of memory of jobs that may run
-- on any device (''), and of those that must on a processor or a GPU. nil where the first is ''.
local function offers_of(any, cpu, gpu)
  if any ~= '' then return { [''] = tonumber(any), cpu = tonumber(cpu), gpu = tonumber(gpu) } end
end

-- The kind of device that a job is bound to ('' if to none), and its class of memory.
local function device_and_class(needs) return string.match(needs, '^(%a*)(%d+)$') end

-- The queues of jobs for workers that offer so much, all of them without `offers`; only those of jobs that
-- are bound to a kind of device, or only the others, if `bound` is true or false.
local function queues_for_workers(offers, bound)
  local queues = bound and {} or { WORKERS }
  for _, needs in ipairs(redis.call('SMEMBERS', P .. ':needs')) do
    local device, class = device_and_class(needs)
    if (not offers or tonumber(class) <= offers[device]) and (bound == nil or bound == (device ~= '')) then
      table.insert(queues, queue_needing(needs))
    end
  end
  return queues
end

local function waiting_key(queue, priority) return queue .. ':waiting:' .. priority end
local function lines_key(queue, priority) return queue .. ':lines:' .. priority end
local function line_key(queue, priority, tenant)
  return queue .. ':line:' .. priority .. ':' .. tenant
end
local function alike_key(group) return P .. ':alike:' .. group end

-- Also the queue that counts the turns in this one.
-- Jobs that have taken a worker with them run alone from then on: they are like no other.
local function place_of(id)
  local record = redis.call('HMGET', job_key(id),
    'priority', 'tenant', 'alike', 'group', 'model', 'needs', 'lost')
  local tenant, group, needs = record[2] or 'default', record[4], record[6]
  local queue, turns = WORKERS, WORKERS
  if group then
    queue = queue_of_boxes(tenant, group, record[5])
    turns = queue
  elseif needs then queue = queue_needing(needs) end
  local alike = record[7] == '0' and record[3]
  return queue, turns, record[1] or 'normal', tenant, alike, group, record[5], needs
end

-- The lines that have got their turn in this script.
local lined = {}

function enqueue(id, since)
  local queue, turns, priority, tenant, alike, group, model, needs = place_of(id)
  if needs and not group then redis.call('SADD', P .. ':needs', needs) end
  local line = line_key(queue, priority, tenant)
  later('ZADD', waiting_key(queue, priority), since, id)
  later('ZADD', line, since, id)
  -- Whose turn was longest ago is next; who never had one comes first.
  if not lined[line] then
    redis.call('ZADD', lines_key(queue, priority), 'NX',
      redis.call('HGET', turns .. ':turns', priority .. ':' .. tenant) or 0, tenant)
    lined[line] = true
  end
  if alike then later('ZADD', alike_key(alike), since, id) end
  if group then
    redis.call('SADD', P .. ':addressed', id)
    redis.call('SADD', group_key(tenant, group) .. ':models', model)
    -- Boxes that wait for a job wait for this.
    redis.call('XADD', group_key(tenant, group) .. ':bell', 'MAXLEN', 1, '*', 'job', id)
  end
end

local function is_empty(queue)
  for _, priority in ipairs(PRIORITIES) do
    if redis.call('EXISTS', waiting_key(queue, priority)) == 1 then return false end
  end
  return true
end

local function leave(queue, priority, tenant, id)
  local line = line_key(queue, priority, tenant)
  later('ZREM', waiting_key(queue, priority), id)
  redis.call('ZREM', line, id)
  if redis.call('EXISTS', line) == 0 then
    redis.call('ZREM', lines_key(queue, priority), tenant)
    lined[line] = nil
  end
end

function dequeue(id)
  local queue, _, priority, tenant, alike, group, _, needs = place_of(id)
  leave(queue, priority, tenant, id)
  if alike then later('ZREM', alike_key(alike), id) end
  if group then redis.call('SREM', P .. ':addressed', id)
  elseif needs and is_empty(queue) then redis.call('SREM', P .. ':needs', needs) end
end

local function count_in(queues, newest)
  local count = 0
  for _, queue in ipairs(queues) do
    for _, priority in ipairs(PRIORITIES) do
      count = count + redis.call('ZCOUNT', waiting_key(queue, priority), '-inf', newest)
    end
  end
  return count
end

-- How many jobs wait for any worker, for one on some kind of device, and for boxes.
local function queued_counts()
  return count_in(queues_for_workers(nil, false), '+inf'), count_in(queues_for_workers(nil, true), '+inf'),
    redis.call('SCARD', P .. ':addressed')
end

-- The queues in which a tenant may have jobs.
local function queues_of(tenant)
  local queues = queues_for_workers()
  for _, group in ipairs(redis.call('ZRANGE', space(tenant) .. ':edge:groups', 0, -1)) do
    for _, model in ipairs(redis.call('SMEMBERS', group_key(tenant, group) .. ':models')) do
      table.insert(queues, queue_of_boxes(tenant, group, model))
    end
  end
  return queues
end

-- How many wake-ups are missing for so many queued jobs in the broker's list.
local function missing_messages(jobs, list)
  return math.max(0, math.min(jobs, MOST_MESSAGES) - redis.call('LLEN', list))
end

-- The member with the lowest score in any of some sorted sets, or nil, and its score.
local function first_of(queues, key_of, ...)
  local found, least
  for _, queue in ipairs(queues) do
    local first = redis.call('ZRANGE', key_of(queue, ...), 0, 0, 'WITHSCORES')
    local score = tonumber(first[2])
    if score and (not least or score < least or (score == least and first[1] < found)) then
      found, least = first[1], score
    end
  end
  return found, least
end

-- The priority whose turn it is: the highest with a job, and every second time the one of which a
-- job waits for longest, if that is for longer than the patience.
local function next_priority(queues, turns, now, patience)
  local highest, overdue, since
  for _, priority in ipairs(PRIORITIES) do
    local _, score = first_of(queues, waiting_key, priority)
    if score then
      if not highest then highest = priority
      elseif score <= now - patience and (not since or score < since) then
        overdue, since = priority, score
      end
    end
  end
  if not overdue then return highest end
  if redis.call('DEL', turns .. ':overtook') == 1 then return highest end
  redis.call('SET', turns .. ':overtook', 1)
  return overdue
end

-- The best job in some queues, whose turns the queue `turns` counts, or nil, its priority and its tenant,
-- who has had its turn.
local function next_job(queues, turns, now, patience)
  local priority = next_priority(queues, turns, now, patience)
  if not priority then return nil end
  local tenant = first_of(queues, lines_key, priority)
  local turn = redis.call('INCR', turns .. ':turn')
  redis.call('HSET', turns .. ':turns', priority .. ':' .. tenant, turn)
  for _, queue in ipairs(turns == WORKERS and queues_for_workers() or queues) do
    redis.call('ZADD', lines_key(queue, priority), 'XX', turn, tenant)
  end
  local best = first_of(queues, line_key, priority, tenant)
  return best, priority, tenant
end

-- Takes away a job whose own record does not tell where it is in the queues.
local function forget(id, queues, priority, tenant)
  for _, queue in ipairs(queues) do leave(queue, priority, tenant, id) end
end

-- Up to so many queued jobs that can be run together with this one, and where they are listed.
local function jobs_like(id, most)
  local _, _, _, _, alike = place_of(id)
  if most < 1 or not alike then return {} end
  return redis.call('ZRANGE', alike_key(alike), 0, most - 1), alike_key(alike)
end
