-- Reads events. ARGV[2] and the following are fields: for each event its version, its seq
-- and the event itself.
-- Returns dataset, generation, and the values of the fields, '' for a missing one.
local dataset, generation = epoch()
local values = redis.call('HMGET', KEYS[4], unpack(ARGV, 2))
local reply = {dataset, generation}
for i = 1, #ARGV - 1 do
  reply[i + 2] = values[i] or ''
end
return reply
