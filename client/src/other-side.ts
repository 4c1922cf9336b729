import type { LeaveReason } from '@parley/protocol'
import type { Clock } from './clock.ts'
import { gone, hasLeft, lost, wasRemoved } from './connection-errors.ts'
import type { ConnectionStatus } from './connection-types.ts'
import type { ParleyError } from './errors.ts'

/** Milliseconds that a peer may take to register again, if its connection to the server has broken while it is called. */
const comesBackWithin = 2_000

/** Milliseconds that a peer may take to confirm that it still has the connection; less, if the server says that it has left. */
const confirmsWithin = 5_000
const confirmsWithinIfLeft = 2_000

/** Milliseconds in which something must arrive after ICE was restarted. */
const arrivesWithin = 10_000

/** Milliseconds in which ICE, restarted, has found its new way. What is said before may go by the old one. */
const settlesWithin = 3_000

/** Milliseconds that the server may take to say why the connection has ended, as when a tab was closed. */
const tellsWithin = 1_000

/** Milliseconds after which it is asked by way of the server, too: the connection itself may be slow, or interrupted. */
const passOnAfter = 300

/** The connection, as far as it matters here. */
export interface WatchedConnection {
  readonly peerId: string
  readonly status: ConnectionStatus
  /** See `Connection`. */
  readonly isPlain: boolean | undefined
  /** Asks over the connection whether the other side is there. */
  ping(): void
  /** Asks by way of the server whether the other side still has the connection. */
  ask(): void
  /** Begins again, if this side has begun. */
  callAgain(): void
  end(error: ParleyError): void
}

/** What is known of the peer at the other end of a connection, from the server and from the connection itself. */
export class OtherSide {
  readonly #connection: WatchedConnection
  #cancel = () => {}
  #settle = () => {}
  #settled: Promise<void> | undefined
  /** What has happened if it is silent from now on. */
  #whySilent = lost
  #isOver = false

  constructor(
    connection: WatchedConnection,
    private readonly clock: Clock,
  ) {
    this.#connection = connection
  }

  /** Resolves when it is certain whether the other side still has the connection; undefined if nothing speaks against it. */
  get doubt(): Promise<void> | undefined {
    return this.#settled
  }

  /** Why the connection has ended, if the other side did not say so. */
  get whySilent(): ParleyError {
    return this.#whySilent(this.#connection.peerId)
  }

  /**
   * ICE has been restarted on a connection that works. Between Chromium and Firefox it happens that both call the new way
   * connected and nothing arrives on it any more: then the connection is lost, and has to be told so.
   * @param hasSettled whether this is the second look
   */
  restarted(hasSettled = false): void {
    if (this.#connection.isPlain) return
    this.#endIn(arrivesWithin, lost)
    this.#connection.ping()
    if (!hasSettled) this.clock.after(settlesWithin, () => this.restarted(true))
  }

  /** The connection has ended at the other end, without a goodbye. The server may be about to say why. */
  silent(): void {
    this.#isOver = true
    this.#wait(this.#whySilent === lost ? tellsWithin : 0, () => this.#connection.end(this.whySilent))
  }

  /**
   * The server says that the peer has gone. That alone does not end a connection that works: the peer may have moved to
   * another channel, or may use it without the server, as peers without this library do.
   */
  departed(reason: LeaveReason): void {
    const { status, isPlain, peerId } = this.#connection
    // After a room's end, those who were in it may go on; a peer that is replaced joins again.
    if (reason === 'room_closed' || reason === 'replaced') return
    const isBroken = reason === 'disconnected'
    if (status === 'connecting') {
      if (isPlain) return
      if (isBroken) this.#endIn(comesBackWithin, gone)
      else this.#connection.end(gone(peerId))
      return
    }
    const why = isBroken ? lost : reason === 'removed' ? wasRemoved : hasLeft
    const isUseless = this.#isOver || status === 'interrupted' || (reason === 'removed' && !isPlain)
    if (isUseless) this.#connection.end(why(peerId))
    else if (!isPlain) this.#ask(isBroken ? confirmsWithin : confirmsWithinIfLeft, why)
  }

  /** The server says that the peer has registered, perhaps again: it may be another program by now. */
  returned(): void {
    if (this.#connection.status !== 'connecting') this.verify()
    else if (!this.#connection.isPlain) {
      this.trust()
      this.#connection.callAgain()
    }
  }

  /** One of the two has registered again, and may have missed the end of the connection. */
  verify(): void {
    const { status, isPlain } = this.#connection
    if (status === 'connecting') return
    if (!isPlain) this.#ask(confirmsWithin, lost)
    // It cannot be asked, and the way cannot be repaired.
    else if (status === 'interrupted') this.#connection.end(this.whySilent)
  }

  /** It has shown that it has the connection; or the connection has ended, and there is nothing to find out. */
  trust(): void {
    this.#cancel()
    this.#whySilent = lost
    this.#settle()
    this.#settled = undefined
  }

  #ask(within: number, why: typeof lost): void {
    this.#whySilent = why
    this.#wait(passOnAfter, () => {
      this.#endIn(within - passOnAfter, why)
      this.#connection.ask()
    })
    this.#connection.ping()
  }

  #endIn(ms: number, why: typeof lost): void {
    this.#wait(ms, () => this.#connection.end(why(this.#connection.peerId)))
  }

  /** In doubt until `trust`, or for `ms` milliseconds. */
  #wait(ms: number, act: () => void): void {
    this.#cancel()
    this.#settled ??= new Promise(resolve => {
      this.#settle = resolve
    })
    this.#cancel = this.clock.after(ms, act)
  }
}
