import { createHmac } from 'node:crypto'
import type { IceServer } from '@parley/protocol'

export interface IceConfig {
  readonly stunUrls: readonly string[]
  readonly turnUrls: readonly string[]
  /** The static pair, for TURN servers that share no secret with us. */
  readonly turnUsername: string
  readonly turnPassword: string
  /** Shared with the TURN servers, the one that counts first; with any, the static pair is not used. */
  readonly turnSecrets: readonly string[]
  /** Seconds that time-limited TURN credentials live. */
  readonly turnTtl: number
}

export interface IceServers {
  readonly ice_servers: readonly IceServer[]
  /** The STUN servers only: between the peers of a mesh nothing is relayed. */
  readonly mesh_ice_servers: readonly IceServer[]
  /** Seconds since the epoch at which the TURN credentials end; absent if they do not, or there are none. */
  readonly expires_at?: number
}

/**
 * What a peer needs to find its way to another one. With a secret, its TURN credentials end after `turnTtl`. Of two
 * secrets the first makes them; an entry for each would harm: Chromium and aiortc do without any relay if the first
 * entry is refused (docs/decisions/0010).
 * @param identity the subject of the identity that the credentials are for
 * @param now milliseconds since the epoch
 */
export function iceServers(config: IceConfig, identity: string, now: number): IceServers {
  const stun: readonly IceServer[] = config.stunUrls.length > 0 ? [{ urls: config.stunUrls }] : []
  if (config.turnUrls.length === 0) return { ice_servers: stun, mesh_ice_servers: stun }
  const [secret] = config.turnSecrets
  if (secret === undefined) {
    const turn = { urls: config.turnUrls, username: config.turnUsername, credential: config.turnPassword }
    return { ice_servers: [...stun, turn], mesh_ice_servers: stun }
  }
  const expiresAt = Math.floor(now / 1000) + config.turnTtl
  // draft-uberti-behave-turn-rest-00 section 2.2: when it ends, a colon, and whose it is.
  const username = `${expiresAt}:${turnUser(config, identity)}`
  const credential = createHmac('sha1', secret).update(username).digest('base64')
  const turn = { urls: config.turnUrls, username, credential }
  return { ice_servers: [...stun, turn], mesh_ice_servers: stun, expires_at: expiresAt }
}

/**
 * The name of an identity at the TURN servers, always the same one, so that their quota for a user holds whatever peers it
 * calls itself: coturn counts all that stands behind the time. It does not tell the subject. Undefined where the
 * credentials are the same for everybody.
 */
export function turnUser({ turnUrls, turnSecrets: [secret] }: IceConfig, identity: string): string | undefined {
  if (turnUrls.length === 0 || secret === undefined) return undefined
  return createHmac('sha256', secret).update(`turn user of ${identity.toWellFormed()}`).digest('hex').slice(0, 32)
}
