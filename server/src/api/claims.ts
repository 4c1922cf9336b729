import { SignalingError, toSignalingError } from '@parley/protocol'
import type { Context } from 'hono'
import type { Client } from '../client.ts'
import type { Identified } from '../identity/identity.ts'
import { countError, type Metrics } from '../metrics.ts'
import { type AllowedOrigins, isForAnotherSite, isLocalHost } from '../origins.ts'
import type { RefusedAttempt } from '../refused-attempts.ts'
import type { Claim } from '../rooms/rights.ts'

/** What is known of a request beside what it says itself. */
export interface RequestContext {
  readonly client: Client
  /** Its path, as `exactPath` has it. */
  readonly path: string
  /** Set where other nodes are to be asked: the one that serves the room, or all. */
  askOthers?: string | 'all'
}

export type Env = { Bindings: RequestContext }

export interface ClaimConfig {
  /** Origins whose pages may call; empty: none. */
  readonly origins: AllowedOrigins
  /** Whether the network address of one of a room's peers gives a right to delete it. */
  readonly deleteByAddress: boolean
  /** Whether the server listens on loopback, so that clients without a proxy know it by a name of this machine. */
  readonly isLocal: boolean
}

export interface ClaimParts {
  readonly refusedAttempt: RefusedAttempt
  readonly metrics: Metrics
  /** Whom the Bearer token of the request proves; undefined if it has none. @throws SignalingError */
  authenticate(c: Context<Env>): Promise<Identified> | undefined
}

/**
 * What `act` does with the rights that a request proves. A Bearer token that proves nothing is no obstacle, as the
 * token of the room or the address may suffice; where they do not, it is the reason that the caller hears.
 * @param ifUnknown what `act` results in where nothing is there. If it is given, so is a caller that has no right and
 *   proves no identity: it must not learn what is there
 */
export type WithClaim = <T>(
  c: Context<Env>,
  token: string | null | undefined,
  act: (claim: Claim) => Promise<T>,
  ifUnknown?: T,
) => Promise<T>

export function claims(config: ClaimConfig, parts: ClaimParts): WithClaim {
  return async (c, token, act, ifUnknown) => {
    const identified = await parts.authenticate(c)?.catch(toSignalingError)
    const refusal = identified instanceof SignalingError ? identified : undefined
    const identity = identified instanceof SignalingError ? undefined : identified?.subject
    const address = provesByAddress(c, config) ? c.env.client.address : undefined
    const outcome = await act({
      identity,
      token: token ?? undefined,
      address,
      payer: { identity, address: c.env.client.address },
    }).catch(error => {
      const { code } = toSignalingError(error)
      if (code !== 'FORBIDDEN') throw error
      if (ifUnknown === undefined || identity !== undefined) throw refusal ?? error
      parts.refusedAttempt(c.env.client.nearest, code, 'http')
      countError(parts.metrics, code)
      return ifUnknown
    })
    // That the provider is away must not be said only where somebody is there, either.
    if (refusal?.code === 'UNAVAILABLE' && outcome === ifUnknown) throw refusal
    return outcome
  }
}

/** Whether the network address of the request counts: a page, or a name that leads here, may have borrowed it. */
function provesByAddress({ req, env }: Context<Env>, { deleteByAddress, isLocal, origins }: ClaimConfig): boolean {
  const host = req.header('Host')
  const isStrangeName = isLocal && env.client.isDirect && host !== undefined && !isLocalHost(host)
  return deleteByAddress && !isStrangeName && !isForAnotherSite(req.raw.headers, origins)
}
