-- Writes the claim on a room that a node serves, if it is missing, and prolongs it; unless another one counts.
-- KEYS: room, nodes, epoch
-- ARGV: the node's id, the number of its claim, the epoch in which that was last seen, for how many milliseconds
local self, held = ARGV[1], tonumber(ARGV[2])
local epoch = redis.call('GET', KEYS[3]) or ''
local room = redis.call('HMGET', KEYS[1], 'node', 'number')
local node, number = room[1], tonumber(room[2] or 0)
if node == self then
  number = math.max(number, held)
elseif node and redis.call('HEXISTS', KEYS[2], node) == 0 then
  number = math.max(number + 1, held)
elseif node and (number > held or (number == held and node > self)) then
  return { node, number, epoch }
else
  number = math.max(number, epoch == ARGV[3] and held or held + 1)
end
redis.call('HSET', KEYS[1], 'node', self, 'number', number)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return { self, number, epoch }
