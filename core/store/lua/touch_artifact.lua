-- digest. Counts the artifact as used now; returns 1, or 0 when it is not stored.
local digest = ARGV[2]
if redis.call('EXISTS', artifact_key(digest)) == 0 then return 0 end
redis.call('ZADD', P .. ':artifacts', now_ms(), digest)
return 1
