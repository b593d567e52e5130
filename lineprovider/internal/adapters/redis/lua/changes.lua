-- Reads a page of the change log. KEYS[3] events, [4] changes, [5] published seq;
-- ARGV[2] after, or empty for the published seq; [3] limit.
-- Returns dataset, generation, last seq, where the page starts, and the events.
local dataset, generation = epoch()
local after = ARGV[2]
if after == '' then
  after = redis.call('GET', KEYS[5]) or '0'
end
local ids = redis.call('ZRANGEBYSCORE', KEYS[4], '(' .. after, '+inf', 'LIMIT', 0, ARGV[3])
return append_events({dataset, generation, last_seq(), after}, KEYS[3], ids)
