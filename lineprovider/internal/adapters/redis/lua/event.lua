-- Reads one event. ARGV[2] id.
-- Returns dataset, generation, and the event if there is one.
local dataset, generation = epoch()
if redis.call('HEXISTS', KEYS[4], ARGV[2]) == 0 then
  return {dataset, generation}
end
return append_events({dataset, generation}, {ARGV[2]})
