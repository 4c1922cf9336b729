import { type Cancel, type Clock, nothingPlanned } from '../clock.ts'
import type { Log } from '../log.ts'
import type { LifeSigns } from '../rooms/peer-session.ts'
import { type Beat, isQuiet, type Pulse } from './heartbeat.ts'
import type { NumberedPings } from './numbered-pings.ts'
import type { Outgoing } from './outgoing.ts'
import type { Socket } from './socket.ts'

/** Milliseconds that a connection has to answer. A `register` that waits for it is to be answered within 5 s. */
const answerWithin = 4_000

/** What shows whether the other end of a WebSocket is still there. */
export class SocketLifeSigns implements LifeSigns, Pulse {
  heardAt: number
  part = 0
  /** Where it is of interest what the other end has. */
  pings: NumberedPings | undefined
  /** While it is asked: its answer. */
  #asked: PromiseWithResolvers<boolean> | undefined
  #cancel: Cancel = nothingPlanned

  constructor(
    private readonly socket: Socket,
    private readonly outgoing: Pick<Outgoing, 'ping'>,
    private readonly parts: { readonly beat: Beat; readonly clock: Clock; readonly log: Log },
  ) {
    this.heardAt = parts.beat.now
  }

  get isSilent(): boolean {
    return isQuiet(this, this.parts.beat)
  }

  answers(): Promise<boolean> {
    if (this.#asked) return this.#asked.promise
    const before = this.heardAt
    this.#asked = Promise.withResolvers()
    const { promise } = this.#asked
    this.#cancel = this.parts.clock.after(answerWithin, () => {
      if (this.heardAt === before) this.giveUp()
      this.settle(this.heardAt !== before)
    })
    this.ping()
    return promise
  }

  /** A ping or a pong has come. */
  heard(): void {
    this.heardAt = this.parts.beat.now
    this.settle(true)
  }

  /** It has answered a ping, or its connection has ended. */
  settle(isThere: boolean): void {
    this.#cancel()
    this.#cancel = nothingPlanned
    this.#asked?.resolve(isThere)
    this.#asked = undefined
  }

  ping(): void {
    this.outgoing.ping(this.pings?.next())
  }

  giveUp(): void {
    this.parts.log.info({}, 'connection dead')
    this.socket.terminate()
  }
}
