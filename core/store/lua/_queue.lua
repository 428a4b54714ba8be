-- The order of the queue (docs/queue.md, ADR 13). Each priority has a line per tenant, in the order
-- in which its jobs came; tenants take turns. Every operation is O(log n).
local PRIORITIES = { 'interactive', 'normal', 'batch' }

-- A worker that wakes goes on while there is something to do, so more wake-ups than there are
-- workers are of no use.
local MOST_MESSAGES = 16

local function waiting_key(priority) return P .. ':waiting:' .. priority end
local function lines_key(priority) return P .. ':lines:' .. priority end
local function line_key(priority, tenant) return P .. ':line:' .. priority .. ':' .. tenant end
local function alike_key(group) return P .. ':alike:' .. group end

local function place_of(id)
  local record = redis.call('HMGET', job_key(id), 'priority', 'tenant', 'alike')
  return record[1] or 'normal', record[2] or 'default', record[3]
end

function enqueue(id, since)
  local priority, tenant, alike = place_of(id)
  redis.call('ZADD', waiting_key(priority), since, id)
  redis.call('ZADD', line_key(priority, tenant), since, id)
  -- Whose turn was longest ago is next; who never had one comes first.
  redis.call('ZADD', lines_key(priority), 'NX',
    redis.call('HGET', P .. ':turns', priority .. ':' .. tenant) or 0, tenant)
  -- A job that has taken a worker with it runs alone from now on.
  if alike and redis.call('HGET', job_key(id), 'lost') == '0' then
    redis.call('ZADD', alike_key(alike), since, id)
  end
end

function dequeue(id)
  local priority, tenant, alike = place_of(id)
  local line = line_key(priority, tenant)
  redis.call('ZREM', waiting_key(priority), id)
  redis.call('ZREM', line, id)
  if redis.call('EXISTS', line) == 0 then redis.call('ZREM', lines_key(priority), tenant) end
  if alike then redis.call('ZREM', alike_key(alike), id) end
end

local function queued_count()
  local count = 0
  for _, priority in ipairs(PRIORITIES) do
    count = count + redis.call('ZCARD', waiting_key(priority))
  end
  return count
end

-- How many wake-ups are missing for so many queued jobs in the broker's list.
local function missing_messages(jobs, list)
  return math.max(0, math.min(jobs, MOST_MESSAGES) - redis.call('LLEN', list))
end

-- The priority whose turn it is: the highest with a job, and every second time the one of which a
-- job waits for longest, if that is for longer than the patience.
local function next_priority(now, patience)
  local highest, overdue, since
  for _, priority in ipairs(PRIORITIES) do
    local oldest = redis.call('ZRANGE', waiting_key(priority), 0, 0, 'WITHSCORES')
    local score = tonumber(oldest[2])
    if score then
      if not highest then highest = priority
      elseif score <= now - patience and (not since or score < since) then
        overdue, since = priority, score
      end
    end
  end
  if not overdue then return highest end
  if redis.call('DEL', P .. ':overtook') == 1 then return highest end
  redis.call('SET', P .. ':overtook', 1)
  return overdue
end

-- The best job in the queue, or nil; its tenant has had its turn.
local function next_job(now, patience)
  local priority = next_priority(now, patience)
  if not priority then return nil end
  local tenant = redis.call('ZRANGE', lines_key(priority), 0, 0)[1]
  local turn = redis.call('INCR', P .. ':turn')
  redis.call('HSET', P .. ':turns', priority .. ':' .. tenant, turn)
  redis.call('ZADD', lines_key(priority), 'XX', turn, tenant)
  return redis.call('ZRANGE', line_key(priority, tenant), 0, 0)[1]
end

-- Up to so many queued jobs that can be run together with this one.
local function jobs_like(id, most)
  local record = redis.call('HMGET', job_key(id), 'alike', 'lost')
  if most < 1 or not record[1] or record[2] ~= '0' then return {} end
  return redis.call('ZRANGE', alike_key(record[1]), 0, most - 1)
end
