-- Reads events, of which ARGV[2] to the last name the fields: for each one its
-- version, its seq and the event itself.
-- Returns dataset, generation, and the values of the fields, '' where there is none.
local dataset, generation = epoch()
local values = redis.call('HMGET', KEYS[4], unpack(ARGV, 2))
local reply = {dataset, generation}
for i = 1, #ARGV - 1 do
  reply[i + 2] = values[i] or ''
end
return reply
