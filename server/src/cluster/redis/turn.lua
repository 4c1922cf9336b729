-- Raises the counter of a node and reads all of them. What Redis lacks of this node is written again.
-- KEYS: nodes, what is known of this node, epoch
-- ARGV: its id, what is known of it, for how many milliseconds, the name of the epoch if this begins one
local missing = 1 - redis.call('HEXISTS', KEYS[1], ARGV[1])
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
if redis.call('PEXPIRE', KEYS[2], ARGV[3]) == 0 then
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
end
redis.call('SET', KEYS[3], ARGV[4], 'NX')
return { missing, redis.call('GET', KEYS[3]), redis.call('TIME'), redis.call('HGETALL', KEYS[1]) }
