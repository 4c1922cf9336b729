import type { ServerWebSocket } from 'bun'

/** What a connection needs of its WebSocket, as the runtime has it. It may be one that another node has. */
export type Socket = Pick<
  ServerWebSocket<unknown>,
  'sendText' | 'ping' | 'close' | 'terminate' | 'getBufferedAmount' | 'cork' | 'remoteAddress'
>

/** What is told of what happens to a WebSocket. */
export interface SocketListener {
  receive(frame: string | Buffer): void
  readonly outgoing: {
    /** The socket has taken some of what was queued for it. */
    drained(): void
  }
  /** The other end has sent a ping. */
  alive(): void
  ponged(payload: Buffer): void
  /** @param code of RFC 6455 section 7.4 */
  closed(code: number): void
}
