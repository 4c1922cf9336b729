import { ParleyError } from './errors.ts'

/** Where a server is. Neither ends with a slash. */
export interface ServerAddress {
  /** Of the HTTP API. */
  readonly httpUrl: string
  /** Of the WebSocket. */
  readonly wsUrl: string
}

/** The ports that a server has when it is told none. */
const ports = { http: '8001', ws: '8080' } as const

/**
 * The addresses of a server of which one is known. Beside port 8001, the WebSocket is on 8080 of the same host, as the
 * original has it. For any other port it is at `/ws` on that port: Parley's HTTP port takes WebSockets there, a server
 * with one port for both takes them on any path, and so does one behind a proxy.
 * @throws ParleyError INVALID_ARGUMENT
 */
export function serverAddress(url: string | URL, wsUrl?: string | URL): ServerAddress {
  const http = parse(url, 'http')
  const httpUrl = text(http)
  if (wsUrl !== undefined) return { httpUrl, wsUrl: text(parse(wsUrl, 'ws')) }
  const hasOwnPort = http.port === ports.http
  if (hasOwnPort) http.port = ports.ws
  return { httpUrl, wsUrl: text(http).replace('http', 'ws') + (hasOwnPort ? '' : '/ws') }
}

function parse(url: string | URL, scheme: 'http' | 'ws'): URL {
  try {
    const parsed = new URL(url)
    if (RegExp(`^${scheme}s?:`).test(parsed.protocol)) return parsed
  } catch {}
  throw new ParleyError(
    'INVALID_ARGUMENT',
    `"${url}" must be an address that begins with ${scheme}:// or ${scheme}s://.`,
  )
}

const text = ({ origin, pathname }: URL): string => `${origin}${pathname}`.replace(/\/+$/, '')
