-- digest, key of its file. Notes that the file is not what it should be; returns 1, or 0 when the record
-- names another file by now, or is gone. Once noted, the next upload of the bytes replaces the file.
local digest, file = ARGV[2], ARGV[3]
if redis.call('HGET', artifact_key(digest), 'key') ~= file then return 0 end
redis.call('HSET', P .. ':damaged', digest, now_ms())
return 1
