-- id, attempt, reason, most attempts. The process of the attempt died: no need to wait for the lease.
local id, attempt, reason, max_attempts = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
if not owns(id, attempt) then return false end
return lose(id, now_ms(), 'lost', reason, max_attempts)
