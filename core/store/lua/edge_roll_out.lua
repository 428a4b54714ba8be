-- tenant, group, digest of a bundle, its sequence, what is known of it as JSON, stages as JSON. Begins a
-- roll-out in place of the one before. The same release again changes nothing. Returns {'begun', ''},
-- {'known', ''}, {'older', highest sequence}, or {'missing', digest}.
local tenant, group, digest = ARGV[2], ARGV[3], ARGV[4]
local sequence, about, stages = tonumber(ARGV[5]), ARGV[6], ARGV[7]
if not holds(tenant, digest) then return { 'missing', digest } end
local now = now_ms()
local key = group_key(tenant, group)
if redis.call('HGET', key, 'candidate') == digest then return { 'known', '' } end
local highest = tonumber(redis.call('HGET', key, 'highest') or 0)
-- Boxes refuse it, too.
if sequence <= highest then return { 'older', highest } end
add_group(tenant, group, now)
keep(tenant, group, digest, now)
redis.call('HSET', key .. ':releases', digest, about)
-- Only what some box may still fetch is kept.
local stable = redis.call('HGET', key, 'stable')
for _, known in ipairs(redis.call('HKEYS', key .. ':releases')) do
  if known ~= digest and known ~= stable then
    redis.call('HDEL', key .. ':releases', known)
    let_go(tenant, group, known)
  end
end
redis.call('HSET', key, 'candidate', digest, 'highest', sequence, 'state', 'rolling', 'stages', stages,
  'stage', 1, 'began', now)
redis.call('HDEL', key, 'reason')
redis.call('DEL', key .. ':chosen', key .. ':good')
choose(key, cjson.decode(stages)[1])
go_on(key)
return { 'begun', '' }
