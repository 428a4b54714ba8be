-- Put before every script. ARGV[1] is the key prefix; a script's own arguments start at ARGV[2].
-- All times are milliseconds of the server's clock: a worker with a wrong clock cannot hurt.
local P = ARGV[1]

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function job_key(id) return P .. ':job:' .. id end
local function artifact_key(digest) return P .. ':artifact:' .. digest end
local function model_key(name) return P .. ':model:' .. name end

local function emit(id, event, data)
  redis.call('XADD', job_key(id) .. ':events', 'MAXLEN', '~', 2000, '*',
    'event', event, 'data', cjson.encode(data))
end

local function set_fields(id, json)
  for field, value in pairs(cjson.decode(json)) do
    redis.call('HSET', job_key(id), field, value)
  end
end

-- The one place where a state changes: record, indexes and event move together.
local function enter(id, state, now, notice)
  local key = job_key(id)
  local old = redis.call('HGET', key, 'state')
  if old then redis.call('ZREM', P .. ':jobs:state:' .. old, id) end
  redis.call('ZADD', P .. ':jobs:state:' .. state, 0, id)
  redis.call('HSET', key, 'state', state)
  if state == 'queued' then redis.call('ZADD', P .. ':queued', now, id)
  else redis.call('ZREM', P .. ':queued', id) end
  if state == 'succeeded' or state == 'failed' or state == 'cancelled' then
    redis.call('HSET', key, 'finished', now)
    redis.call('ZADD', P .. ':ended', now, id)
  end
  notice = notice or {}
  notice.state = state
  notice.at = now
  emit(id, 'state', notice)
end

-- An attempt ends, however it ended: the lease goes, the history gets its outcome.
local function end_attempt(id, now, outcome, reason)
  local key = job_key(id)
  local worker = redis.call('HGET', key, 'worker')
  if worker and redis.call('HGET', P .. ':running', worker) == id then
    redis.call('HDEL', P .. ':running', worker)
  end
  redis.call('ZREM', P .. ':leases', id)
  local last = redis.call('LINDEX', key .. ':attempts', -1)
  if last then
    local attempt = cjson.decode(last)
    attempt.ended = now
    attempt.outcome = outcome
    attempt.reason = reason
    redis.call('LSET', key .. ':attempts', -1, cjson.encode(attempt))
  end
end

local function owns(id, attempt)
  local record = redis.call('HMGET', job_key(id), 'state', 'attempt')
  return record[1] == 'running' and record[2] == attempt
end

-- What becomes of a running job whose worker is gone: cancelled if that was asked for, failed as
-- poison if it was lost too often, else queued again.
local function lose(id, now, outcome, reason, max_attempts)
  local key = job_key(id)
  if redis.call('HGET', key, 'cancel_requested') then
    end_attempt(id, now, 'cancelled', reason)
    enter(id, 'cancelled', now)
    return 'cancelled'
  end
  end_attempt(id, now, outcome, reason)
  local lost = redis.call('HINCRBY', key, 'lost', 1)
  if lost >= max_attempts then
    redis.call('HSET', key, 'error', cjson.encode({
      code = 'poison',
      message = 'the job was lost ' .. lost .. ' times (' .. reason .. ') and is not tried again',
    }))
    enter(id, 'failed', now)
    return 'failed'
  end
  enter(id, 'queued', now, { reason = reason })
  return 'queued'
end

local function refer(id, digest, now)
  if redis.call('SADD', job_key(id) .. ':artifacts', digest) == 1 then
    redis.call('HINCRBY', artifact_key(digest), 'refs', 1)
  end
  redis.call('ZADD', P .. ':artifacts', now, digest)
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
