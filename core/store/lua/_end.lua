-- Put behind every script, which is the function `script` by then. What it has counted is written also
-- where it fails: so is what it has changed until then.
local answer, went_well = tried(script)
local late_fault, is_written = tried(write_late)
local fault, are_counted = tried(write_counts)
if went_well and is_written and are_counted then return answer end
fault = not went_well and answer or not is_written and late_fault or fault
return redis.error_reply(string.find(fault, '^%u+ ') and fault or 'ERR ' .. fault)
