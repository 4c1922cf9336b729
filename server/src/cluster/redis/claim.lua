-- Claims a room for a node that does not serve it.
-- KEYS: room, nodes, epoch
-- ARGV: the node's id, the highest number that it has seen of the room, for how many milliseconds
local self, seen = ARGV[1], tonumber(ARGV[2])
-- The claim of a node without an entry would be free to all others. (The counter: turn.lua.)
local time = redis.call('TIME')
local missing = redis.call('HSETNX', KEYS[2], self, time[1] * 1e6 + time[2])
local epoch = redis.call('GET', KEYS[3]) or ''
local room = redis.call('HMGET', KEYS[1], 'node', 'number')
local node, number = room[1], tonumber(room[2] or 0)
if node and node ~= self and redis.call('HEXISTS', KEYS[2], node) == 1 then
  return { node, number, epoch, missing }
end
if node ~= self or number < seen then
  number = math.max(number, seen) + 1
end
redis.call('HSET', KEYS[1], 'node', self, 'number', number)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return { self, number, epoch, missing }
