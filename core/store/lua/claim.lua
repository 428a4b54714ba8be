-- worker, process id, its host, lease in ms, token of the call, patience in ms, most jobs, what it offers
-- (see offers_of), and for a box its tenant, its group and the model that it runs. Gives the worker
-- the best job of its queues, and others that can be run together with it. Returns their records: none if none is queued, while the
-- queue is paused, and for a worker that drains.
local worker, pid, host, lease = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local token, patience, most = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local queues, turns = queues_for_workers(offers_of(ARGV[9], ARGV[10], ARGV[11])), WORKERS
if ARGV[12] then
  turns = queue_of_boxes(ARGV[12], ARGV[13], ARGV[14])
  queues = { turns }
end

local now = now_ms()

-- What can fail, since the record is damaged, comes first.
local function begin(id)
  local key = job_key(id)
  local attempt = redis.call('HGET', key, 'attempt') + 1
  redis.call('RPUSH', key .. ':attempts',
    cjson.encode({ number = attempt, worker = worker, started = now }))
  redis.call('HSET', key, 'attempt', attempt,
    'worker', worker, 'pid', pid, 'host', host, 'claim', token)
  redis.call('HSETNX', key, 'started', now)
  redis.call('SADD', P .. ':running:' .. worker, id)
  redis.call('ZADD', P .. ':leases', now + lease, id)
  enter(id, 'running', now, { attempt = attempt, worker = worker })
end

local function refuse(id, why)
  assert(redis.call('HGET', job_key(id), 'state') == 'queued')
  redis.call('HSET', job_key(id), 'error', cjson.encode({
    code = 'internal', message = 'the job cannot begin, as its record is damaged: ' .. why,
  }))
  conclude(id, 'failed', now)
end

-- Returns whether a job has begun. One that cannot begin fails; where not even that can be recorded,
-- `forget` takes it away from where it was found, so that it does not hold up the others.
local function has_begun(id, forget)
  local fault, went_well = tried(begin, id)
  if went_well then return true end
  -- A Redis that is full has refused the first write.
  if string.find(fault, '^OOM ') then error(fault, 0) end
  local _, is_told = tried(function() refuse(id, fault) end)
  if not is_told then forget() end
  return false
end

-- The same script comes a second time when its answer was lost with the connection.
local claimed = {}
for _, id in ipairs(redis.call('SMEMBERS', P .. ':running:' .. worker)) do
  if redis.call('HGET', job_key(id), 'claim') == token then table.insert(claimed, id) end
end
if not claimed[1] and not is_paused() and not redis.call('ZSCORE', P .. ':drains', worker) then
  repeat
    local best, priority, tenant = next_job(queues, turns, now, patience)
    if best and has_begun(best, function() forget(best, queues, priority, tenant) end) then
      claimed = { best }
      local others, alike = jobs_like(best, most - 1)
      for _, id in ipairs(others) do
        if has_begun(id, function() redis.call('ZREM', alike, id) end) then table.insert(claimed, id) end
      end
    end
  until claimed[1] or not best
end
local records = {}
for _, id in ipairs(claimed) do table.insert(records, redis.call('HGETALL', job_key(id))) end
return records
