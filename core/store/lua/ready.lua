-- Returns how many jobs workers could begin: those bound to no kind of device, to processors, and to GPUs.
local found = { [''] = count_in({ WORKERS }, '+inf'), cpu = 0, gpu = 0 }
for _, needs in ipairs(redis.call('SMEMBERS', P .. ':needs')) do
  local device = device_and_class(needs)
  found[device] = found[device] + count_in({ queue_needing(needs) }, '+inf')
end
return { found[''], found.cpu, found.gpu }
