-- Put before every script. ARGV[1] is the key prefix; a script's own arguments start at ARGV[2].
-- All times are milliseconds of the server's clock: a worker with a wrong clock cannot hurt.
local P = ARGV[1]

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function job_key(id) return P .. ':job:' .. id end
local function artifact_key(digest) return P .. ':artifact:' .. digest end

-- The first part of the keys that only this tenant has: see core/store/tenants.py.
local function space(tenant)
  return tenant == 'default' and P or P .. ':tenant:' .. tenant
end

local function model_key(tenant, name) return space(tenant) .. ':model:' .. name end

local function group_key(tenant, group) return space(tenant) .. ':edge:group:' .. group end

local function tenant_of(id) return redis.call('HGET', job_key(id), 'tenant') or 'default' end

-- A tenant holds an artifact if it uploaded the bytes or a job of its own made them; an artifact of
-- before there were tenants is the default one's. An artifact that does not exist is held by nobody.
local function holds(tenant, digest)
  local key = artifact_key(digest)
  if redis.call('HEXISTS', key, 'tenant:' .. tenant) == 1 then return true end
  if tenant ~= 'default' or redis.call('EXISTS', key) == 0 then return false end
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 7) == 'tenant:' then return false end
  end
  return true
end

-- Counts bytes that are stored, in all (':all') and of each tenant that holds them, up or down.
local function count_bytes(whose, bytes)
  if redis.call('HINCRBY', P .. ':stored', whose, bytes) == 0 then
    redis.call('HDEL', P .. ':stored', whose)
  end
end

-- The bytes of an artifact; none if it is from before they were counted.
local function counted_bytes(digest)
  local record = redis.call('HMGET', artifact_key(digest), 'size', 'counted')
  return record[2] and tonumber(record[1])
end

-- Lets a tenant hold an artifact that exists. Returns whether it did not before.
local function grant(tenant, digest, now)
  if redis.call('HEXISTS', artifact_key(digest), 'tenant:' .. tenant) == 1 then return false end
  local held = holds(tenant, digest)
  if not held and holds('default', digest) then
    redis.call('HSET', artifact_key(digest), 'tenant:default', now)
  end
  redis.call('HSET', artifact_key(digest), 'tenant:' .. tenant, now)
  local bytes = counted_bytes(digest)
  if bytes then count_bytes(tenant, bytes) end
  return not held
end

-- Returns what a function returns, or what went wrong as text, and whether it went well.
local function tried(act, argument)
  local went_well, outcome = pcall(act, argument)
  if not went_well and type(outcome) == 'table' then outcome = outcome.err end
  return outcome, went_well
end

local function is_paused() return redis.call('EXISTS', P .. ':paused') == 1 end

local function emit(id, event, data)
  redis.call('XADD', job_key(id) .. ':events', 'MAXLEN', '~', 2000, '*',
    'event', event, 'data', cjson.encode(data))
end

local function has_ended(state)
  return state == 'succeeded' or state == 'failed' or state == 'cancelled'
end

local child_ended, conclude, enqueue, dequeue
local note_submitted, note_ended, note_attempt, note_retried

-- Whoever runs a job has no claim to it any more.
local function drop_lease(id, worker)
  if worker then redis.call('SREM', P .. ':running:' .. worker, id) end
  redis.call('ZREM', P .. ':leases', id)
end

-- The one place where a state changes: record, indexes and event move together. Who comes back to
-- the queue has the place that it had (`since`, the time of its submission, unless given). The lease goes
-- last: what a script has left undone that failed on its way is found by it (expire.lua).
local function enter(id, state, now, notice, since)
  local key = job_key(id)
  local record = redis.call('HMGET', key,
    'state', 'tenant', 'queued', 'kind', 'started', 'parent', 'worker')
  local tenant, kind, parent, worker = record[2] or 'default', record[4], record[6], record[7]
  local states = space(tenant) .. ':jobs:state:'
  if record[1] then later('ZREM', states .. record[1], id)
  else note_submitted(kind, tenant, now) end
  later('ZADD', states .. state, 0, id)
  if has_ended(state) then redis.call('HSET', key, 'state', state, 'finished', now)
  else redis.call('HSET', key, 'state', state) end
  if state == 'queued' then enqueue(id, since or record[3])
  elseif record[1] == 'queued' then dequeue(id) end
  if has_ended(state) then
    later('ZADD', P .. ':ended', now, id)
    note_ended(kind, tenant, state, record[3], record[5], now)
  end
  notice = notice or {}
  notice.state = state
  notice.at = now
  emit(id, 'state', notice)
  if has_ended(state) and parent then child_ended(parent, id, state, now) end
  if record[1] == 'running' then drop_lease(id, worker) end
end

-- A job that waits goes on when the last of its children has ended.
function child_ended(parent, id, state, now)
  local key = job_key(parent)
  local awaited = key .. ':awaited'
  if redis.call('SREM', awaited, id) == 0 then return end
  local progress = cjson.decode(redis.call('HGET', key, 'progress'))
  progress.done = (progress.done or 0) + 1
  progress.failed = (progress.failed or 0) + (state == 'failed' and 1 or 0)
  redis.call('HSET', key, 'progress', cjson.encode(progress))
  emit(parent, 'progress', progress)
  if redis.call('SCARD', awaited) > 0 then return end
  if redis.call('HGET', key, 'cancel_requested') then enter(parent, 'cancelled', now)
  else enter(parent, 'queued', now, { reason = 'what it waited for has ended' }) end
end

-- An attempt ends, however it ended: the history gets its outcome. Called before anything is written,
-- as it may fail.
local function end_attempt(id, now, outcome, reason)
  local history = job_key(id) .. ':attempts'
  local last = redis.call('LINDEX', history, -1)
  local attempt = last and cjson.decode(last)
  note_attempt(outcome)
  if attempt then
    attempt.ended = now
    attempt.outcome = outcome
    attempt.reason = reason
    redis.call('LSET', history, -1, cjson.encode(attempt))
  end
end

local function owns(id, attempt)
  local record = redis.call('HMGET', job_key(id), 'state', 'attempt')
  return record[1] == 'running' and record[2] == attempt
end

-- Cancels a job that waits in the queue, asks one that runs to stop, and one that waits for others
-- stops with them. Returns the state after that.
local function cancel(id, now)
  local key = job_key(id)
  local state = redis.call('HGET', key, 'state')
  if state == 'queued' then
    redis.call('HSETNX', key, 'cancel_requested', now)
    conclude(id, 'cancelled', now)
  elseif (state == 'running' or state == 'waiting')
      and redis.call('HSETNX', key, 'cancel_requested', now) == 1 then
    emit(id, 'cancel', { at = now })
    if state == 'waiting' then
      for _, child in ipairs(redis.call('SMEMBERS', key .. ':awaited')) do cancel(child, now) end
    end
  end
  return redis.call('HGET', key, 'state')
end

-- Lets a job wait for those of the given ones that have not ended; false if there are none.
local function await(id, children, now, reason)
  local any = false
  for _, child in ipairs(children) do
    local state = redis.call('HGET', job_key(child), 'state')
    if state and not has_ended(state) then
      redis.call('SADD', job_key(id) .. ':awaited', child)
      any = true
    end
  end
  if any then enter(id, 'waiting', now, { reason = reason }) end
  return any
end

-- A job comes to its end. What it has begun does not outlive its failure, and a job is
-- cancelled only when everything of it has stopped.
function conclude(id, state, now)
  if state ~= 'succeeded' then
    local children = redis.call('HVALS', job_key(id) .. ':children')
    for _, child in ipairs(children) do cancel(child, now) end
    if state == 'cancelled' and await(id, children, now, 'its jobs are asked to stop') then
      return 'waiting'
    end
  end
  enter(id, state, now)
  return state
end

-- What becomes of a running job whose worker is gone: cancelled if that was asked for, failed as
-- poison if it was lost too often, else queued again.
local function lose(id, now, outcome, reason, max_attempts)
  local key = job_key(id)
  if redis.call('HGET', key, 'cancel_requested') then
    end_attempt(id, now, 'cancelled', reason)
    return conclude(id, 'cancelled', now)
  end
  end_attempt(id, now, outcome, reason)
  local lost = redis.call('HINCRBY', key, 'lost', 1)
  if lost >= max_attempts then
    redis.call('HSET', key, 'error', cjson.encode({
      code = 'poison',
      message = 'the job was lost ' .. lost .. ' times (' .. reason .. ') and is not tried again',
    }))
    return conclude(id, 'failed', now)
  end
  enter(id, 'queued', now, { reason = reason })
  return 'queued'
end

local function refer(id, tenant, digest, now)
  if redis.call('SADD', job_key(id) .. ':artifacts', digest) == 1 then
    redis.call('HINCRBY', artifact_key(digest), 'refs', 1)
    grant(tenant, digest, now)
  end
  later('ZADD', P .. ':artifacts', now, digest)
end

-- A checkpoint counts as a reference of its own, since the same bytes may be an input, too. Once
-- nothing else refers to it, it is as if unused for ever: the next sweep deletes it, whereas an
-- upload of the same bytes until then keeps it.
local function drop_checkpoint(id)
  local digest = redis.call('HGET', job_key(id), 'checkpoint')
  if not digest then return end
  redis.call('HDEL', job_key(id), 'checkpoint', 'checkpointed')
  if redis.call('HINCRBY', artifact_key(digest), 'refs', -1) <= 0 then
    redis.call('ZADD', P .. ':artifacts', 0, digest)
  end
end
