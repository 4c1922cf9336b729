import { z } from 'zod'
import { rateLimitKey, readAddress, type TrustedProxies } from './address.ts'
import { type Hops, hopsOfForwarded, hopsOfList } from './forwarded.ts'
import type { Log } from './log.ts'

/** Whom a request comes from, as far as it shows. */
export interface Client {
  /** The client's own address, which may give rights; undefined if it is not known. */
  readonly address: string | undefined
  /** Why it is not known. */
  readonly hidden: Hidden | undefined
  /** What limits by address count: clients that nobody can tell apart count together, and apart from all others. */
  readonly limitKey: string
  /** The address, known to be true, that is nearest to the client: its own, or that of a proxy before it. For logs. */
  readonly nearest: string
  /** Whether no trusted proxy stands before it. */
  readonly isDirect: boolean
}

/**
 * `unnamed`: a proxy that we were not told of forwards the request. `silent`: a trusted proxy does not say whom it
 * forwards. `unclear`: what the headers say contradicts itself, so that the client may have written some of it.
 */
export type Hidden = 'unnamed' | 'silent' | 'unclear'

const sentences: Readonly<Record<Hidden, string>> = {
  unnamed: 'a proxy that is not in PARLEY_TRUSTED_PROXIES forwards requests',
  silent:
    'a proxy of PARLEY_TRUSTED_PROXIES does not say whom it forwards: have it set X-Forwarded-For, or name fewer networks',
  unclear: 'X-Forwarded-For and Forwarded contradict each other: have the proxy remove the one that it does not set',
}

/** A client as one node tells another of it. */
export const clientSchema = z
  .strictObject({
    address: z.string().optional(),
    hidden: z.enum(['unnamed', 'silent', 'unclear']).optional(),
    limitKey: z.string(),
    nearest: z.string(),
    isDirect: z.boolean(),
  })
  .transform(({ address, hidden, ...rest }): Client => ({ ...rest, address, hidden }))

/** What a proxy adds to the requests that it forwards, and no client of Parley sends of itself. */
const addedByProxies =
  /^(?:x-)?forwarded|^via$|^cdn-loop$|^x-(?:original|envoy)-|(?:client|real|connecting|originating|remote|user)-?(?:ip|ipv6|addr)$/

/**
 * Whom a request comes from: the address of the socket, or, when a trusted proxy holds the socket, the last address in
 * `X-Forwarded-For` or `Forwarded` that is not itself a trusted proxy. What stands before that one anybody may have
 * written; if something does, that address is another proxy's.
 */
export function clientOf(socketAddress: string, headers: Headers, proxies: TrustedProxies): Client {
  const socket = readAddress(socketAddress) ?? ''
  if (socket !== '' && !proxies.trusts(socket)) {
    return seenAt(
      socket,
      [...headers.keys()].some(name => addedByProxies.test(name)),
      true,
    )
  }
  const unknown = (hidden: Hidden): Client => {
    const limitKey = `${hidden} ${rateLimitKey(socket)}`
    return { address: undefined, hidden, limitKey, nearest: socket, isDirect: false }
  }
  const list = headers.get('x-forwarded-for')
  const forwarded = headers.get('forwarded')
  const ways = [list === null ? [] : hopsOfList(list), forwarded === null ? [] : hopsOfForwarded(forwarded)]
  const said = ways.filter(way => way === undefined || way.length > 0)
  const ends = said.map(way => way && endOf(way, proxies))
  const [end] = ends
  if (said.length === 0) return unknown('silent')
  // The one that the proxy does not set is the client's to write, and we do not know which one that is.
  if (said.includes(undefined) || ends.some(other => other?.address !== end?.address)) return unknown('unclear')
  if (end?.address === undefined) return unknown('silent')
  return seenAt(
    end.address,
    ends.some(other => other?.isForwarding),
    false,
  )
}

function seenAt(nearest: string, isForwarding: boolean, isDirect: boolean): Client {
  if (isDirect && !isForwarding) return directly(nearest)
  const seen = { limitKey: rateLimitKey(nearest), nearest, isDirect }
  if (isForwarding) return { ...seen, address: undefined, hidden: 'unnamed' }
  return { ...seen, address: nearest, hidden: undefined }
}

/** Clients without a proxy, by address: thousands of peers may share one, and each keeps what is known of it. */
const direct = new Map<string, Client>()
const mostKept = 1_000

function directly(address: string): Client {
  const known = direct.get(address)
  if (known) return known
  const limitKey = rateLimitKey(address)
  const client = { address, hidden: undefined, limitKey, nearest: address, isDirect: true }
  if (direct.size >= mostKept) direct.clear()
  direct.set(address, client)
  return client
}

/** The last hop that is no trusted proxy, if that is known, and whether it was sent the request by another one. */
function endOf(hops: Hops, proxies: TrustedProxies): { address: string | undefined; isForwarding: boolean } {
  const last = hops.findLastIndex(hop => hop === undefined || !proxies.trusts(hop))
  return { address: hops[last], isForwarding: last > 0 }
}

/** Tells operators of proxies that hide their clients: once of each kind, as nobody else can mend it. */
export function hiddenClients(log: Log): (client: Client) => void {
  const told = new Set<Hidden>()
  return ({ hidden, nearest }) => {
    // Of a connection that has just ended, nothing is known.
    if (hidden === undefined || nearest === '' || told.has(hidden)) return
    told.add(hidden)
    log.warn({ proxy: nearest }, sentences[hidden])
  }
}
