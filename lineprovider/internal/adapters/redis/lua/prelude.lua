-- Prepended to every script that uses events.
--
-- KEYS[1] is the epoch hash, KEYS[2] the highest seq, KEYS[3] the highest id, KEYS[4]
-- the events, ARGV[1] the name for a new data set.
--
-- Lua receives numbers from Redis as doubles. They are exact below 2^53, but Lua's own
-- conversion writes 14 digits only. So every number must be converted by text().

local function text(number)
  return string.format('%.0f', number)
end

-- epoch returns the data set and its generation. It creates the data set at first use. It
-- begins a new generation when this server is not the one that answered last, or has been
-- a replica since. Then changes and events that clients have seen may be missing here;
-- epoch raises seq and id so far that their numbers are not used again. run_id changes
-- with every start of a server, master_replid with every promotion of a replica.
local function epoch()
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') .. '/' ..
    string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  local known = redis.call('HMGET', KEYS[1], 'dataset', 'generation', 'run_id')
  if not known[1] then
    redis.call('HSET', KEYS[1], 'dataset', ARGV[1], 'generation', '1', 'run_id', run)
    return ARGV[1], '1'
  end
  if known[3] == run then
    return known[1], known[2]
  end
  local generation = text(redis.call('HINCRBY', KEYS[1], 'generation', 1))
  redis.call('HSET', KEYS[1], 'run_id', run)
  redis.call('INCRBY', KEYS[2], 1048576)
  redis.call('INCRBY', KEYS[3], 1048576)
  return known[1], generation
end

local function last_seq()
  return redis.call('GET', KEYS[2]) or '0'
end

-- append_events adds four values to reply for each id: id, version, seq, body.
local function append_events(reply, ids)
  for _, id in ipairs(ids) do
    local event = redis.call('HMGET', KEYS[4], id .. ':version', id .. ':seq', id)
    for _, value in ipairs({id, event[1], event[2], event[3]}) do
      reply[#reply + 1] = value
    end
  end
  return reply
end
