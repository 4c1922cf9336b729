import type { Clock } from '../../clock.ts'
import { type Redis, script } from '../../redis/redis.ts'
import { withDeadline } from '../../resilience/deadline.ts'
import { identitySilent } from '../identity.ts'
import keepText from './keep.lua' with { type: 'text' }
import { type KeyStore, parseKey, type SecretKey, type SecretKeys } from './key-store.ts'

const keepScript = script(keepText)

/** Where the keys are in Redis. */
const list = 'parley:identity-keys'

/**
 * Keys in a list in Redis or Valkey, which all servers share. A Redis that has lost its memory is given back what each of
 * them knows, so that there may come to be several. No key is ever taken off.
 */
export function keyList(redis: Redis, clock: Clock): KeyStore {
  const inTime = (work: Promise<unknown>) => withDeadline(clock, work.then(parse), identitySilent)
  const keep = (mode: 'first' | 'all', keys: readonly SecretKey[]) =>
    redis.run(keepScript, [list], [mode, ...keys.map(format)])
  return {
    open: make =>
      inTime(
        (async () => {
          const kept = await keep('all', [])
          return Array.isArray(kept) && kept.length > 0 ? kept : keep('first', [await make()])
        })(),
      ),
    merge: known => inTime(keep('all', known)),
  }
}

function parse(kept: unknown): SecretKeys {
  const [first, ...others] = (kept as string[]).flatMap(text => parseKey(text) ?? [])
  // Its text may be a secret nevertheless.
  if (!first) throw new Error(`What Redis has at ${list} is no signing key; delete it to have a new one made.`)
  return [first, ...others]
}

/** The same text for the same key, whichever node keeps it. */
const format = ({ kty, crv, x, y, d }: SecretKey): string => JSON.stringify({ kty, crv, x, y, d })
