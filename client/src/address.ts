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
 * The addresses of a server of which one is known. On Parley's own port 8001 the WebSocket is on 8080 of the same host;
 * on any other, as behind a proxy with TLS, it is on the same port.
 * @throws ParleyError INVALID_ARGUMENT
 */
export function serverAddress(url: string | URL, wsUrl?: string | URL): ServerAddress {
  const http = parse(url, ['http:', 'https:'])
  if (wsUrl !== undefined) return { httpUrl: text(http), wsUrl: text(parse(wsUrl, ['ws:', 'wss:'])) }
  const ws = new URL(http)
  ws.protocol = http.protocol === 'https:' ? 'wss:' : 'ws:'
  if (http.port === ports.http) ws.port = ports.ws
  return { httpUrl: text(http), wsUrl: text(ws) }
}

function parse(url: string | URL, protocols: readonly string[]): URL {
  try {
    const parsed = new URL(url)
    if (protocols.includes(parsed.protocol)) return parsed
  } catch {}
  throw new ParleyError(
    'INVALID_ARGUMENT',
    `"${url}" must be an address that begins with ${protocols.join('// or ')}//.`,
  )
}

const text = ({ origin, pathname }: URL): string => `${origin}${pathname}`.replace(/\/+$/, '')
