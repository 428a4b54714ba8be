-- id, worker, reason, most attempts. The parent saw its own child die: no need to wait for the lease.
local id, worker, reason, max_attempts = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local record = redis.call('HMGET', job_key(id), 'state', 'worker')
if record[1] ~= 'running' or record[2] ~= worker then return false end
return lose(id, now_ms(), 'lost', reason, max_attempts)
