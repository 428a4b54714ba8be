-- digest, tenant, then digests of others, which are kept as long as it is. Binds some of them at most: up to
-- the first one that the tenant does not hold, which is returned.
local digest, tenant = ARGV[2], ARGV[3]
if redis.call('EXISTS', artifact_key(digest)) == 0 then return digest end
local now = now_ms()
redis.call('ZADD', P .. ':artifacts', now, digest)
redis.call('SADD', P .. ':bound', digest)
for i = 4, #ARGV do
  if not holds(tenant, ARGV[i]) then return ARGV[i] end
  if redis.call('SADD', artifact_key(digest) .. ':parts', ARGV[i]) == 1 then
    redis.call('HINCRBY', artifact_key(ARGV[i]), 'refs', 1)
  end
  redis.call('ZADD', P .. ':artifacts', now, ARGV[i])
end
return false
