-- id. Returns 'deleted', or the state that forbids it, or nil for an unknown job.
local id = ARGV[2]
local key = job_key(id)
local record = redis.call('HMGET', key, 'state', 'kind', 'label', 'tenant')
local state = record[1]
if not state then return false end
if not has_ended(state) then return state end
-- A Redis that is full lets a script go on that has begun with what takes no memory.
redis.call('ZREM', P .. ':ended', id)
for _, digest in ipairs(redis.call('SMEMBERS', key .. ':artifacts')) do
  redis.call('HINCRBY', artifact_key(digest), 'refs', -1)
end
drop_checkpoint(id)
local listed = space(record[4] or 'default') .. ':jobs'
redis.call('ZREM', listed, id)
redis.call('ZREM', listed .. ':state:' .. state, id)
redis.call('ZREM', listed .. ':kind:' .. record[2], id)
if record[3] then redis.call('ZREM', listed .. ':label:' .. record[3], id) end
redis.call('DEL', key, key .. ':attempts', key .. ':events', key .. ':artifacts',
  key .. ':children', key .. ':awaited', key .. ':logged')
return 'deleted'
