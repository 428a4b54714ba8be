-- Put before the scripts about boxes at the edge (core/store/edge.py). A group belongs to a tenant; its
-- hash holds `stable`, the digest of the release that all its boxes should run, and of the last roll-out
-- `candidate`, `state` (rolling, stopped, done), `reason`, `stages` (percentages) and `stage` (from 1).
local function box_key(box) return P .. ':edge:box:' .. box end

local function add_group(tenant, group, now)
  if redis.call('HSETNX', group_key(tenant, group), 'created', now) == 1 then
    redis.call('ZADD', space(tenant) .. ':edge:groups', 0, group)
    if tenant ~= 'default' then redis.call('SADD', P .. ':tenants', tenant) end
  end
end

-- Keeps an artifact as long as the group does.
local function keep(tenant, group, digest, now)
  if redis.call('SADD', group_key(tenant, group) .. ':artifacts', digest) == 1 then
    redis.call('HINCRBY', artifact_key(digest), 'refs', 1)
  end
  redis.call('ZADD', P .. ':artifacts', now, digest)
end

local function let_go(tenant, group, digest)
  if redis.call('SREM', group_key(tenant, group) .. ':artifacts', digest) == 1 then
    redis.call('HINCRBY', artifact_key(digest), 'refs', -1)
  end
end

-- Lets so many of a hundred boxes have the candidate; in which order depends on the release, so that
-- not always the same ones are first.
local function choose(key, share)
  local boxes = redis.call('ZRANGE', key .. ':boxes', 0, -1)
  local candidate = redis.call('HGET', key, 'candidate')
  local rank = {}
  for _, box in ipairs(boxes) do rank[box] = redis.sha1hex(box .. candidate) end
  table.sort(boxes, function(a, b) return rank[a] < rank[b] end)
  for i = 1, math.ceil(#boxes * share / 100) do redis.call('SADD', key .. ':chosen', boxes[i]) end
end

-- Goes on with the next stages of a roll-out for as long as every chosen box runs the candidate.
local function go_on(key)
  local record = redis.call('HMGET', key, 'state', 'stages', 'stage')
  if record[1] ~= 'rolling' then return end
  local stages, stage = cjson.decode(record[2]), tonumber(record[3])
  while redis.call('SCARD', key .. ':chosen') == redis.call('SCARD', key .. ':good') do
    if stage == #stages then
      redis.call('HSET', key, 'stable', redis.call('HGET', key, 'candidate'), 'state', 'done')
      return
    end
    stage = stage + 1
    redis.call('HSET', key, 'stage', stage)
    choose(key, stages[stage])
  end
end

-- The release that a box should run: the candidate if the box was chosen for it, also after the
-- roll-out was stopped, since a box does not take an older version again.
local function wanted(key, box)
  local record = redis.call('HMGET', key, 'stable', 'candidate', 'state')
  if record[3] and record[3] ~= 'done' and redis.call('SISMEMBER', key .. ':chosen', box) == 1 then
    return record[2]
  end
  return record[1]
end
