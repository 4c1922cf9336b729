import type { NativeIceServer } from './library.ts'

const url = /^(stuns?|turns?):(?:\[([\w.%]*:[\w.%:]*)\]|([^:/?#[\]@]+))(?::(\d+))?(?:\?transport=(udp|tcp))?$/i

/**
 * The servers as the library wants them: not as URLs, where the colon of a time-limited username would end the username
 * and a percent sign would begin an escape. What the library has no word for is left out: STUN over TLS, TURN over DTLS.
 * @throws DOMException as `RTCPeerConnection` does: SyntaxError for a URL, InvalidAccessError for TURN without credentials
 */
export function nativeIceServers(servers: readonly RTCIceServer[]): NativeIceServer[] {
  return servers.flatMap(server => {
    const urls = [server.urls].flat()
    if (urls.length === 0) throw new DOMException('An ICE server has no URL.', 'SyntaxError')
    return urls.flatMap(each => nativeIceServer(each, server))
  })
}

function nativeIceServer(text: string, { username, credential }: RTCIceServer): NativeIceServer[] {
  const [, kind = '', ipv6, host, digits, transport] = url.exec(text) ?? []
  const scheme = kind.toLowerCase()
  const isSecure = scheme.endsWith('s')
  const isTurn = scheme.startsWith('turn')
  const port = digits === undefined ? (isSecure ? 5349 : 3478) : Number(digits)
  const hostname = unescaped(ipv6 ?? host ?? '')
  if (!hostname || port < 1 || port > 65_535 || (transport && !isTurn)) {
    throw new DOMException(`${text} is not the URL of an ICE server.`, 'SyntaxError')
  }
  if (!isTurn) return isSecure ? [] : [{ hostname, port }]
  if (username === undefined || credential === undefined) {
    throw new DOMException(`${text} needs a username and a credential.`, 'InvalidAccessError')
  }
  const isUdp = (transport ?? (isSecure ? 'tcp' : 'udp')).toLowerCase() === 'udp'
  if (isSecure && isUdp) return []
  const relayType = isSecure ? 'TurnTls' : isUdp ? 'TurnUdp' : 'TurnTcp'
  return [{ hostname, port, username, password: credential, relayType }]
}

/** `fe80::1%25eth0` in a URL means `fe80::1%eth0`, which many write as it is. */
function unescaped(host: string): string {
  try {
    return decodeURIComponent(host)
  } catch {
    return host
  }
}
