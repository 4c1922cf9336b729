import type { JWK } from 'jose'

/** A secret key for ES256 (RFC 7517). */
export type SecretKey = JWK & { readonly kty: 'EC'; readonly d: string; readonly x: string; readonly y: string }

/** In the same order for all servers: the first one is to sign with, and tokens of each are taken. */
export type SecretKeys = readonly [SecretKey, ...SecretKey[]]

/** Keeps what the embedded identity signs with, for all servers that are to take each other's tokens. */
export interface KeyStore {
  /**
   * What is kept. If that is nothing, keeps what `make` gives, unless another server was first: then that one's key counts.
   * @throws SignalingError UNAVAILABLE if the store does not answer in time, but may do so later; Error if it cannot be used
   */
  open(make: () => Promise<SecretKey>): Promise<SecretKeys>
  /**
   * Keeps these, too, behind what is kept, as a store may have lost its memory.
   * @returns all that is kept now
   * @throws as `open`
   */
  merge(known: SecretKeys): Promise<SecretKeys>
}

/** The key that this text is; undefined if it is none. */
export function parseKey(text: string): SecretKey | undefined {
  try {
    const key = JSON.parse(text)
    return key.kty === 'EC' && key.crv === 'P-256' && key.d && key.x && key.y ? key : undefined
  } catch {
    return undefined
  }
}
