import { BlockList, isIP } from 'node:net'

/** Addresses and networks (`10.0.0.0/8`, `::1`) whose `X-Forwarded-For` is believed. */
export interface TrustedProxies {
  trusts(address: string): boolean
}

/** @throws Error naming the entry that is neither an IP address nor a network */
export function trustedProxies(entries: readonly string[]): TrustedProxies {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/')
    const family = isIP(address)
    const bits = Number(prefix ?? (family === 6 ? 128 : 32))
    if (family === 0 || !Number.isInteger(bits) || bits < 0 || bits > (family === 6 ? 128 : 32)) {
      throw new Error(`"${entry}" is neither an IP address nor a network such as 10.0.0.0/8`)
    }
    list.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4')
  }
  return { trusts: address => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') }
}

/** An IPv4 address that came as IPv6 (`::ffff:192.0.2.1`, RFC 4291 section 2.5.5.2) in its usual form. */
const plain = (address: string): string => (/^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice(7) : address)

/** Whom a request comes from, as far as it shows. */
export interface Client {
  readonly address: string
  /** The address is that of a proxy that we were not told of, so that it may be anybody's. */
  readonly isHidden: boolean
}

/**
 * Whom a request comes from: the address of the socket, or, when a trusted proxy holds the socket, the last address in
 * `X-Forwarded-For` that is not itself a trusted proxy. What stands before that one anybody may have written.
 */
export function clientOf(socketAddress: string, forwardedFor: string | null, proxies: TrustedProxies): Client {
  let address = plain(socketAddress)
  const hops = forwardedFor?.split(',') ?? []
  const isHidden = forwardedFor !== null && !proxies.trusts(address)
  while (proxies.trusts(address)) {
    const hop = plain(hops.pop()?.trim() ?? '')
    if (isIP(hop) === 0) break
    address = hop
  }
  return { address, isHidden }
}

/** What rate limits count: one IPv4 address, or the /64 network of an IPv6 one, which is what one site is given. */
export function rateLimitKey(address: string): string {
  if (isIP(address) !== 6) return address
  const [head = '', tail] = address.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros: string[] = tail === undefined ? [] : Array(Math.max(0, 8 - front.length - back.length)).fill('0')
  return [...front, ...zeros, ...back].slice(0, 4).join(':')
}
