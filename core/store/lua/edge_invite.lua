-- id of a token, SHA-256 of its secret, tenant, group, lifetime in ms. Makes a token with which one box
-- can enrol; the group exists from now on.
local token, digest, tenant, group, lifetime = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
add_group(tenant, group, now_ms())
local key = P .. ':edge:token:' .. token
redis.call('HSET', key, 'digest', digest, 'tenant', tenant, 'group', group)
redis.call('PEXPIRE', key, lifetime)
return 1
