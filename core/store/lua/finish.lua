-- id, attempt, final state, reason, the number of arguments that name and give fields, these, then the
-- digests of the results. The fence: returns 0 and changes nothing unless this attempt still owns the job.
local id, attempt, state, reason = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local first_digest = 7 + ARGV[6]
if not owns(id, attempt) then return 0 end
for i = first_digest, #ARGV do
  if redis.call('EXISTS', artifact_key(ARGV[i])) == 0 then
    return redis.error_reply('artifact ' .. ARGV[i] .. ' of the result does not exist')
  end
end
local now = now_ms()
redis.call('HSET', job_key(id), unpack(ARGV, 7, first_digest - 1))
for i = first_digest, #ARGV do refer(id, ARGV[i], now) end
-- What failed or was cancelled can go on from there when it is tried again.
if state == 'succeeded' then drop_checkpoint(id) end
end_attempt(id, now, state, reason ~= '' and reason or nil)
conclude(id, state, now)
return 1
