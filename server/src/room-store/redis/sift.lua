-- Takes off a creator's list what is no room any more. Returns how many that were.
-- KEYS: the list; the rooms.
-- ARGV: the ids of the rooms, in the same order.
local gone = 0
for i, id in ipairs(ARGV) do
  if redis.call('EXISTS', KEYS[i + 1]) == 0 then gone = gone + redis.call('ZREM', KEYS[1], id) end
end
return gone
