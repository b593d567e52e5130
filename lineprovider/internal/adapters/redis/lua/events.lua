-- Lists events by id. KEYS[5] the ids of all candidates; ARGV[2] after, [3] limit.
-- Returns dataset, generation, '1' if more follow, and the events.
local dataset, generation = epoch()
local limit, more = tonumber(ARGV[3]), '0'
local ids = redis.call('ZRANGEBYSCORE', KEYS[5], '(' .. ARGV[2], '+inf', 'LIMIT', 0, limit + 1)
if #ids > limit then
  ids[#ids], more = nil, '1'
end
return append_events({dataset, generation, more}, ids)
