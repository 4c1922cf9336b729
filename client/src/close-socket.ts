import type { Clock } from './clock.ts'

/** Milliseconds that the end of a WebSocket is waited for; without a network it may take long. */
const closedWithin = 2_000

/**
 * Closes a WebSocket. Resolves when the server has seen that, or the network has kept it from that for too long.
 * @param code of RFC 6455 section 7.4; by default one that does not say that the peer leaves its room
 */
export function closeSocket(socket: WebSocket, clock: Clock, code = 4000): Promise<void> {
  if (socket.readyState === socket.CLOSED) return Promise.resolve()
  return new Promise(resolve => {
    const cancel = clock.after(closedWithin, resolve)
    socket.onclose = () => {
      cancel()
      resolve()
    }
    socket.close(code)
  })
}
