-- worker, process id, lease in ms, patience in ms, most jobs. Gives the worker the best job of the
-- queue, and others that can be run together with it; returns their records, none if none is queued.
local worker, pid, lease = ARGV[2], ARGV[3], tonumber(ARGV[4])
local patience, most = tonumber(ARGV[5]), tonumber(ARGV[6])
local now = now_ms()

local function begin(id)
  local key = job_key(id)
  local attempt = redis.call('HINCRBY', key, 'attempt', 1)
  redis.call('HSETNX', key, 'started', now)
  redis.call('HSET', key, 'worker', worker, 'pid', pid)
  redis.call('SADD', P .. ':running:' .. worker, id)
  redis.call('RPUSH', key .. ':attempts',
    cjson.encode({ number = attempt, worker = worker, started = now }))
  redis.call('ZADD', P .. ':leases', now + lease, id)
  enter(id, 'running', now, { attempt = attempt, worker = worker })
  return redis.call('HGETALL', key)
end

local best = next_job(now, patience)
if not best then return {} end
local claimed = { begin(best) }
for _, id in ipairs(jobs_like(best, most - 1)) do table.insert(claimed, begin(id)) end
return claimed
