-- id, idempotency key ('' for none), fingerprint of the request, its lifetime in ms, record as
-- JSON; the job that begins this one ('' for none), its attempt, and the place that this one has in
-- it; whose it is ('' for whose the one is that begins it); then the digests that the job refers to.
local id, idem, fingerprint, lifetime, fields = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local parent, attempt, place, tenant = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
-- The same script comes a second time when its answer was lost with the connection.
if redis.call('EXISTS', job_key(id)) == 1 then return { 'created', id } end
local now = now_ms()
if tenant == '' then tenant = parent ~= '' and tenant_of(parent) or 'default' end
local idem_key = space(tenant) .. ':idempotency:' .. idem
if idem ~= '' then
  local seen = redis.call('HMGET', idem_key, 'fingerprint', 'job')
  if seen[2] and redis.call('EXISTS', job_key(seen[2])) == 1 then
    return { seen[1] == fingerprint and 'exists' or 'conflict', seen[2] }
  end
end
-- Begun by an attempt before this one, perhaps one that was killed right after.
if parent ~= '' then
  if not owns(parent, attempt) then return { 'lost', parent } end
  local child = redis.call('HGET', job_key(parent) .. ':children', place)
  if child and redis.call('EXISTS', job_key(child)) == 1 then return { 'exists', child } end
end
for i = 11, #ARGV do
  if not holds(tenant, ARGV[i]) then return { 'missing', ARGV[i] } end
end
set_fields(id, fields)
local key = job_key(id)
redis.call('HSET', key, 'id', id, 'tenant', tenant, 'created', now, 'queued', now,
  'attempt', 0, 'lost', 0)
for i = 11, #ARGV do refer(id, ARGV[i], now) end
if parent ~= '' then
  redis.call('HSET', key, 'parent', parent)
  redis.call('HSET', job_key(parent) .. ':children', place, id)
end
if tenant ~= 'default' then redis.call('SADD', P .. ':tenants', tenant) end
local listed = space(tenant) .. ':jobs'
redis.call('ZADD', listed, 0, id)
redis.call('ZADD', listed .. ':kind:' .. redis.call('HGET', key, 'kind'), 0, id)
local label = redis.call('HGET', key, 'label')
if label then redis.call('ZADD', listed .. ':label:' .. label, 0, id) end
if idem ~= '' then
  redis.call('HSET', idem_key, 'fingerprint', fingerprint, 'job', id)
  redis.call('PEXPIRE', idem_key, lifetime)
end
enter(id, 'queued', now)
return { 'created', id }
