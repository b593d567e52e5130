-- Reads the state of the change log. KEYS[5] changes, [6] published seq.
-- Returns dataset, generation, last seq, the number of events to publish, and the first
-- of them.
local dataset, generation = epoch()
local from = '(' .. (redis.call('GET', KEYS[6]) or '0')
local waiting = text(redis.call('ZCOUNT', KEYS[5], from, '+inf'))
local ids = redis.call('ZRANGEBYSCORE', KEYS[5], from, '+inf', 'LIMIT', 0, 1)
return append_events({dataset, generation, last_seq(), waiting}, ids)
