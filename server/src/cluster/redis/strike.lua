-- Strikes a node off, unless its counter has moved since it was read.
-- KEYS: nodes, what is known of that node
-- ARGV: its id, its counter
local counter = redis.call('HGET', KEYS[1], ARGV[1])
if counter and counter ~= ARGV[2] then
  return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return 1
