-- age in ms, the broker's list. Returns how many wake-ups are missing for jobs that have been queued
-- for workers for that long. Any message serves any job, so counting tells all there is to know.
local age, list = tonumber(ARGV[2]), ARGV[3]
if is_paused() then return 0 end
local before = now_ms() - age
local due = 0
for _, queue in ipairs(queues_for_workers()) do
  for _, priority in ipairs(PRIORITIES) do
    due = due + redis.call('ZCOUNT', waiting_key(queue, priority), '-inf', before)
  end
end
return missing_messages(due, list)
