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

/** RFC 5389 section 15.3: a username has fewer than 513 bytes. */
const usernameBytes = 512

/**
 * What a peer needs to find its way to another one. With a secret, its TURN credentials end after `turnTtl`. Of two
 * secrets the first makes them; an entry for each would harm: Chromium and aiortc do without any relay if the first
 * entry is refused (docs/decisions/0010).
 * @param holder whom the credentials are for: a peer_id or a subject. The TURN server may log it
 * @param now milliseconds since the epoch
 */
export function iceServers(config: IceConfig, holder: string, now: number): IceServers {
  const stun: readonly IceServer[] = config.stunUrls.length > 0 ? [{ urls: config.stunUrls }] : []
  if (config.turnUrls.length === 0) return { ice_servers: stun, mesh_ice_servers: stun }
  const [secret] = config.turnSecrets
  if (secret === undefined) {
    const turn = { urls: config.turnUrls, username: config.turnUsername, credential: config.turnPassword }
    return { ice_servers: [...stun, turn], mesh_ice_servers: stun }
  }
  const expiresAt = Math.floor(now / 1000) + config.turnTtl
  const username = timeLimitedUsername(expiresAt, holder)
  const credential = createHmac('sha1', secret).update(username).digest('base64')
  const turn = { urls: config.turnUrls, username, credential }
  return { ice_servers: [...stun, turn], mesh_ice_servers: stun, expires_at: expiresAt }
}

/**
 * draft-uberti-behave-turn-rest-00 section 2.2: when it ends, a colon, and whose it is. coturn does not answer usernames
 * with spaces, quotes, backslashes, or both "union" and "select", so all that is hidden in `%XX`. What is too long is
 * cut, but never within a `%XX`.
 */
function timeLimitedUsername(expiresAt: number, holder: string): string {
  const encoded = encodeURIComponent(holder.toWellFormed()).replace(/'|u(?=nion)/gi, percent)
  return `${expiresAt}:${encoded}`.slice(0, usernameBytes).replace(/%.?$/, '')
}

const percent = (character: string): string => `%${character.charCodeAt(0).toString(16)}`
