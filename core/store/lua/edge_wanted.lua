-- box. Returns {digest, what is known of it as JSON} of the release that it should run, {} for none.
local box = ARGV[2]
local record = redis.call('HMGET', box_key(box), 'tenant', 'group')
if not record[1] then return {} end
local key = group_key(record[1], record[2])
local digest = wanted(key, box)
if not digest then return {} end
return { digest, redis.call('HGET', key .. ':releases', digest) }
