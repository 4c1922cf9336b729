import type { Clock } from '../clock.ts'
import { type Closing, crossing, frameBytes, type Way } from './crossing-frames.ts'
import type { Socket, SocketListener } from './socket.ts'

/** Bytes that the entering node need not have confirmed: it does so each time that its socket has taken half as many. */
const slack = 32 * 1024

/**
 * A WebSocket that another node has, as the connection sees it that speaks for its peer here. What it is told goes over the
 * link between the nodes, in order.
 */
export class CarriedSocket implements Socket {
  /** The client's is known to the other node. */
  readonly remoteAddress = ''
  listener: SocketListener | undefined
  #sent = 0
  #taken = 0
  #isOver = false
  #isGivenBack = false

  constructor(
    private readonly way: Way,
    private readonly clock: Clock,
    /** It has ended, or the way to it. */
    private readonly onEnd: () => void,
  ) {}

  sendText(text: string): number {
    if (this.#isOver) return 0
    if (!this.way.send(crossing.text, text, 'relay')) {
      // Its sender may have been told that it was taken. So the peer has to come back for it.
      this.terminate()
      return 0
    }
    this.#sent += frameBytes(text)
    return this.getBufferedAmount() > 0 ? -1 : text.length
  }

  ping(payload: string | Buffer = ''): number {
    return this.#isOver || !this.way.send(crossing.ping, Buffer.from(payload as string), 'relay') ? 0 : 1
  }

  /** About as much as waits on the way to the other end. */
  getBufferedAmount(): number {
    const waiting = this.#sent - this.#taken
    return waiting > slack && !this.#isOver && !this.#isGivenBack ? waiting : 0
  }

  cork<R>(act: (socket: never) => R): R {
    // What is sent over a link in one turn goes out in one write in any case.
    return act(undefined as never)
  }

  close(code = 1000, reason = ''): void {
    if (!this.#isOver) this.way.send(crossing.close, JSON.stringify({ code, reason } satisfies Closing), 'answer')
  }

  terminate(): void {
    if (this.#isOver) return
    this.way.send(crossing.terminate, Buffer.of(), 'answer')
    // Not at once, as with a socket of this node.
    this.clock.after(0, () => this.ended(1006))
  }

  /** The entering node's socket has taken so many bytes in all. */
  taken(bytes: number): void {
    this.#taken = Math.max(this.#taken, Math.min(bytes, this.#sent))
    this.listener?.outgoing.drained()
  }

  /** Gives these frames, and what still comes, back to the entering node, which is to handle it. */
  giveBack(frames: Iterable<string | Buffer>): void {
    this.#isGivenBack = true
    const receive = (frame: string | Buffer) =>
      void this.way.send(typeof frame === 'string' ? crossing.elsewhere : crossing.elsewhereBinary, frame, 'answer')
    for (const frame of frames) receive(frame)
    const ignore = () => {}
    // The entering node waits for the last word.
    const closed = () => this.close()
    this.listener = { receive, alive: ignore, ponged: ignore, outgoing: { drained: ignore }, closed }
  }

  /** The socket has ended, or the way to it. */
  ended(code: number): void {
    if (this.#isOver) return
    this.onEnd()
    this.listener?.closed(code)
    this.#isOver = true
  }
}
