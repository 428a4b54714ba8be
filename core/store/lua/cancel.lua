-- id. Returns the state after the request, or nil for an unknown job.
return cancel(ARGV[2], now_ms())
