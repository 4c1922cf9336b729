-- Raises the counter of a node and reads all of them. What Redis lacks of this node is written again.
-- KEYS: nodes, what is known of this node, epoch
-- ARGV: its id, what is known of it, for how many milliseconds, the name of the epoch if this begins one
local time = redis.call('TIME')
-- Counters begin at the time in microseconds, so that no new one can stand where the one before stood.
local missing = redis.call('HSETNX', KEYS[1], ARGV[1], time[1] * 1e6 + time[2])
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
if redis.call('PEXPIRE', KEYS[2], ARGV[3]) == 0 then
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
end
redis.call('SET', KEYS[3], ARGV[4], 'NX')
return { missing, redis.call('GET', KEYS[3]), time, redis.call('HGETALL', KEYS[1]) }
