-- tenant, group, time in ms, most. Forgets results that were received before; returns how many deliveries.
local tenant, group, before, most = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local stream = group_key(tenant, group) .. ':results'
local old = redis.call('XRANGE', stream, '-', '(' .. before .. '-0', 'COUNT', most)
for _, entry in ipairs(old) do
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'artifact' then let_go(tenant, group, entry[2][i + 1]) end
  end
  redis.call('XDEL', stream, entry[1])
end
return #old
