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

local function begin(id, now)
  local key = job_key(id)
  local attempt = redis.call('HINCRBY', key, 'attempt', 1)
  redis.call('HSETNX', key, 'started', now)
  redis.call('HSET', key, 'worker', worker, 'pid', pid, 'host', host, 'claim', token)
  redis.call('SADD', P .. ':running:' .. worker, id)
  redis.call('RPUSH', key .. ':attempts',
    cjson.encode({ number = attempt, worker = worker, started = now }))
  redis.call('ZADD', P .. ':leases', now + lease, id)
  enter(id, 'running', now, { attempt = attempt, worker = worker })
end

-- The same script comes a second time when its answer was lost with the connection.
local claimed = {}
for _, id in ipairs(redis.call('SMEMBERS', P .. ':running:' .. worker)) do
  if redis.call('HGET', job_key(id), 'claim') == token then table.insert(claimed, id) end
end
if not claimed[1] and not is_paused() and not redis.call('ZSCORE', P .. ':drains', worker) then
  local now = now_ms()
  local best = next_job(queues, turns, now, patience)
  if best then
    begin(best, now)
    claimed = { best }
    for _, id in ipairs(jobs_like(best, most - 1)) do
      begin(id, now)
      table.insert(claimed, id)
    end
  end
end
local records = {}
for _, id in ipairs(claimed) do table.insert(records, redis.call('HGETALL', job_key(id))) end
return records
