-- Reads events for a reader who remembers events: those that the reader wants, and those that
-- have changed since the reader asked last.
--
-- KEYS[5] changes. ARGV[2] the source and [3] the seq of what the reader remembers, [4] how many
-- changes the reader can be told; from [5] on the ids of the events that are wanted.
--
-- Returns dataset, generation, source, last seq, '1' if what the reader remembers, with these
-- events in it, is how everything is now, or '0' if nothing of it may be relied on, and the events.
-- An event that does not exist is not among them.
local dataset, generation, run = epoch()
local source = dataset .. ' ' .. generation .. ' ' .. run
local ids, known = {}, '0'
if ARGV[2] == source then
  local most = tonumber(ARGV[4])
  local changed = redis.call('ZRANGEBYSCORE', KEYS[5], '(' .. ARGV[3], '+inf', 'LIMIT', 0, most + 1)
  if #changed <= most then
    ids, known = changed, '1'
  end
end
for i = 5, #ARGV do
  if redis.call('HEXISTS', KEYS[4], ARGV[i]) == 1 then
    ids[#ids + 1] = ARGV[i]
  end
end
return append_events({dataset, generation, source, last_seq(), known}, ids)
