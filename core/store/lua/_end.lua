-- Put behind every script, which is the function `script` by then. What it has counted is written also
-- where it fails: so is what it has changed until then.
local answer, went_well = tried(script)
local fault, are_counted = tried(write_counts)
if went_well and are_counted then return answer end
fault = went_well and fault or answer
return redis.error_reply(string.find(fault, '^%u+ ') and fault or 'ERR ' .. fault)
