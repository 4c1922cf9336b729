import { connect, placeOf, printPlace } from './connect.ts'
import { noConnection, Trouble } from './trouble.ts'

/** Bytes of an answer that are looked at. */
const mostBytes = 8192

/**
 * Says why the WebSocket library could not connect, as that itself cannot: asks for the upgrade once more, in plain
 * bytes, and looks at what comes instead (RFC 6455 section 4.1).
 */
export async function whyNoWebSocket(wsUrl: string, signal: AbortSignal): Promise<Error> {
  const url = new URL(wsUrl)
  const where = printPlace(placeOf(url))
  try {
    const status = await statusOfUpgrade(url, signal)
    return status === undefined ? notHttp(where, url) : notUpgraded(where, status)
  } catch (error) {
    return noConnection(error, where, {
      refused: `Nothing listens there: check the port (Parley's WebSocket: 8080), or let the proxy forward it.`,
    })
  }
}

/** `undefined`, if that is no HTTP. */
async function statusOfUpgrade(url: URL, signal: AbortSignal): Promise<number | undefined> {
  const socket = await connect(placeOf(url), signal)
  const lines = [
    `GET ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    // Any 16 bytes.
    'Sec-WebSocket-Key: cGFybGV5IGRvY3RvciAgIA==',
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  let answer = ''
  for await (const chunk of socket) {
    answer += String(chunk)
    if (answer.includes('\r\n') || answer.length > mostBytes) break
  }
  const [, status] = /^HTTP\/1\.[01] (\d{3})\b/.exec(answer) ?? []
  return status === undefined ? undefined : Number(status)
}

const notHttp = (where: string, { protocol }: URL): Trouble =>
  new Trouble(
    `What is at ${where} does not answer HTTP, so it is no WebSocket.`,
    `Give the address of Parley's WebSocket (port 8080), or one with ${protocol === 'ws:' ? 'wss' : 'ws'}://.`,
  )

function notUpgraded(where: string, status: number): Trouble {
  if (status === 101) {
    return new Trouble(
      `${where} upgrades to a WebSocket, but no WebSocket library agrees with its answer.`,
      'Look at the proxy: it must pass the headers of the answer on, Sec-WebSocket-Accept above all.',
    )
  }
  return new Trouble(`${where} answers ${status} instead of upgrading to a WebSocket.`, adviceOn(status))
}

function adviceOn(status: number): string {
  if (status === 426) {
    return 'Parley is there, but a proxy takes the headers away: it must pass Upgrade and Connection on, with HTTP/1.1.'
  }
  if (status === 401 || status === 403 || status === 407) {
    return 'Something in between wants a login or forbids it: let it pass WebSocket connections.'
  }
  if (status >= 300 && status < 400) return 'Use the address that it leads to; WebSocket libraries do not follow.'
  if (status === 404) {
    return "This may be the HTTP API: add /ws to the address of the WebSocket, or give its own port (8080), or the proxy's path for it."
  }
  if (status >= 502 && status <= 504)
    return 'The proxy does not reach Parley: check that it runs, and the port behind it.'
  return 'It may be the wrong port (the WebSocket has 8080), or a proxy that must be told to upgrade: pass Upgrade and Connection on.'
}
