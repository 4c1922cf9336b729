import { isIPv6 } from 'node:net'

/** How to speak to a STUN or TURN server. `tls` is over TCP, `dtls` over UDP. */
export type IceTransport = 'udp' | 'tcp' | 'tls' | 'dtls'

export interface IceUrl {
  readonly kind: 'stun' | 'turn'
  /** Without brackets, if it is an IPv6 address. */
  readonly host: string
  readonly port: number
  readonly transport: IceTransport
}

const form = /^(stuns?|turns?):(\[[^\]]+\]|[^:/?#[\]@\s]+)(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?$/i

/**
 * Reads what RFC 7064 (STUN) and RFC 7065 (TURN) allow; `undefined` for what they do not. A `transport` at a STUN
 * URL is none of it, and browsers refuse such a URL.
 */
export function parseIceUrl(url: string): IceUrl | undefined {
  const [, scheme, bracketed, digits, transport] = form.exec(url) ?? []
  if (scheme === undefined || bracketed === undefined) return undefined
  const isSecure = /s$/i.test(scheme)
  const kind = /^stun/i.test(scheme) ? 'stun' : 'turn'
  if (kind === 'stun' && transport !== undefined) return undefined
  const host = bracketed.replace(/^\[|\]$/g, '')
  if (bracketed.startsWith('[') && !isIPv6(host)) return undefined
  const port = digits === undefined ? (isSecure ? 5349 : 3478) : Number(digits)
  if (port < 1 || port > 65535) return undefined
  const isUdp = transport === undefined ? !isSecure : transport.toLowerCase() === 'udp'
  return { kind, host, port, transport: isSecure ? (isUdp ? 'dtls' : 'tls') : isUdp ? 'udp' : 'tcp' }
}
