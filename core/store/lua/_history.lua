-- What happened when (docs/metrics.md). Of each tenant, buckets of time with counts and with
-- histograms of how long jobs waited and ran; of all together, sums that never go down.
-- Histograms have buckets of constant ratio (core/store/sketch.py). A script counts here first, and adds to
-- what Redis keeps at its end (_end.lua): a hundred jobs that one script records count as one.

-- Seconds that a bucket spans and is kept: see WINDOWS in core/store/history.py.
local SPANS = { { 60, 2 * 3600 }, { 600, 2 * 86400 }, { 3600, 8 * 86400 } }

local function bucket_of(ms)
  return ms <= 1 and 0 or math.ceil(math.log(ms) / math.log(2) * 8)
end

-- Numbers to be added, by key and field, and for how many seconds a key is kept, if not for ever.
local counted, kept_for = {}, {}

local function count(key, field, number)
  local fields = counted[key]
  if not fields then
    fields = {}
    counted[key] = fields
  end
  fields[field] = (fields[field] or 0) + number
end

local function write_counts()
  for key, fields in pairs(counted) do
    local is_new = false
    for field, number in pairs(fields) do
      if redis.call('HINCRBY', key, field, number) == number then is_new = true end
    end
    if is_new and kept_for[key] then redis.call('EXPIRE', key, kept_for[key]) end
  end
end

local function note(tenant, now, fields)
  for _, span in ipairs(SPANS) do
    local key = space(tenant) .. ':history:' .. span[1] .. ':' .. math.floor(now / 1000 / span[1])
    kept_for[key] = span[2]
    for _, field in ipairs(fields) do count(key, field, 1) end
  end
end

local function add(field, number) count(P .. ':sums', field, number) end

local function add_seconds(name, kind, ms)
  local bucket = bucket_of(ms)
  add(name .. ':' .. kind .. ':' .. bucket, 1)
  add(name .. '_ms:' .. kind, ms)
  return name .. bucket
end

function note_submitted(kind, tenant, now)
  add('submitted:' .. kind, 1)
  note(tenant, now, { 'submitted' })
end

-- A job that was cancelled in the queue has waited and never ran.
function note_ended(kind, tenant, state, queued, started, now)
  add('ended:' .. kind .. ':' .. state, 1)
  local fields = { state, add_seconds('waited', kind, math.max(0, (started or now) - queued)) }
  if started then
    table.insert(fields, add_seconds('ran', kind, math.max(0, now - started)))
  end
  note(tenant, now, fields)
end

function note_attempt(outcome) add('attempts:' .. outcome, 1) end

function note_retried() add('retried', 1) end
