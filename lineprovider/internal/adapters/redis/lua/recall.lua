-- Looks up an idempotency key. KEYS[5] the key; ARGV[2] its fingerprint.
-- Returns a verdict ('unknown', 'replayed' or 'reused'), dataset, generation, and for
-- 'replayed' the event as it was at its creation.
local dataset, generation = epoch()
local known = redis.call('HMGET', KEYS[5], 'fingerprint', 'id', 'seq', 'body')
if not known[1] then
  return {'unknown', dataset, generation}
elseif known[1] ~= ARGV[2] then
  return {'reused', dataset, generation}
end
return {'replayed', dataset, generation, known[2], '1', known[3], known[4]}
