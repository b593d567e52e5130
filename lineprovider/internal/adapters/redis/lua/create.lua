-- Stores a new event.
--
-- KEYS[5] changes, [6] all ids, [7] ids in state NEW, [8] this request, [9] the
-- idempotency key, [10] the prefix of the history's key. The key ends with the id, which
-- is allotted here; its hash tag keeps it in the slot of the other keys.
-- ARGV[2] how long to keep the request, in ms; [3] body, [4] history entry, [5] the
-- idempotency key's fingerprint, empty for no key.
--
-- Returns a verdict ('created', 'replayed' or 'reused'), dataset, generation, and for
-- the first two verdicts the event.
local dataset, generation = epoch()

local done = redis.call('HMGET', KEYS[8], 'id', 'version', 'seq')
if done[1] then
  return {'created', dataset, generation, done[1], done[2], done[3], ARGV[3]}
end

local keyed = ARGV[5] ~= ''
if keyed then
  local known = redis.call('HMGET', KEYS[9], 'fingerprint', 'id', 'seq', 'body')
  if known[1] == ARGV[5] then
    return {'replayed', dataset, generation, known[2], '1', known[3], known[4]}
  elseif known[1] then
    return {'reused', dataset, generation}
  end
end

-- No command below may fail. XADD is the only one that could, so it comes first.
local id = text(redis.call('INCR', KEYS[3]))
local seq = text(redis.call('INCR', KEYS[2]))
redis.call('XADD', KEYS[10] .. id, '1-0', 'seq', seq, 'body', ARGV[3], 'entry', ARGV[4])
redis.call('HSET', KEYS[4], id, ARGV[3], id .. ':version', '1', id .. ':seq', seq)
redis.call('ZADD', KEYS[5], seq, id)
redis.call('ZADD', KEYS[6], id, id)
redis.call('ZADD', KEYS[7], id, id)
if keyed then
  redis.call('HSET', KEYS[9], 'fingerprint', ARGV[5], 'id', id, 'seq', seq, 'body', ARGV[3])
end
redis.call('HSET', KEYS[8], 'id', id, 'version', '1', 'seq', seq)
redis.call('PEXPIRE', KEYS[8], ARGV[2])
return {'created', dataset, generation, id, '1', seq, ARGV[3]}
