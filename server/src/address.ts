import { BlockList, isIP } from 'node:net'

/** Addresses and networks (`10.0.0.0/8`, `::1`) of proxies that say truly whom they forward. */
export interface TrustedProxies {
  /** @param address as `readAddress` gives it */
  trusts(address: string): boolean
}

/** @throws Error naming the entry that is neither an IP address nor a network */
export function trustedProxies(entries: readonly string[]): TrustedProxies {
  const list = new BlockList()
  for (const entry of entries) {
    const [, address = '', prefix] = /^([^/]*)(?:\/(\d+))?$/.exec(entry) ?? []
    const family = isIP(address)
    const bits = Number(prefix ?? (family === 6 ? 128 : 32))
    if (family === 0 || bits > (family === 6 ? 128 : 32)) {
      throw new Error(`"${entry}" is neither an IP address nor a network such as 10.0.0.0/8`)
    }
    list.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4')
  }
  return {
    trusts(address) {
      const [plain = ''] = address.split('%')
      const family = isIP(plain)
      return family !== 0 && list.check(plain, family === 6 ? 'ipv6' : 'ipv4')
    },
  }
}

/**
 * An IP address in the one spelling that is compared: IPv6 as the URL standard writes it, and IPv4 that came as IPv6
 * (`::ffff:192.0.2.1`, RFC 4291 section 2.5.5.2) as IPv4. Undefined if `text` is none.
 */
export function readAddress(text: string): string | undefined {
  const [, address = '', zone = ''] = /^([\da-f.:]+)(%[\w.-]{1,32})?$/i.exec(text) ?? []
  const family = isIP(address)
  if (family !== 6) return family === 4 && zone === '' ? address : undefined
  // The two do not take quite the same for an address: `::0:0:0:0:0.0.0.0` is one for `isIP` alone.
  const canonical = URL.parse(`http://[${address}]`)?.hostname.slice(1, -1)
  if (canonical === undefined) return undefined
  const [, high, low] = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(canonical) ?? []
  if (high === undefined || low === undefined) return canonical + zone
  return [high, low].flatMap(half => [Number.parseInt(half, 16) >> 8, Number.parseInt(half, 16) & 255]).join('.')
}

/** What a share counts for: an address as the limits have it, or nothing where the client's own is not known. */
export const shareKey = (address: string | undefined): string => (address === undefined ? '' : rateLimitKey(address))

/** What rate limits count: one IPv4 address, or the /64 network of an IPv6 one, which is what one site is given. */
export function rateLimitKey(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros: string[] = tail === undefined ? [] : Array(Math.max(0, 8 - front.length - back.length)).fill('0')
  return [...front, ...zeros, ...back].slice(0, 4).join(':')
}
