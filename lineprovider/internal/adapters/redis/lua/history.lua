-- Lists the history of an event. KEYS[5] the event's history;
-- ARGV[2] id, [3] the first version to list, [4] how many.
-- Returns dataset, generation, '1' if the event exists, and four values for each
-- entry: version, seq, body, entry.
local dataset, generation = epoch()
if redis.call('HEXISTS', KEYS[4], ARGV[2]) == 0 then
  return {dataset, generation, '0'}
end
local reply = {dataset, generation, '1'}
for _, item in ipairs(redis.call('XRANGE', KEYS[5], ARGV[3] .. '-0', '+', 'COUNT', ARGV[4])) do
  local fields = item[2]
  for _, value in ipairs({string.match(item[1], '^%d+'), fields[2], fields[4], fields[6]}) do
    reply[#reply + 1] = value
  end
end
return reply
