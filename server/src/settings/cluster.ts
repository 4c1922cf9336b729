import { z } from 'zod'
import { matching, redisUrl } from '../formats.ts'
import { port, setting } from './setting.ts'

/** Several servers that share their rooms. */
export const cluster = {
  redisUrl: setting(
    'PARLEY_REDIS_URL',
    redisUrl,
    '',
    'Redis or Valkey, by which several servers share their rooms: `redis://host:6379`, with TLS `rediss://host:6379`, with user and password `redis://user:password@host:6379`. All servers that have the same one are nodes of one cluster; a peer enters any room through any of them. It keeps the rooms and the keys of `local` identities, too. Empty: this server is alone.',
    true,
  ),
  nodeName: setting(
    'PARLEY_NODE_NAME',
    matching(/^[\w.-]{1,64}$/, 'must have 1 to 64 letters, digits, "_", "." and "-"'),
    '',
    'What this node is called in logs. Empty: the name of the machine.',
  ),
  nodeHost: setting(
    'PARLEY_NODE_HOST',
    z.string(),
    '',
    'Address at which the other nodes reach this one, which listens there for them alone. Empty: the private address of this machine, if it has exactly one.',
  ),
  nodePort: setting(
    'PARLEY_NODE_PORT',
    port,
    '8002',
    'Port at which the other nodes reach this one; 0: a free one. Only they need to reach it: what they say is authenticated, but not encrypted.',
  ),
} as const
