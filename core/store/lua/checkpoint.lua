-- id, attempt, digest. The job goes on from this artifact if it is begun again. Returns 'kept', 'lost'
-- when another attempt owns the job, or 'missing' when the artifact was swept before it was named.
local id, attempt, digest = ARGV[2], ARGV[3], ARGV[4]
if not owns(id, attempt) then return 'lost' end
if redis.call('EXISTS', artifact_key(digest)) == 0 then return 'missing' end
local key = job_key(id)
local old = redis.call('HGET', key, 'checkpoint')
if old == digest then return 'kept' end
local now = now_ms()
redis.call('HINCRBY', artifact_key(digest), 'refs', 1)
redis.call('ZADD', P .. ':artifacts', now, digest)
drop_checkpoint(id)
-- Work that was saved is not lost: only losses without any progress between them make poison.
redis.call('HSET', key, 'checkpoint', digest, 'checkpointed', now, 'lost', 0)
return 'kept'
