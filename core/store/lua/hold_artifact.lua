-- digest, tenant who has the bytes. Counts the artifact as used now; returns 'new' if the tenant did
-- not hold it before, 'held' if it did, 'damaged' if its file must be replaced, or nil when it is not
-- stored.
local digest, tenant = ARGV[2], ARGV[3]
if redis.call('EXISTS', artifact_key(digest)) == 0 then return false end
local now = now_ms()
redis.call('ZADD', P .. ':artifacts', now, digest)
local is_new = grant(tenant, digest, now)
if redis.call('HEXISTS', P .. ':damaged', digest) == 1 then return 'damaged' end
return is_new and 'new' or 'held'
