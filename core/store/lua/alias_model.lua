-- tenant, name, alias, version. Returns 1, or 0 when there is no such version.
local key, alias, version = model_key(ARGV[2], ARGV[3]), ARGV[4], ARGV[5]
if redis.call('EXISTS', key .. ':version:' .. version) == 0 then return 0 end
redis.call('HSET', key .. ':aliases', alias, version)
return 1
