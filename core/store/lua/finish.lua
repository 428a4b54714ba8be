-- the number of artifacts, these as for add_artifact.lua, then the end of an attempt as JSON each: id,
-- attempt, the final state, reason, fields of the record, and artifacts, the digests of the results.
-- Returns the files that no record names after that, then for each end 1; 0 if another attempt owns the
-- job, which is as it was then (the fence); or what went wrong. Each ends for itself.
local now = now_ms()

local function finish(done)
  local id, state = done.id, done.state
  if not owns(id, done.attempt) then return 0 end
  for _, digest in ipairs(done.artifacts) do
    if redis.call('EXISTS', artifact_key(digest)) == 0 then
      return 'artifact ' .. digest .. ' of the result does not exist'
    end
  end
  end_attempt(id, now, state, done.reason ~= '' and done.reason or nil)
  local fields = {}
  for field, value in pairs(done.fields) do
    table.insert(fields, field)
    table.insert(fields, value)
  end
  redis.call('HSET', job_key(id), unpack(fields))
  local tenant = tenant_of(id)
  for _, digest in ipairs(done.artifacts) do refer(id, tenant, digest, now) end
  -- What failed or was cancelled can go on from there when it is tried again.
  if state == 'succeeded' then drop_checkpoint(id) end
  conclude(id, state, now)
  return 1
end

local unnamed, packs = {}, {}
local first_end = 3 + ARGV[2]
for i = 3, first_end - 1 do
  local artifact = cjson.decode(ARGV[i])
  local file = add_artifact(artifact, now)
  if file then table.insert(unnamed, file) end
  local pack = pack_of(artifact.key)
  if pack then packs[pack] = true end
end
for pack in pairs(packs) do
  -- All that it holds was stored before.
  if redis.call('HEXISTS', P .. ':packs', pack) == 0 then table.insert(unnamed, pack) end
end
local answer = { unnamed }
for i = first_end, #ARGV do
  local outcome, went_well = tried(finish, cjson.decode(ARGV[i]))
  -- A Redis that is full has refused the first write: nothing has been changed, and there may be
  -- room later.
  if not went_well and string.find(outcome, '^OOM ') then return redis.error_reply(outcome) end
  table.insert(answer, outcome)
end
return answer
