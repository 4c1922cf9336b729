-- Deletes the claim of a node on a room. Its number stays for a while: the next one must be higher, as others may remember this one.
-- KEYS: room
-- ARGV: the node's id, for how many milliseconds the number stays
if redis.call('HGET', KEYS[1], 'node') == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'node')
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
