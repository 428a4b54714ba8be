-- tenant, name, version. Returns {'deleted'}, {'unknown'}, or {'aliased', alias, alias …}.
local tenant, name, version = ARGV[2], ARGV[3], ARGV[4]
local key = model_key(tenant, name)
local record = key .. ':version:' .. version
local digest = redis.call('HGET', record, 'digest')
if not digest then return { 'unknown' } end
local pointing = { 'aliased' }
local aliases = redis.call('HGETALL', key .. ':aliases')
for i = 1, #aliases, 2 do
  if aliases[i + 1] == version then table.insert(pointing, aliases[i]) end
end
if #pointing > 1 then return pointing end
for _, referred in ipairs(redis.call('SMEMBERS', record .. ':artifacts')) do
  redis.call('HINCRBY', artifact_key(referred), 'refs', -1)
end
redis.call('DEL', record, record .. ':artifacts')
redis.call('HDEL', key .. ':files', digest)
redis.call('ZREM', key .. ':versions', version)
if redis.call('ZCARD', key .. ':versions') == 0 then
  redis.call('ZREM', space(tenant) .. ':models', name)
end
return { 'deleted' }
