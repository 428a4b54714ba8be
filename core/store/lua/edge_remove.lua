-- box. Forgets a box and its API key; a roll-out waits for it no longer.
local box = ARGV[2]
local record = redis.call('HMGET', box_key(box), 'tenant', 'group')
if not record[1] then return 0 end
local key = group_key(record[1], record[2])
redis.call('ZREM', key .. ':boxes', box)
redis.call('SREM', key .. ':chosen', box)
redis.call('SREM', key .. ':good', box)
redis.call('DEL', box_key(box), box_key(box) .. ':received', P .. ':key:' .. box, P .. ':bucket:' .. box)
redis.call('SREM', P .. ':keys', box)
go_on(key)
return 1
