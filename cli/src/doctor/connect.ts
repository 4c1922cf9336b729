import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface Place {
  /** A name or an address, an IPv6 one without brackets. */
  readonly host: string
  readonly port: number
  readonly isTls: boolean
}

/** Where an `http:`, `https:`, `ws:` or `wss:` URL leads. */
export function placeOf({ protocol, hostname, port }: URL): Place {
  const isTls = protocol === 'https:' || protocol === 'wss:'
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (isTls ? 443 : 80), isTls }
}

export const printPlace = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

/**
 * Resolves with an open connection, with TLS and a trusted certificate if the place has it. It is destroyed when
 * `signal` aborts, then or later.
 * @throws Error with a code of Node, or the reason of `signal`
 */
export function connect({ host, port, isTls }: Place, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    // A server name that is an address is forbidden (RFC 6066 section 3).
    const names = isIP(host) ? {} : { servername: host }
    const socket = isTls ? connectTls({ host, port, ...names }) : connectTcp({ host, port })
    const abort = () => {
      socket.destroy()
      reject(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
    socket.once('close', () => signal.removeEventListener('abort', abort))
    // For good: a socket that breaks after it was handed over must not end the process.
    socket.on('error', reject)
    // TLS may end without an error.
    socket.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })))
    socket.once(isTls ? 'secureConnect' : 'connect', () => resolve(socket))
  })
}
