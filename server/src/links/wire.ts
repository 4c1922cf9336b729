import type { Socket, SocketHandler } from 'bun'
import type { Clock } from '../clock.ts'
import { FrameReader } from './frames.ts'
import { longestHandshakeBody } from './handshake.ts'
import { Outbox } from './outbox.ts'

/** Milliseconds that the other side has to close, too, when this one has said that nothing more will come. */
const lingerFor = 1_000

/** What hears of a wire. */
export interface WireUser {
  /** One frame, in order. The body is a view of what was received, and stays as it is. */
  frame(type: number, handle: number, body: Buffer): void
  /** Once, and last. `isFault` says that neither side has meant it to end. */
  ended(reason: string, isFault: boolean): void
}

/** One TCP connection between two nodes, whichever has opened it: frames in, frames out, one end. */
export class Wire {
  /** The uptime at which something came last. */
  heardAt: number
  /** Whether something was sent since somebody has set it to false. */
  hasSent = false
  user: WireUser | undefined
  /** The IP address at the other end. A socket that is closed does not know it any more. */
  readonly address: string
  readonly outbox = new Outbox()
  readonly #reader = new FrameReader(longestHandshakeBody, (type, handle, body) => {
    this.user?.frame(type, handle, body)
    return this.isOpen
  })
  #isOpen = true
  /** The socket has taken less than it was given, and will say when it takes more. */
  #isBlocked = false

  constructor(
    private readonly socket: Socket<Wire>,
    private readonly clock: Clock,
  ) {
    this.heardAt = clock.uptime()
    this.address = socket.remoteAddress
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Takes longer frames from now on: the other side has proved who it is. */
  trust(longestBody: number): void {
    this.#reader.longest = longestBody
  }

  /** Writes what waits, as far as the socket takes it now; the rest follows when it does. */
  flush(): void {
    if (!this.#isOpen || this.#isBlocked || this.outbox.waiting === 0) return
    this.hasSent = true
    // What a closed socket does not take is lost; that it is closed will be said.
    if (this.outbox.writeTo(this.socket)) this.#isBlocked = this.outbox.waiting > 0
  }

  received(chunk: Buffer): void {
    if (!this.#isOpen) return
    this.heardAt = this.clock.uptime()
    if (!this.#reader.push(chunk)) this.break('a frame that is too long')
  }

  drained(): void {
    this.#isBlocked = false
    this.flush()
  }

  /** Ends it at once: something is wrong. What waits is lost, on both sides. */
  break(reason: string): void {
    this.#end(reason, true, () => this.socket.terminate())
  }

  /** Ends it at once; what the socket has taken still arrives if the other side has sent nothing meanwhile. */
  refuse(reason: string): void {
    this.flush()
    this.#end(reason, true, () => this.socket.end())
  }

  /** Ends it when all that the socket has taken was received. */
  close(reason: string): void {
    this.flush()
    this.#end(reason, false, () => {
      this.socket.shutdown()
      this.clock.after(lingerFor, () => this.socket.terminate())
    })
  }

  /** The socket is closed. */
  lost(error: Error | undefined): void {
    const code = error && 'code' in error ? String(error.code) : undefined
    const reason = error ? (code ?? error.message) : 'closed by the other node'
    this.#end(reason, error !== undefined, () => {})
  }

  #end(reason: string, isFault: boolean, act: () => void): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.outbox.clear()
    act()
    this.user?.ended(reason, isFault)
  }
}

/** What Bun tells of a socket, told to its wire. `opened` makes the wire of what has just been opened. */
export function wireHandlers(opened: (socket: Socket<Wire>) => Wire): SocketHandler<Wire> {
  // Before `opened` has run there is no wire, whatever the type says.
  const wireOf = (socket: Socket<Wire>): Wire | undefined => socket.data
  return {
    open(socket) {
      socket.setNoDelay(true)
      socket.data = opened(socket)
    },
    data: (socket, chunk) => wireOf(socket)?.received(chunk),
    drain: socket => wireOf(socket)?.drained(),
    close: (socket, error) => wireOf(socket)?.lost(error),
    error: (socket, error) => wireOf(socket)?.break(error.message),
  }
}
