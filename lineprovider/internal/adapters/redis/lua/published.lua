-- Raises the published seq. KEYS[5] published seq; ARGV[2] dataset, [3] generation,
-- [4] seq. Does nothing in another epoch, where the seq may have another meaning.
local dataset, generation = epoch()
if dataset == ARGV[2] and generation == ARGV[3] and
    tonumber(ARGV[4]) > tonumber(redis.call('GET', KEYS[5]) or '0') then
  redis.call('SET', KEYS[5], ARGV[4])
end
return {dataset, generation}
