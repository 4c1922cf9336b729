import type { Clock } from '../clock.ts'
import { withTimeout } from '../resilience/deadline.ts'
import { greet } from './greeting.ts'
import { type Agreed, type Credentials, callerHandshake, type Purpose } from './handshake.ts'
import { Wire, wireHandlers } from './wire.ts'

/** Milliseconds for all of a call: to find the address, to connect, and for the handshake. */
const callWithin = 1_000

/** A node, and where it is to be found. */
export interface NodeAddress {
  readonly id: string
  /** `host:port`; IPv6 in brackets. */
  readonly address: string
}

/**
 * Connects to a node and goes through the handshake with it. The outcome is what `agreed` makes of it, before anything else
 * that has come is read; if `agreed` throws, the wire is closed.
 * @throws Error that says why not, TimedOut included
 */
export function callNode<T>(
  self: Credentials,
  node: NodeAddress,
  purpose: Purpose,
  clock: Clock,
  until: AbortSignal,
  agreed: (wire: Wire, agreed: Agreed) => T,
): Promise<T> {
  return withTimeout(clock, callWithin, until, async signal => {
    const { hostname, port } = readPlace(node.address)
    const handshake = callerHandshake(self, node.id, purpose)
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const opened = (wire: Wire) => {
      signal.addEventListener('abort', () => wire.break('the call took too long'), { once: true })
      const made = (outcome: Agreed) => {
        try {
          resolve(agreed(wire, outcome))
        } catch (error) {
          wire.close((error as Error).message)
          reject(error)
        }
      }
      greet(wire, handshake, made, reason => reject(new Error(reason)))
    }
    const handlers = wireHandlers(socket => {
      const wire = new Wire(socket, clock)
      // It was opened too late.
      if (signal.aborted) wire.break('the call took too long')
      else opened(wire)
      return wire
    })
    // Otherwise the runtime takes its failure for one that nobody handles.
    const connectError = (_: unknown, error: Error) => reject(error)
    Bun.connect<Wire>({ hostname, port, socket: { ...handlers, connectError } }).catch(reject)
    return promise
  })
}

function readPlace(address: string): { readonly hostname: string; readonly port: number } {
  const [, bracketed, plain, port] = /^(?:\[([\da-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(address) ?? []
  const hostname = bracketed ?? plain
  if (hostname === undefined || Number(port) > 65_535) throw new Error('the address is no host:port')
  return { hostname, port: Number(port) }
}
