-- Lists events by id. KEYS[3] events, [4] max id, [5] ids in a state; ARGV[2] after,
-- [3] limit, [4] '1' to list KEYS[5] only.
-- Returns dataset, generation, '1' if more follow, and the events.
local dataset, generation = epoch()
local limit = tonumber(ARGV[3])
local ids, more = {}, '0'
if ARGV[4] == '1' then
  ids = redis.call('ZRANGEBYSCORE', KEYS[5], '(' .. ARGV[2], '+inf', 'LIMIT', 0, limit + 1)
  if #ids > limit then
    ids[#ids], more = nil, '1'
  end
else
  -- Ids are given out without gaps, so a range of them is a page.
  local first, last = tonumber(ARGV[2]) + 1, tonumber(redis.call('GET', KEYS[4]) or '0')
  if last >= first + limit then
    last, more = first + limit - 1, '1'
  end
  for id = first, last do
    ids[#ids + 1] = text(id)
  end
end
return append_events({dataset, generation, more}, KEYS[3], ids)
