-- digest, tenant who has the bytes. Counts the artifact as used now; returns 'new' if the tenant did
-- not hold it before, 'held' if it did, or nil when it is not stored.
local digest, tenant = ARGV[2], ARGV[3]
if redis.call('EXISTS', artifact_key(digest)) == 0 then return false end
local now = now_ms()
redis.call('ZADD', P .. ':artifacts', now, digest)
return grant(tenant, digest, now) and 'new' or 'held'
