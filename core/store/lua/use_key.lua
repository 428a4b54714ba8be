-- id of a key, tokens per second (0 for no limit), most tokens. Takes a token from the key's bucket.
-- Returns {'used', tokens left}, {'limited', ms until there is one}, {'expired', 0} or {'unknown', 0}.
local id, rate, most = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local key = P .. ':key:' .. id
local record = redis.call('HMGET', key, 'created', 'expires', 'used')
if not record[1] then return { 'unknown', 0 } end
local now = now_ms()
if record[2] and tonumber(record[2]) <= now then return { 'expired', 0 } end
local bucket = P .. ':bucket:' .. id
-- A Redis that is full lets a script go on that has begun with what takes no memory. Without a key
-- nobody could delete what makes room.
redis.call('HDEL', bucket, '')
-- To the minute, so that not every request changes the record.
if not record[3] or tonumber(record[3]) < now - 60000 then redis.call('HSET', key, 'used', now) end
if rate <= 0 then return { 'used', 0 } end
local held = redis.call('HMGET', bucket, 'tokens', 'at')
-- The clock may have been set back.
local since = math.max(0, now - tonumber(held[2] or now))
local tokens = math.min(most, tonumber(held[1] or most) + since * rate / 1000)
if tokens < 1 then return { 'limited', math.ceil((1 - tokens) * 1000 / rate) } end
tokens = tokens - 1
redis.call('HSET', bucket, 'tokens', tostring(tokens), 'at', now)
-- A bucket that would be full again is as good as none.
redis.call('PEXPIRE', bucket, math.ceil((most - tokens) * 1000 / rate) + 1000)
return { 'used', math.floor(tokens) }
