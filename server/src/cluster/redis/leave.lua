-- Takes a node out of the cluster, and tells those that miss it why.
-- KEYS: nodes, what is known of this node
-- ARGV: its id, what is known of it from now on, for how many milliseconds
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
