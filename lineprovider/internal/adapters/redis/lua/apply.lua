-- Applies a change of an event.
--
-- KEYS[5] changes, [6] this request, [7] the event's history, [8] ids in the event's
-- old state, [9] ids in its new state.
-- ARGV[2] how long to keep the request, in ms; [3] the data set and [4] the version
-- that the decision is based on, [5] id, [6] body, [7] history entry.
--
-- Returns a verdict ('applied' or 'stale'), dataset, generation, and for 'applied'
-- the event.
local dataset, generation = epoch()

local done = redis.call('HMGET', KEYS[6], 'version', 'seq')
if done[1] then
  return {'applied', dataset, generation, ARGV[5], done[1], done[2], ARGV[6]}
end

if dataset ~= ARGV[3] or redis.call('HGET', KEYS[4], ARGV[5] .. ':version') ~= ARGV[4] then
  return {'stale', dataset, generation}
end

-- No command below may fail. XADD is the only one that could, so it comes first.
local id = ARGV[5]
local version = text(tonumber(ARGV[4]) + 1)
local seq = text(redis.call('INCR', KEYS[2]))
redis.call('XADD', KEYS[7], version .. '-0', 'seq', seq, 'body', ARGV[6], 'entry', ARGV[7])
redis.call('HSET', KEYS[4], id, ARGV[6], id .. ':version', version, id .. ':seq', seq)
redis.call('ZADD', KEYS[5], seq, id)
if KEYS[8] ~= KEYS[9] then
  redis.call('ZREM', KEYS[8], id)
  redis.call('ZADD', KEYS[9], id, id)
end
redis.call('HSET', KEYS[6], 'version', version, 'seq', seq)
redis.call('PEXPIRE', KEYS[6], ARGV[2])
return {'applied', dataset, generation, id, version, seq, ARGV[6]}
