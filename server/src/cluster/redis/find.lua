-- Which living node serves a room.
-- KEYS: room, nodes
local room = redis.call('HMGET', KEYS[1], 'node', 'number')
if not room[1] or redis.call('HEXISTS', KEYS[2], room[1]) == 0 then
  return false
end
return { room[1], tonumber(room[2]) }
