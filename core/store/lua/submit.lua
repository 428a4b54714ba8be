-- lifetime of idempotency keys in ms, the broker's list, most queued jobs in all and of a tenant, most
-- stored bytes in all and of a tenant, the number of plans, the plans, then a job as JSON each: id; idem,
-- the idempotency key ('' for none), and fingerprint of the request; record, its fields; plan, which of
-- the plans is its own, counted from 1 (0 for none); parent, the job that begins this one (''
-- for none), its attempt, and the place that this one has in it; tenant, whose it is ('' for whose the
-- one is that begins it); artifacts, the digests that it refers to.
-- Returns the time, how many wake-ups are missing for jobs that any worker may take, then outcome and value for each job. A job is
-- recorded wholly or, if its outcome is none of 'created' and 'repeated', not at all.
local lifetime, list = ARGV[2], ARGV[3]
local most, most_of_tenant = tonumber(ARGV[4]), tonumber(ARGV[5])
local most_bytes, most_bytes_of_tenant = tonumber(ARGV[6]), tonumber(ARGV[7])
local now = now_ms()
local queued, bound, addressed = queued_counts()

-- What a tenant has queued, and what is stored in all and of it: as it was when the script began.
local before = {}

local function found_before(tenant)
  if not before[tenant] then
    local stored = redis.call('HMGET', P .. ':stored', ':all', tenant)
    before[tenant] = {
      queued = redis.call('ZCARD', space(tenant) .. ':jobs:state:queued'),
      stored = tonumber(stored[1] or 0),
      own = tonumber(stored[2] or 0),
    }
  end
  return before[tenant]
end

local function submit(job)
  local id, key = job.id, job_key(job.id)
  -- The same script comes a second time when its answer was lost with the connection.
  if redis.call('EXISTS', key) == 1 then return 'repeated', id end
  local tenant = job.tenant
  if tenant == '' then tenant = job.parent ~= '' and tenant_of(job.parent) or 'default' end
  local idem_key = space(tenant) .. ':idempotency:' .. job.idem
  if job.idem ~= '' then
    local seen = redis.call('HMGET', idem_key, 'fingerprint', 'job')
    if seen[2] and redis.call('EXISTS', job_key(seen[2])) == 1 then
      return seen[1] == job.fingerprint and 'exists' or 'conflict', seen[2]
    end
  end
  -- Begun by an attempt before this one, perhaps one that was killed right after.
  if job.parent ~= '' then
    if not owns(job.parent, job.attempt) then return 'lost', job.parent end
    local child = redis.call('HGET', job_key(job.parent) .. ':children', job.place)
    if child and redis.call('EXISTS', job_key(child)) == 1 then return 'exists', child end
  end
  -- What a job begins belongs to work that was accepted.
  if job.parent == '' then
    if queued + bound + addressed >= most then return 'full', '' end
    local found = found_before(tenant)
    if found.queued >= most_of_tenant then return 'full', tenant end
    if found.stored >= most_bytes then return 'crowded', '' end
    if found.own >= most_bytes_of_tenant then return 'crowded', tenant end
  end
  for _, digest in ipairs(job.artifacts) do
    if not holds(tenant, digest) then return 'missing', digest end
  end
  local fields = { 'id', id, 'tenant', tenant, 'created', now, 'queued', now, 'attempt', 0, 'lost', 0 }
  for field, value in pairs(job.record) do
    table.insert(fields, field)
    table.insert(fields, value)
  end
  if job.plan > 0 then
    table.insert(fields, 'plan')
    table.insert(fields, ARGV[8 + job.plan])
  end
  redis.call('HSET', key, unpack(fields))
  for _, digest in ipairs(job.artifacts) do refer(id, tenant, digest, now) end
  if job.parent ~= '' then
    redis.call('HSET', key, 'parent', job.parent)
    redis.call('HSET', job_key(job.parent) .. ':children', job.place, id)
  end
  if tenant ~= 'default' then redis.call('SADD', P .. ':tenants', tenant) end
  local listed = space(tenant) .. ':jobs'
  later('ZADD', listed, 0, id)
  later('ZADD', listed .. ':kind:' .. job.record.kind, 0, id)
  local label = job.record.label
  if label then later('ZADD', listed .. ':label:' .. label, 0, id) end
  if job.idem ~= '' then
    redis.call('HSET', idem_key, 'fingerprint', job.fingerprint, 'job', id)
    redis.call('PEXPIRE', idem_key, lifetime)
  end
  enter(id, 'queued', now)
  if before[tenant] then before[tenant].queued = before[tenant].queued + 1 end
  if job.record.group then addressed = addressed + 1
  elseif job.record.needs and device_and_class(job.record.needs) ~= '' then bound = bound + 1
  else queued = queued + 1 end
  return 'created', id
end

local answer = { now, 0 }
for i = 9 + ARGV[8], #ARGV do
  local outcome, value = submit(cjson.decode(ARGV[i]))
  table.insert(answer, outcome)
  table.insert(answer, value)
end
answer[2] = missing_messages(queued, list)
return answer
