-- Keeps keys, and returns all that are kept.
-- KEYS: the list of them.
-- ARGV: 'first' to keep them only if there are none, or 'all' to add those that are missing; the keys.
local kept = redis.call('LRANGE', KEYS[1], 0, -1)
if ARGV[1] == 'first' and #kept > 0 then return kept end
local isKept = {}
for _, key in ipairs(kept) do isKept[key] = true end
for i = 2, #ARGV do
  if not isKept[ARGV[i]] then
    redis.call('RPUSH', KEYS[1], ARGV[i])
    table.insert(kept, ARGV[i])
  end
end
return kept
