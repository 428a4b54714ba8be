-- age in ms, a list of the broker's, and for those that are bound to a kind of device what a worker offers
-- (see offers_of). Returns how many wake-ups are missing for jobs that have been queued for workers for
-- that long: for those that are bound to none, or bound ones that this worker could run. Any message
-- serves any of them, so counting tells all there is to know.
local age, list = tonumber(ARGV[2]), ARGV[3]
if is_paused() then return 0 end
local offers = ARGV[4] and offers_of(ARGV[4], ARGV[5], ARGV[6])
return missing_messages(count_in(queues_for_workers(offers, offers ~= nil), now_ms() - age), list)
