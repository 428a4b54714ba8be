-- id, worker, process id, lease in ms. Returns {attempt} or {nil, state}: only a queued job is claimed.
local id, worker, pid, lease = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local key = job_key(id)
local state = redis.call('HGET', key, 'state')
if state ~= 'queued' then return { false, state } end
local now = now_ms()
local attempt = redis.call('HINCRBY', key, 'attempt', 1)
redis.call('HSETNX', key, 'started', now)
redis.call('HSET', key, 'worker', worker, 'pid', pid)
redis.call('HSET', P .. ':running', worker, id)
redis.call('RPUSH', key .. ':attempts',
  cjson.encode({ number = attempt, worker = worker, started = now }))
redis.call('ZADD', P .. ':leases', now + lease, id)
enter(id, 'running', now, { attempt = attempt, worker = worker })
return { attempt }
