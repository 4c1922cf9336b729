import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import type { Clock } from '../../clock.ts'
import { memoizeFor } from '../../resilience/throttle.ts'
import type { KeyStore, SecretKey, SecretKeys } from './key-store.ts'

export const algorithm = 'ES256'

/** The store is asked for keys that are unknown no more often than this, as tokens of strangers may name any. Milliseconds. */
const askedEvery = 1_000

type ImportedKey = Awaited<ReturnType<typeof importJWK>>

export interface Key {
  /** The key's thumbprint (RFC 7638), which its tokens name. */
  readonly kid: string
  readonly secret: SecretKey
  readonly published: JWK
  readonly signing: ImportedKey
  readonly verifying: ImportedKey
}

/** The first one signs. */
export type Keys = readonly [Key, ...Key[]]

/** The keys of the embedded identity, in memory: without the store, those that are known go on to be used. */
export interface KeyRing {
  /** Those that are known; the store is asked only if there are none. @throws as the store */
  held(): Promise<Keys>
  /** All that are kept now, or were a second ago. @throws as the store */
  recent(): Promise<Keys>
  /** Asks the store now: gives it what it has lost, and learns what others keep there. @throws as the store */
  renew(): Promise<Keys>
}

export function keyRing(store: KeyStore, clock: Clock): KeyRing {
  let known: Keys | undefined

  async function renew(): Promise<Keys> {
    const kept = known ? await store.merge(secretsOf(known)) : await store.open(makeKey)
    const [first, ...others] = kept
    known = [await importKey(first), ...(await Promise.all(others.map(importKey)))]
    return known
  }

  const askedLately = memoizeFor(clock, askedEvery, renew)
  const recent = async () => {
    const keys = await askedLately()
    return known ?? keys
  }
  return { held: async () => known ?? recent(), recent, renew }
}

const secretsOf = ([first, ...others]: Keys): SecretKeys => [first.secret, ...others.map(({ secret }) => secret)]

async function makeKey(): Promise<SecretKey> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true })
  return (await exportJWK(privateKey)) as SecretKey
}

async function importKey(secret: SecretKey): Promise<Key> {
  const { d: _, ...shared } = secret
  const kid = await calculateJwkThumbprint(shared)
  const published = { ...shared, kid, alg: algorithm, use: 'sig' }
  return {
    ...{ kid, secret, published },
    signing: await importJWK(secret, algorithm),
    verifying: await importJWK(published, algorithm),
  }
}
