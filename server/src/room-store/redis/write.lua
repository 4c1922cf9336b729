-- Writes a room, a new one or a change, and lists it among those of its creator.
-- KEYS: the room; the list of its creator, by end.
-- ARGV: the revision that the room has to have, '' for a new one; its id; its end in seconds since the epoch, 'inf' for
-- none; for how many seconds it is kept after that; its revision, summary and lists from now on. For a new one also: now,
-- in seconds since the epoch; how many rooms its creator may have; by which creation it is there.
local room, list = KEYS[1], KEYS[2]
local was, id, ends, keep = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local revision, summary, lists = ARGV[5], ARGV[6], ARGV[7]
local now, maxLive, creation = ARGV[8], ARGV[9], ARGV[10]
local time = tonumber(redis.call('TIME')[1])

-- It expires so long after its end, but not sooner after it was written: the clocks of others may differ from this one.
local function expire(key, at)
  if at == math.huge then
    redis.call('PERSIST', key)
  else
    redis.call('EXPIREAT', key, string.format('%.0f', math.max(at, time) + keep))
  end
end

if was == '' then
  if redis.call('EXISTS', room) == 1 then return 'in use' end
  if redis.call('ZCOUNT', list, '(' .. now, '+inf') >= tonumber(maxLive) then return 'too many' end
elseif redis.call('HGET', room, 'revision') ~= was then
  return 'changed'
end

-- This is the first to be written: a Redis that is full refuses nothing to a script that has written already.
redis.call('HSET', room, 'revision', revision, 'summary', summary, 'lists', lists)
if was == '' then
  redis.call('HSET', room, 'creation', creation)
  -- What ended long ago by both clocks.
  redis.call('ZREMRANGEBYSCORE', list, '-inf', string.format('(%.0f', math.min(tonumber(now), time) - keep))
end
redis.call('ZADD', list, ends, id)
expire(room, tonumber(ends))
expire(list, tonumber(redis.call('ZRANGE', list, -1, -1, 'WITHSCORES')[2]))
return 'written'
