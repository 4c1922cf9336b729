-- Deletes a room, and takes it off its creator's list.
-- KEYS: the room; the list of its creator.
-- ARGV: its id; by which creation it has to be there, '' for any.
if ARGV[2] ~= '' and redis.call('HGET', KEYS[1], 'creation') ~= ARGV[2] then return end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
