-- id of a token, id for a new box, SHA-256 of the box's secret, its group, its name, fields as JSON. Makes
-- the box and its API key (core/store/keys.py), whose id is the box's. The same box gets the same answer
-- again. Returns {'enrolled', box}, {'used', ''}, {'group', the token's} or {'unknown', ''}.
local token, box, secret, group, name, fields = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local token_key = P .. ':edge:token:' .. token
local record = redis.call('HMGET', token_key, 'tenant', 'group', 'box', 'secret')
local tenant = record[1]
if not tenant then return { 'unknown', '' } end
if record[2] ~= group then return { 'group', record[2] } end
if record[3] then
  if record[4] ~= secret then return { 'used', '' } end
  return { 'enrolled', record[3] }
end
local now = now_ms()
redis.call('HSET', token_key, 'box', box, 'secret', secret)
redis.call('HSET', P .. ':key:' .. box, 'tenant', tenant, 'scopes', 'edge', 'digest', secret,
  'created', now, 'label', 'box ' .. name)
redis.call('SADD', P .. ':keys', box)
redis.call('HSET', box_key(box), 'tenant', tenant, 'group', group, 'name', name, 'created', now,
  'about', fields)
redis.call('ZADD', group_key(tenant, group) .. ':boxes', now, box)
return { 'enrolled', box }
