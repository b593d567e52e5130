-- Reads one event. KEYS[3] events; ARGV[2] id.
-- Returns dataset, generation, and the event if there is one.
local dataset, generation = epoch()
if redis.call('HEXISTS', KEYS[3], ARGV[2]) == 0 then
  return {dataset, generation}
end
return append_events({dataset, generation}, KEYS[3], {ARGV[2]})
