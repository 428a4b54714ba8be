-- id, attempt, then lines as JSON: what was logged about the job. Returns 0 and changes nothing unless
-- this attempt owns it. Only so many stay, the last ones, so that they do not push states and metrics
-- out of the stream.
local id, attempt, MOST = ARGV[2], ARGV[3], 500
if not owns(id, attempt) then return 0 end
local key = job_key(id)
for i = 4, #ARGV do
  redis.call('RPUSH', key .. ':logged',
    redis.call('XADD', key .. ':events', 'MAXLEN', '~', 2000, '*', 'event', 'log', 'data', ARGV[i]))
  if redis.call('LLEN', key .. ':logged') > MOST then
    redis.call('XDEL', key .. ':events', redis.call('LPOP', key .. ':logged'))
  end
end
return 1
