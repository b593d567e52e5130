-- Reads a page of the change log. KEYS[5] changes, [6] published seq;
-- ARGV[2] after, or empty for the published seq; [3] limit.
-- Returns dataset, generation, last seq, where the page starts, and the events.
local dataset, generation = epoch()
local after = ARGV[2]
if after == '' then
  after = redis.call('GET', KEYS[6]) or '0'
end
local ids = redis.call('ZRANGEBYSCORE', KEYS[5], '(' .. after, '+inf', 'LIMIT', 0, ARGV[3])
return append_events({dataset, generation, last_seq(), after}, ids)
